"""FixMatch: confident labels of the weak view train the strong view (Sohn et al., NeurIPS 2020).

L = CE(labelled) + lambda_u * mean over all unlabelled images of
1(max q >= tau) * CE(strong view, arg-max q), with q the softmax of the weak view: equations 3, 4.

Defaults (table 4): tau 0.95, lambda_u 1. Optimiser, rate, batch sizes and average are the defaults
of the shared flags. SGD with Nesterov momentum, 0.03 with a cosine and the average of 0.999 are the
paper's too; its batches of 64 and 7 unlabelled images a labelled one are not
(``--batch_size 64 --uratio 7``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.baselines.pseudo_labels import Baseline, PseudoLabels, logits_of
from common.engine.method import Batches, Progress, StepOutput
from common.flags import not_negative, setting
from s2ver.objective import pseudo_label_loss


@dataclass(frozen=True)
class Settings:
    """FixMatch's settings, each a flag of its name."""

    threshold: float = setting(0.95, "tau", type=not_negative)
    lambda_u: float = setting(1.0, "weight of the pseudo-labels", type=not_negative)


class FixMatch(Baseline):
    """A fixed confidence threshold."""

    Settings, group = Settings, "FixMatch and FlexMatch"

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """One forward over [labelled; weak; strong0]."""
        labelled, unlabelled = batches["labelled"], batches["unlabelled"]
        views = labelled["weak"], unlabelled["weak"], unlabelled["strong0"]
        logits_l, logits_w, logits_s = logits_of(self.model, *views)
        chosen = self.select(torch.softmax(logits_w.detach(), dim=1), unlabelled)
        sup = F.cross_entropy(logits_l, labelled["label"])
        unsup = pseudo_label_loss(logits_s, chosen.label, chosen.mask)
        loss = sup + self.settings.lambda_u * unsup
        return chosen.output(loss, sup_loss=sup, unsup_loss=unsup)

    def select(self, probabilities: Tensor, unlabelled: dict[str, Tensor]) -> PseudoLabels:
        """Pseudo-labels of the weak views' predictions ([U, C])."""
        return PseudoLabels.select(probabilities, self.settings.threshold, unlabelled["label"])
