"""Learning rates of fine-tuning."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR, MultiStepLR

from common.flags import at_least_0, count, not_negative, number, positive, setting

MILESTONES, GAMMA = (20, 40, 60), 0.1


@dataclass(frozen=True)
class CosineConfig:
    """timm's cosine with warm-up, counted in updates.

    Attributes:
        lr: rate at the end of the warm-up.
        lr_min: rate from the cosine's end on; there is one cycle.
        warmup_lr_init: rate of update number 0, where there is a warm-up.
        warmup_epoch: updates of the warm-up; they count as the cosine's first ones.
        num_epochs: the cosine ends after half of them.
        num_steps_per_epoch: updates that an epoch counts as, whatever its length.
    """

    lr: float = setting(1.5e-4, "rate at the end of the warm-up", type=positive)
    lr_min: float = setting(1e-5, "rate of the second half", type=not_negative)
    warmup_lr_init: float = setting(5e-5, "rate of the first update", type=positive)
    warmup_epoch: int = setting(5, "updates of the warm-up", type=at_least_0)
    num_epochs: int = setting(100, "epochs", type=number(int, low=2))
    num_steps_per_epoch: int = setting(1, "updates an epoch counts as", type=count)

    def __post_init__(self):
        if self.num_epochs < 2:
            raise ValueError("the cosine runs over half the epochs, so there must be two at least")

    def rate(self, update: int) -> float:
        """Rate of update number `update`."""
        end = (self.num_epochs // 2) * self.num_steps_per_epoch
        if update < self.warmup_epoch:
            rise = (self.lr - self.warmup_lr_init) / self.warmup_epoch
            return self.warmup_lr_init + update * rise
        if update >= end:
            return self.lr_min
        share = 0.5 * (1 + math.cos(math.pi * update / end))
        return self.lr_min + (self.lr - self.lr_min) * share

    def rate_of_step(self, step: int, iterations: int) -> float:
        """Rate of optimiser step number `step`, of `iterations` an epoch.

        The published code names the update after a step, by the epoch the step was in: the first
        step of an epoch still has the rate of the epoch before.
        """
        if step == 0:
            return self.rate(0)
        return self.rate((step - 1) // iterations * self.num_steps_per_epoch)


def cosine_schedule(optimizer: Optimizer, config: CosineConfig, iterations: int) -> LambdaLR:
    """A scheduler that moves after every step; `optimizer` must have been made with ``lr``."""
    return LambdaLR(optimizer, lambda k: config.rate_of_step(k, iterations) / config.lr)


def milestone_schedule(optimizer: Optimizer) -> MultiStepLR:
    """The schedule of the semi-supervised stage, which the published code makes and never moves."""
    return MultiStepLR(optimizer, list(MILESTONES), GAMMA)


def semi_schedule(protocol: str):
    """Optimiser -> scheduler of the semi-supervised stage, moved once an epoch; None for none.

    Under ``kfold`` there is none: the published code makes one and never moves it.
    """
    return None if protocol == "kfold" else milestone_schedule


def build_optimizer(parameters: Iterable[nn.Parameter], lr: float, weight_decay: float) -> AdamW:
    """AdamW of both stages, with the betas of pre-training and one weight decay for everything."""
    return AdamW(parameters, lr=lr, betas=(0.9, 0.95), weight_decay=weight_decay)
