"""Fine-tuning in two stages: FaceMix on labelled faces, then a teacher on unlabelled ones."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.cli import boolean
from common.engine.method import Batches, Method, Progress, StepOutput
from common.flags import at_least_0, not_negative, setting, share
from ssfer.finetune import faces, objective
from ssfer.finetune.faces import Detector


@dataclass(frozen=True)
class FaceMixConfig:
    """What the supervised stage does to a batch: timm's mixup, under the script's names.

    Attributes:
        Facemixup_active: weigh the originals by how little the paired faces overlap.
        Mixup_active: plain mixup, where FaceMix is off; with both off, smoothed cross-entropy.
        spare_originals: keep the images apart from the mixed ones. The published code mixes in
            place, so that its originals are mixed too.
        one_forward: where originals and mixed are one tensor, forward it once instead of twice,
            which differs by rounding alone.
    """

    Facemixup_active: bool = setting(True, "FaceMix", type=boolean, metavar="BOOL")
    Mixup_active: bool = setting(False, "mixup in its place", type=boolean, metavar="BOOL")
    mixup_alpha: float = setting(1.0, "of its beta distribution", type=not_negative)
    cutmix_alpha: float = setting(0.0, "the same of cutmix", type=not_negative)
    mix_prob: float = setting(1.0, "probability that a batch is mixed", type=share)
    switch_prob: float = setting(0.0, "of cutmix where both are on", type=share)
    label_smoothing: float = setting(0.1, "in the targets of mixup", type=share)
    spare_originals: bool = setting(False, "FaceMix's originals are not mixed", laboratory=True)
    one_forward: bool = False


class FaceMix(Method):
    """The supervised stage.

    Args:
        model: images [n, 3, H, W] -> logits [n, C].
        num_classes: C.
        config: see :class:`FaceMixConfig`.
        detector: finds the faces of a batch, where the batches bring no boxes.
    """

    stream_names = ("labelled",)

    def __init__(
        self,
        model: nn.Module,
        num_classes: int,
        config: FaceMixConfig | None = None,
        detector: Detector = faces.nobody,
    ):
        super().__init__()
        self.model, self.detector = model, detector
        self.config = c = config or FaceMixConfig()
        self.mix = objective.BatchMixup(
            mixup_alpha=c.mixup_alpha,
            cutmix_alpha=c.cutmix_alpha,
            prob=c.mix_prob,
            switch_prob=c.switch_prob,
            label_smoothing=c.label_smoothing,
            num_classes=num_classes,
        )

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """Mix, then one of three losses: FaceMix, mixup, smoothed cross-entropy."""
        batch = batches["labelled"]
        images, labels = batch["image"], batch["label"]
        if self.config.Facemixup_active:
            return self._facemix(images, labels, batch.get("box"))
        if self.config.Mixup_active:
            mixed, targets = self.mix(images, labels)
            logits = self.model(mixed)
            with torch.autocast(logits.device.type, enabled=False):
                return StepOutput(objective.soft_cross_entropy(logits.float(), targets).mean())
        logits = self.model(images)
        smoothing = self.config.label_smoothing
        with torch.autocast(logits.device.type, enabled=False):
            return StepOutput(F.cross_entropy(logits.float(), labels, label_smoothing=smoothing))

    def _facemix(self, images: Tensor, labels: Tensor, boxes: Tensor | None) -> StepOutput:
        originals = images.clone() if self.config.spare_originals else images
        mixed, targets = self.mix(images, labels)
        if boxes is None:  # as the authors: the faces are looked for in what was mixed
            boxes = faces.boxes_of(self.detector(mixed)).to(mixed.device)
        logits_origin = self.model(originals)
        once = self.config.one_forward and originals is mixed
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
class TeacherConfig:
    """What the semi-supervised stage does."""

    threshold: float = setting(0.7, "probability that makes a pseudo-label", type=share)
    coefficient_u: float = setting(5.0, "weight of their loss", type=not_negative)
    burnin_epochs: int = setting(0, "epochs without pseudo-labels", type=at_least_0)
    ema_teacher: bool = setting(True, "or the live model", type=boolean, metavar="BOOL")
    ema_decay: float = setting(0.999, "of both averages", type=share)


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
        config: see :class:`TeacherConfig`.

    Attributes:
        teacher: the average, which starts as a copy of the student and stays in eval mode.
    """

    def __init__(self, model: nn.Module, config: TeacherConfig | None = None):
        super().__init__()
        self.model = model
        self.teacher = copy.deepcopy(model).requires_grad_(False).eval()
        self.config = config or TeacherConfig()

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
            labeller = self.teacher if self.config.ema_teacher else self.model
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
        c = self.config
        with torch.autocast(logits.device.type, enabled=False):
            loss_x = F.cross_entropy(logits.float(), labels)
            if epoch < c.burnin_epochs:
                nothing = loss_x.new_zeros(())
                return StepOutput(loss_x, {"loss_x": loss_x, "loss_u": nothing})
            probability, pseudo_label, mask = objective.pseudo_labels(weak.float(), c.threshold)
            loss_u = objective.consistency_loss(strong.float(), pseudo_label, mask)
            loss = loss_x + c.coefficient_u * loss_u
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
            "threshold": torch.full_like(probability, c.threshold),
            "true_label": true_label,
        }
        return StepOutput(loss, logs, details)

    def on_step_end(self, progress: Progress) -> None:
        """Move the teacher."""
        move_teacher(self.teacher, self.model, self.config.ema_decay)

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

    def __call__(self, _method: Method, progress: Progress) -> dict:
        """The report on the weights that were given."""
        self.method.channels_last = _method.channels_last
        return self.evaluate(self.method, progress)
