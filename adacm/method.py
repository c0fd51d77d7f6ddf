"""Ada-CM's training step and its margins, in the order of the paper's figure 2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adacm import objective
from common.engine.evaluate import collect_logits
from common.engine.method import Batches, Method, Progress, StepOutput
from common.metrics.classification import classification_report


@dataclass(frozen=True)
class AdaCMConfig:
    """The method's settings; none of them is a flag of the published code.

    Attributes:
        w_x, w_u, w_s: weights of the supervised, the consistency and the contrastive loss.
        temperature: of the contrast.
        beta, floor: of the margins, see :func:`adacm.objective.adaptive_margins`.
        shrink: times the rate: what the live weights lose after every step.
    """

    w_x: float = 0.5
    w_u: float = 1.0
    w_s: float = 0.1
    temperature: float = objective.TEMPERATURE
    beta: float = objective.BETA
    floor: float = objective.START
    shrink: float = 0.02


class AdaCM(Method):
    """Pseudo-labels above a margin per class, contrast below it.

    Args:
        model: images -> (logits [n, C], unit features [n, D]).
        num_classes: C.
        config: the objective's settings.

    Attributes:
        margins: float32 [C], confidence from which a pseudo-label of the class is used.
        epoch: int64 scalar, the epoch in training, from 1.
    """

    def __init__(self, model: nn.Module, num_classes: int, config: AdaCMConfig | None = None):
        super().__init__()
        self.model = model
        self.config = config or AdaCMConfig()
        self.register_buffer("margins", torch.full((num_classes,), self.config.floor))
        self.register_buffer("epoch", torch.ones((), dtype=torch.int64))

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """Four forwards (batch-norm statistics move in this order), then :meth:`losses`."""
        self.epoch.fill_(progress.epoch + 1)
        labelled, unlabelled = batches["labelled"], batches["unlabelled"]
        weak0, features0 = self.model(unlabelled["weak0"])
        weak1, features1 = self.model(unlabelled["weak1"])
        logits, _ = self.model(labelled["weak"])
        strong, _ = self.model(unlabelled["strong"])
        output = self.losses(logits, labelled["label"], weak0, weak1, strong, features0, features1)
        if "true_label" in unlabelled:  # for statistics; no loss sees it
            true_label, mask = unlabelled["true_label"], output.details["mask"]
            right = (output.details["pseudo_label"] == true_label) & mask
            output.logs["pseudo_true_ratio"] = right.sum() / (mask.sum() + 1e-7)
            output.details["true_label"] = true_label
        return output

    def losses(
        self,
        logits: Tensor,
        labels: Tensor,
        weak0: Tensor,
        weak1: Tensor,
        strong: Tensor,
        features0: Tensor,
        features1: Tensor,
    ) -> StepOutput:
        """The objective of one step.

        Args:
            logits, labels: of the labelled images, [L, C] and int64 [L].
            weak0, weak1, strong: logits of the views of the unlabelled images, [U, C].
            features0, features1: unit features of the weak views, [U, D].
        """
        c = self.config
        with torch.autocast(logits.device.type, enabled=False):
            confidence, pseudo_label = objective.pseudo_labels(weak0.float(), weak1.float())
            mask = confidence >= self.margins[pseudo_label]
            sup = F.cross_entropy(logits.float(), labels)
            unsup = objective.consistency_loss(strong.float(), pseudo_label, mask)
            contrast = objective.low_confidence_loss(
                features0.float(), features1.float(), mask, c.temperature
            )
            total = c.w_x * sup + c.w_u * unsup + c.w_s * contrast
        logs = {
            "sup_loss": sup,
            "unsup_loss": unsup,
            "contrast_loss": contrast,
            "mask_rate": mask.float().mean(),
        }
        details = {
            "mask": mask,
            "pseudo_label": pseudo_label,
            "score": confidence,
            "threshold": self.margins[pseudo_label],
            "n_contrast": (~mask).sum(),
        }
        return StepOutput(total, logs, details)

    @torch.no_grad()
    def adapt(self, logits: Tensor, labels: Tensor) -> None:
        """Set the margins of the next epoch from the labelled images of this one.

        Args:
            logits: by the averaged model, [N, C].
            labels: int64 [N].
        """
        c = self.config
        new = objective.adaptive_margins(logits, labels, int(self.epoch), c.beta, c.floor)
        self.margins.copy_(new)

    def predict(self, images: Tensor) -> Tensor:
        """Logits [n, C]."""
        return self.model(images)[0]


class MarginEvaluator:
    """Evaluates the labelled images after an epoch and adapts the margins to them.

    It runs before the other evaluators, while the method holds its average.

    Args:
        batches: epoch (from 0) -> batches with ``label`` and the images under `view`.
        view: name of the images in a batch.
    """

    def __init__(self, batches: Callable[[int], Iterator[dict]], view: str = "weak"):
        self.batches, self.view = batches, view

    def __call__(self, method: AdaCM, progress: Progress) -> dict:
        """The report on the labelled images, with ``margins`` [C] that hold from now on."""
        batches = self.batches(int(method.epoch) - 1)
        logits, labels = collect_logits(method, batches, self.view)
        method.adapt(logits, labels)
        return {**classification_report(logits, labels), "margins": method.margins.tolist()}
