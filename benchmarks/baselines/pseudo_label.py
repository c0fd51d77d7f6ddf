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

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from benchmarks.baselines.pseudo_labels import Baseline, PseudoLabels, logits_of
from common.engine.method import Batches, Progress, StepOutput
from common.flags import not_negative, setting, share
from s2ver.objective import pseudo_label_loss


@dataclass(frozen=True)
class Settings:
    """Pseudo-Label's settings, each a flag of its name."""

    alpha_f: float = setting(3.0, "weight of the pseudo-labels", type=not_negative)
    ramp_start: float = setting(0.4 / 6, "T1 as a share of the training", type=share)
    ramp_end: float = setting(0.4, "T2 as a share of the training", type=share)
    threshold: float = setting(0.0, "least confidence", type=not_negative)


def ramp(share: float, start: float, end: float) -> float:
    """0 before `start`, then linear, 1 from `end` on."""
    if share >= end:
        return 1.0
    return max(0.0, (share - start) / (end - start)) if end > start else 0.0


class PseudoLabel(Baseline):
    """Pseudo-labels of the weak view train the weak view."""

    Settings, group = Settings, "Pseudo-Label"

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """One forward over [labelled; weak]."""
        s, labelled, unlabelled = self.settings, batches["labelled"], batches["unlabelled"]
        logits_l, logits_w = logits_of(self.model, labelled["weak"], unlabelled["weak"])
        share_done = progress.global_step / (progress.epochs * progress.steps_per_epoch)
        weight = s.alpha_f * ramp(share_done, s.ramp_start, s.ramp_end)
        probabilities = torch.softmax(logits_w.detach(), dim=1)
        chosen = PseudoLabels.select(probabilities, s.threshold, unlabelled["label"])
        sup = F.cross_entropy(logits_l, labelled["label"])
        unsup = pseudo_label_loss(logits_w, chosen.label, chosen.mask)
        loss = sup + weight * unsup
        return chosen.output(loss, sup_loss=sup, unsup_loss=unsup, unsup_weight=weight)
