"""Mean Teacher: agree with an average of oneself (Tarvainen and Valpola, NeurIPS 2017).

L = CE(labelled) + w(t) * mean squared difference of the student's and the teacher's softmax
(section 2), the mean over images and classes; w(t) = w_max * exp(-5 (1 - t / T)^2) up to step T.
teacher <- a * teacher + (1 - a) * student after every step, with a = min(1 - 1 / (t + 1), a_max),
as in the authors' code.

Defaults (section 3 and appendix B): w_max 100, T = 40,000 of 150,000 steps, a_max 0.99 during the
ramp and 0.999 after it. The paper sees every image under two weak distortions; here the teacher
sees the weak view of an unlabelled image and the student its first strong one. The unlabelled pool
holds the labelled images too, so the consistency covers all images as in the paper. The teacher
predicts; ``model_best.pth`` holds the student.

Optimiser, rate and batch sizes are the defaults of the shared flags, SGD with 0.03 and a cosine.
They are not the paper's: Adam, 0.003 with a rise and a fall, batches of 100.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.baselines.pseudo_labels import Baseline, PseudoLabels, logits_of
from common.engine.method import Batches, Progress, StepOutput
from common.flags import not_negative, setting, share


@dataclass(frozen=True)
class Settings:
    """Mean Teacher's settings, each a flag of its name."""

    consistency: float = setting(100.0, "w_max", type=not_negative)
    consistency_rampup: float = setting(4 / 15, "T as a share of the training", type=share)
    teacher_decay_rampup: float = setting(0.99, "a_max during the ramp", type=share)
    teacher_decay: float = setting(0.999, "a_max after the ramp", type=share)


def sigmoid_rampup(share: float) -> float:
    """exp(-5 (1 - share)^2), 1 from share 1 on."""
    return math.exp(-5 * (1 - min(share, 1.0)) ** 2)


class MeanTeacher(Baseline):
    """A student on labels and on its teacher's predictions; the teacher is its average."""

    Settings, group = Settings, "Mean Teacher"

    def __init__(self, model: nn.Module, settings: Settings | None = None):
        super().__init__(model, settings)
        self.teacher = copy.deepcopy(model).requires_grad_(False)

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """The student on [labelled; strong0], the teacher on weak."""
        labelled, unlabelled = batches["labelled"], batches["unlabelled"]
        logits_l, logits_s = logits_of(self.model, labelled["weak"], unlabelled["strong0"])
        with torch.no_grad():
            (logits_t,) = logits_of(self.teacher, unlabelled["weak"])
            target = torch.softmax(logits_t, dim=1)
        weight = self.settings.consistency * sigmoid_rampup(self._ramp_share(progress))
        sup = F.cross_entropy(logits_l, labelled["label"])
        agree = F.mse_loss(torch.softmax(logits_s, dim=1), target)
        chosen = PseudoLabels.select(target, 0.0, unlabelled["label"])
        parts = {"sup_loss": sup, "consistency_loss": agree, "consistency_weight": weight}
        return chosen.output(sup + weight * agree, **parts)

    def _ramp_share(self, progress: Progress) -> float:
        steps = self.settings.consistency_rampup * progress.epochs * progress.steps_per_epoch
        return progress.global_step / steps if steps else 1.0

    @torch.no_grad()
    def on_step_end(self, progress: Progress) -> None:
        """Move the teacher's parameters; its batch-norm statistics are those it sees itself."""
        s = self.settings
        largest = s.teacher_decay if self._ramp_share(progress) >= 1 else s.teacher_decay_rampup
        decay = min(1 - 1 / (progress.global_step + 2), largest)  # t counts from 1
        past = list(self.teacher.parameters())
        torch._foreach_mul_(past, decay)
        torch._foreach_add_(past, list(self.model.parameters()), alpha=1 - decay)

    def predict(self, images: Tensor) -> Tensor:
        """The teacher's logits [n, C]."""
        return self.teacher(images)[0]
