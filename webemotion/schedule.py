"""The optimiser and its rate: steps at given epochs, or a plateau of the validation loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from common.cli import UserError
from common.engine.trainer import Callback, Trainer
from webemotion.config import Config

GAMMA = 0.1


def build_optimizer(
    parameters: Iterable[nn.Parameter], lr: float, momentum: float, weight_decay: float
) -> torch.optim.SGD:
    """SGD over what trains; the decay is added to the gradient."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    return torch.optim.SGD(trained, lr=lr, momentum=momentum, weight_decay=weight_decay)


def milestones_of(schedule: str, source: str = "lr_schedule") -> list[int]:
    """The epochs of ``"10, 20, 30"``.

    Args:
        schedule: numbers between commas, with or without blanks.
        source: where it stands, for messages.

    Raises:
        UserError: no whole numbers, or not in rising order.
    """
    words = [word.strip() for word in schedule.split(",") if word.strip()]
    if not all(word.isdecimal() for word in words):
        raise UserError(f"{source} '{schedule}' is no list of epochs like '10, 20'.")
    epochs = [int(word) for word in words]
    if epochs != sorted(epochs):
        raise UserError(f"the epochs of {source} '{schedule}' do not rise.")
    return epochs


class Steps:
    """The rate times 0.1 at every milestone: epoch 10 of "10" is the first with the lower one.

    Epochs count from where the training was entered, whatever their number: as published, a
    resumed training begins with the base rate.

    Args:
        milestones: epochs.
        entered: epochs that are taken for gone at the beginning; both are part of a checkpoint.
    """

    def __init__(self, milestones: list[int], entered: int = 0):
        self.milestones, self.entered = milestones, entered

    def __call__(self, epoch: int) -> float:
        return GAMMA ** sum(epoch + self.entered >= milestone for milestone in self.milestones)


class Plateau(Callback):
    """Cuts the rate when a loss has not fallen for more than `patience` epochs.

    Args:
        optimizer, patience: of torch's ReduceLROnPlateau.
        loss: of the epoch; None: the validation loss.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        patience: int,
        loss: Callable[[], float] | None = None,
    ):
        self.loss = loss
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, mode="min", factor=0.1, patience=patience, threshold=1e-4
        )

    def state_dict(self) -> dict:
        """The lowest loss and how long ago it was."""
        state = self.scheduler.state_dict()
        return {name: value for name, value in state.items() if isinstance(value, int | float)}

    def load_state_dict(self, state: dict, device: torch.device) -> None:
        """Go on from :meth:`state_dict`."""
        self.scheduler.load_state_dict(state)

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """Move on by the loss of the epoch."""
        self.scheduler.step(self.loss() if self.loss else row[trainer.judged_on]["loss"])


def by_plateau(config: Config) -> bool:
    """Whether the rate follows the validation loss: ``lr_schedule`` is empty."""
    return not (config.lr_schedule or "").strip()


def scheduling(
    optimizer, config: Config, entered: int = 0, loss: Callable[[], float] | None = None
):
    """(scheduler or None, callbacks): steps of ``lr_schedule``, or a plateau where it is empty.

    Args:
        entered: see :class:`Steps`.
        loss: see :class:`Plateau`.
    """
    if by_plateau(config):
        return None, (Plateau(optimizer, config.lr_patience, loss),)
    milestones = milestones_of(config.lr_schedule, f"lr_schedule of {config.path},")
    return LambdaLR(optimizer, Steps(milestones, entered)), ()


def go_on_with(optimizer: torch.optim.Optimizer, state: dict, config: Config) -> None:
    """Restore an optimiser of an earlier training, as published.

    Its momentum is gone on with. A schedule of steps sets the rate anew, so that it begins at
    ``lr`` again; a plateau goes on from the restored rate.

    Raises:
        UserError: the state is of another network.
    """
    try:
        optimizer.load_state_dict(state)
    except (ValueError, KeyError) as error:
        raise UserError(f"resume: the optimiser is of another network ({error}).") from None
    for group in optimizer.param_groups:
        rate = group["lr"] if by_plateau(config) else config.lr
        group["lr"] = group["initial_lr"] = rate
