"""Pseudo-Label: the network's own arg-max as target (Lee, ICML workshop 2013).

L = CE(labelled) + alpha(t) * CE(unlabelled, arg-max of the same prediction), equation 15; alpha is
0 before T1, rises linearly and is alpha_f from T2 on, equation 16.

Defaults: alpha_f = 3 (section 3.1) and no threshold. The paper's T1 = 100 and T2 = 600 are epochs
of a training whose length it does not say, so they are shares of the training here: T2 is 0.4 of
it, as in Oliver et al. (NeurIPS 2018, appendix B), and T1 a sixth of T2 as in the paper. Later
comparisons keep confident predictions only: ``--threshold 0.95``.

Optimiser, rate, batch sizes and average are the defaults of the shared flags. They are not the
paper's: a decaying rate and a rising momentum without weight decay, batches of 32 labelled and 256
unlabelled images, no average.
"""

from __future__ import annotations

import argparse

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.baselines.pseudo_labels import PseudoLabels, logits_of
from common.engine.method import Batches, Method, Progress, StepOutput
from common.flags import number
from s2ver.objective import pseudo_label_loss


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the method's own flags."""
    add = parser.add_argument_group("Pseudo-Label").add_argument
    share = number(float, low=0, high=1)
    add("--alpha_f", type=number(float, low=0), default=3.0, help="weight of the pseudo-labels")
    add("--ramp_start", type=share, default=0.4 / 6, help="T1 as a share of the training")
    add("--ramp_end", type=share, default=0.4, help="T2 as a share of the training")
    add("--threshold", type=number(float, low=0), default=0.0, help="least confidence")


def build(model: nn.Module, args, images) -> Method:
    """Pseudo-Label with the settings of the flags."""
    return PseudoLabel(model, args.alpha_f, args.ramp_start, args.ramp_end, args.threshold)


def ramp(share: float, start: float, end: float) -> float:
    """0 before `start`, then linear, 1 from `end` on."""
    if share >= end:
        return 1.0
    return max(0.0, (share - start) / (end - start)) if end > start else 0.0


class PseudoLabel(Method):
    """Pseudo-labels of the weak view train the weak view.

    Args:
        model: images -> (logits [n, C], features).
        alpha_f: final weight of the unlabelled loss.
        start, end: shares of the training between which the weight rises.
        threshold: least confidence of a pseudo-label that counts.
    """

    def __init__(
        self,
        model: nn.Module,
        alpha_f: float = 3.0,
        start: float = 0.4 / 6,
        end: float = 0.4,
        threshold: float = 0.0,
    ):
        super().__init__()
        self.model = model
        self.alpha_f, self.start, self.end, self.threshold = alpha_f, start, end, threshold

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """One forward over [labelled; weak]."""
        labelled, unlabelled = batches["labelled"], batches["unlabelled"]
        logits_l, logits_w = logits_of(self.model, labelled["weak"], unlabelled["weak"])
        share = progress.global_step / (progress.epochs * progress.steps_per_epoch)
        weight = self.alpha_f * ramp(share, self.start, self.end)
        probabilities = torch.softmax(logits_w.detach(), dim=1)
        chosen = PseudoLabels.select(probabilities, self.threshold, unlabelled["label"])
        sup = F.cross_entropy(logits_l, labelled["label"])
        unsup = pseudo_label_loss(logits_w, chosen.label, chosen.mask)
        logs = {"sup_loss": sup, "unsup_loss": unsup, "unsup_weight": weight, **chosen.logs()}
        return StepOutput(sup + weight * unsup, logs, chosen.details())

    def predict(self, images: Tensor) -> Tensor:
        """Logits [n, C]."""
        return self.model(images)[0]
