"""FixMatch: confident labels of the weak view train the strong view (Sohn et al., NeurIPS 2020).

L = CE(labelled) + lambda_u * mean over all unlabelled images of
1(max q >= tau) * CE(strong view, arg-max q), with q the softmax of the weak view: equations 3, 4.

Defaults (table 4): tau 0.95, lambda_u 1. Optimiser, rate, batch sizes and average are the defaults
of the shared flags. SGD with Nesterov momentum, 0.03 with a cosine and the average of 0.999 are the
paper's too; its batches of 64 and 7 unlabelled images a labelled one are not
(``--batch_size 64 --uratio 7``).
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
    add = parser.add_argument_group("FixMatch and FlexMatch").add_argument
    add("--threshold", type=number(float, low=0), default=0.95, help="tau")
    add("--lambda_u", type=number(float, low=0), default=1.0, help="weight of the pseudo-labels")


def build(model: nn.Module, args, images) -> Method:
    """FixMatch with the settings of the flags."""
    return FixMatch(model, args.threshold, args.lambda_u)


class FixMatch(Method):
    """A fixed confidence threshold.

    Args:
        model: images -> (logits [n, C], features).
        threshold: tau.
        lambda_u: weight of the unlabelled loss.
    """

    def __init__(self, model: nn.Module, threshold: float = 0.95, lambda_u: float = 1.0):
        super().__init__()
        self.model = model
        self.threshold, self.lambda_u = threshold, lambda_u

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """One forward over [labelled; weak; strong0]."""
        labelled, unlabelled = batches["labelled"], batches["unlabelled"]
        views = labelled["weak"], unlabelled["weak"], unlabelled["strong0"]
        logits_l, logits_w, logits_s = logits_of(self.model, *views)
        chosen = self.select(torch.softmax(logits_w.detach(), dim=1), unlabelled)
        sup = F.cross_entropy(logits_l, labelled["label"])
        unsup = pseudo_label_loss(logits_s, chosen.label, chosen.mask)
        logs = {"sup_loss": sup, "unsup_loss": unsup, **chosen.logs()}
        return StepOutput(sup + self.lambda_u * unsup, logs, chosen.details())

    def select(self, probabilities: Tensor, unlabelled: dict[str, Tensor]) -> PseudoLabels:
        """Pseudo-labels of the weak views' predictions ([U, C])."""
        return PseudoLabels.select(probabilities, self.threshold, unlabelled["label"])

    def predict(self, images: Tensor) -> Tensor:
        """Logits [n, C]."""
        return self.model(images)[0]
