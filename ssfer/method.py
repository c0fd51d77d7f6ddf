"""Fine-tuning in two stages: FaceMix on labelled faces, then a teacher on unlabelled ones."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.engine.method import Batches, Method, Progress, StepOutput
from ssfer import objective


@dataclass(frozen=True)
class MixSettings:
    """What the supervised stage does to a batch.

    Attributes:
        facemix: weigh the originals by how little the paired faces overlap.
        mixup: plain mixup, where `facemix` is off; with both off, smoothed cross-entropy.
        mixup_alpha, cutmix_alpha, prob, switch_prob, label_smoothing: of timm's mixup.
        spare_originals: keep the images apart from the mixed ones. The published code mixes in
            place, so that its originals are mixed too.
        one_forward: where originals and mixed are one tensor, forward it once instead of twice,
            which differs by rounding alone.
    """

    facemix: bool = True
    mixup: bool = False
    mixup_alpha: float = 1.0
    cutmix_alpha: float = 0.0
    prob: float = 1.0
    switch_prob: float = 0.0
    label_smoothing: float = 0.1
    spare_originals: bool = False
    one_forward: bool = False


class FaceMix(Method):
    """The supervised stage.

    Args:
        model: images [n, 3, H, W] -> logits [n, C].
        num_classes: C.
        settings: see :class:`MixSettings`.
    """

    stream_names = ("labelled",)

    def __init__(self, model: nn.Module, num_classes: int, settings: MixSettings | None = None):
        super().__init__()
        self.model = model
        self.settings = s = settings or MixSettings()
        self.mix = objective.BatchMixup(
            mixup_alpha=s.mixup_alpha,
            cutmix_alpha=s.cutmix_alpha,
            prob=s.prob,
            switch_prob=s.switch_prob,
            label_smoothing=s.label_smoothing,
            num_classes=num_classes,
        )

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """Mix, then one of three losses: FaceMix, mixup, smoothed cross-entropy."""
        batch = batches["labelled"]
        images, labels = batch["image"], batch["label"]
        if self.settings.facemix:
            return self._facemix(images, labels, batch["box"])
        if self.settings.mixup:
            mixed, targets = self.mix(images, labels)
            logits = self.model(mixed)
            with torch.autocast(logits.device.type, enabled=False):
                return StepOutput(objective.soft_cross_entropy(logits.float(), targets).mean())
        logits = self.model(images)
        smoothing = self.settings.label_smoothing
        with torch.autocast(logits.device.type, enabled=False):
            return StepOutput(F.cross_entropy(logits.float(), labels, label_smoothing=smoothing))

    def _facemix(self, images: Tensor, labels: Tensor, boxes: Tensor) -> StepOutput:
        originals = images.clone() if self.settings.spare_originals else images
        mixed, targets = self.mix(images, labels)
        logits_origin = self.model(originals)
        once = self.settings.one_forward and originals is mixed
        logits_mixed = logits_origin if once else self.model(mixed)
        iou = objective.pair_iou(boxes)
        with torch.autocast(logits_mixed.device.type, enabled=False):
            parts = objective.facemix_loss(
                logits_origin.float(), logits_mixed.float(), labels, targets, iou
            )
        logs = {
            "mixed_loss": parts.mixed.mean(),
            "origin_loss": parts.origin.mean(),
            "iou": iou.mean(),
        }
        details = {"iou": iou, "mixed_loss": parts.mixed, "origin_loss": parts.origin}
        return StepOutput(parts.loss, logs, details)

    def predict(self, images: Tensor) -> Tensor:
        """Logits [n, C]."""
        return self.model(images)


@dataclass(frozen=True)
class TeacherSettings:
    """What the semi-supervised stage does.

    Attributes:
        threshold: probability from which a pseudo-label is used.
        coefficient_u: weight of the unlabelled loss.
        burnin_epochs: epochs without the unlabelled loss.
        ema_teacher: the average labels the weak views, else the live model does.
        ema_decay: weight of the past in the average.
    """

    threshold: float = 0.7
    coefficient_u: float = 5.0
    burnin_epochs: int = 0
    ema_teacher: bool = True
    ema_decay: float = 0.999


@torch.no_grad()
def move_teacher(teacher: nn.Module, model: nn.Module, decay: float) -> None:
    """teacher <- decay * teacher + (1 - decay) * model, over the whole state dict, in place.

    Buffers and frozen parameters are averaged too; integers are cut back toward zero, so that they
    lag, as with timm's ``ModelEma``.
    """
    live = model.state_dict()
    for name, value in teacher.state_dict().items():
        value.copy_(value * decay + (1.0 - decay) * live[name])


class EMATeacher(Method):
    """The semi-supervised stage: an average of the student labels weak views for strong ones.

    Args:
        model: the student, images -> logits [n, C].
        settings: see :class:`TeacherSettings`.

    Attributes:
        teacher: the average, which starts as a copy of the student and stays in eval mode.
    """

    def __init__(self, model: nn.Module, settings: TeacherSettings | None = None):
        super().__init__()
        self.model = model
        self.teacher = copy.deepcopy(model).requires_grad_(False).eval()
        self.settings = settings or TeacherSettings()

    def train(self, mode: bool = True) -> EMATeacher:
        """As of any module, but the teacher stays in eval mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """Forwards in the order labelled, weak (teacher), strong; then :meth:`losses`."""
        labelled, unlabelled = batches["labelled"], batches["unlabelled"]
        logits = self.model(labelled["image"])
        with torch.no_grad():
            labeller = self.teacher if self.settings.ema_teacher else self.model
            weak = labeller(unlabelled["weak"])
        strong = self.model(unlabelled["strong"])
        true_label = unlabelled.get("true_label", unlabelled["label"])
        return self.losses(logits, labelled["label"], weak, strong, true_label, progress.epoch)

    def losses(
        self,
        logits: Tensor,
        labels: Tensor,
        weak: Tensor,
        strong: Tensor,
        true_label: Tensor,
        epoch: int,
    ) -> StepOutput:
        """loss_x + coefficient_u · loss_u; before the burn-in has ended loss_x alone.

        Args:
            logits, labels: of the labelled images, [L, C] and int64 [L].
            weak, strong: logits of the views of the unlabelled images, [U, C].
            true_label: their true labels int64 [U], for statistics only; negative where unknown.
            epoch: from 0.
        """
        s = self.settings
        with torch.autocast(logits.device.type, enabled=False):
            loss_x = F.cross_entropy(logits.float(), labels)
            if epoch < s.burnin_epochs:
                nothing = loss_x.new_zeros(())
                return StepOutput(loss_x, {"loss_x": loss_x, "loss_u": nothing})
            probability, pseudo_label, mask = objective.pseudo_labels(weak.float(), s.threshold)
            loss_u = objective.consistency_loss(strong.float(), pseudo_label, mask)
            loss = loss_x + s.coefficient_u * loss_u
        logs = {
            "loss_x": loss_x,
            "loss_u": loss_u,
            "mask_rate": mask.float().mean(),
            "pseudo_acc": objective.pseudo_accuracy(pseudo_label, true_label, mask),
        }
        details = {
            "pseudo_label": pseudo_label,
            "mask": mask,
            "score": probability,
            "threshold": torch.full_like(probability, s.threshold),
            "true_label": true_label,
        }
        return StepOutput(loss, logs, details)

    def on_step_end(self, progress: Progress) -> None:
        """Move the teacher."""
        move_teacher(self.teacher, self.model, self.settings.ema_decay)

    def predict(self, images: Tensor) -> Tensor:
        """The teacher's logits [n, C]."""
        return self.teacher(images)


class StaleAverage:
    """An evaluator of weights that no longer change.

    The published code validates its semi-supervised stage with the average of the supervised one.

    Args:
        evaluate: the evaluator.
        method: holds the weights, in eval mode.
    """

    def __init__(self, evaluate, method: Method):
        self.evaluate, self.method = evaluate, method.eval()

    def __call__(self, _method: Method) -> dict:
        """The report on the weights that were given."""
        return self.evaluate(self.method)
