"""The training step of either task in either stage."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from common.engine.method import Batches, Method, Progress, StepOutput
from dimva import objective
from dimva.model import DimensionalResNet

ALPHA = {"one_stage": 0.5, "two_stage": 0.9}


@dataclass(frozen=True)
class DimvaConfig:
    """What decides the loss.

    Attributes:
        mode: ``one_stage`` or ``two_stage``.
        task: ``single`` (valence and arousal) or ``multi`` (categories too).
        multilabel: several emotions an image.
        finite_loss: a mixed batch that lacks one kind is logged with the other's loss, not NaN.
    """

    mode: str
    task: str
    multilabel: bool = False
    finite_loss: bool = False

    @property
    def alpha(self) -> float:
        """Share of the squared error in the multi-task loss."""
        return ALPHA[self.mode]


class Dimensional(Method):
    """Valence and arousal by regression, with categories beside them in the multi task.

    Args:
        model: images -> (logits or None, valence and arousal [n, 2]).
        config: which loss.
    """

    stream_names = ("train",)

    def __init__(self, model: DimensionalResNet, config: DimvaConfig):
        super().__init__()
        self.model, self.config = model, config

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """One forward and the loss of task and stage.

        The batch holds ``image``, ``va`` [n, 2], ``label`` [n] or ``hot`` [n, C], and
        ``categorical`` [n].
        """
        batch = batches["train"]
        logits, va = self.model(batch["image"])
        label = batch["hot" if self.config.multilabel else "label"]
        with torch.autocast(va.device.type, enabled=False):
            logits = None if logits is None else logits.float()
            return self.losses(logits, va.float(), label, batch["va"], batch["categorical"])

    def losses(
        self, logits: Tensor | None, va: Tensor, label: Tensor, true_va: Tensor, categorical: Tensor
    ) -> StepOutput:
        """The loss of one batch; shapes as in :meth:`training_step`."""
        c = self.config
        if c.task == "single":
            return StepOutput(F.mse_loss(va, true_va))
        predicted = self.scores(logits)
        if c.mode == "one_stage":
            loss, category, squared = objective.multi_loss(
                predicted, va, label, true_va, c.alpha, c.multilabel
            )
            return StepOutput(loss, {"category_loss": category, "va_loss": squared})
        published, category, squared = objective.mixed_loss(
            predicted, va, label, true_va, categorical, c.alpha, c.multilabel
        )
        loss = objective.present_loss(category, squared, categorical, c.alpha)
        if c.finite_loss:
            return StepOutput(loss)
        return StepOutput(loss, {"loss": published, "category_loss": category, "va_loss": squared})

    def scores(self, logits: Tensor) -> Tensor:
        """What the category loss takes: logits, or probabilities where labels are several."""
        return torch.sigmoid(logits) if self.config.multilabel else logits

    def predict(self, images: Tensor) -> tuple[Tensor | None, Tensor]:
        """Logits [n, C] (or None), valence and arousal [n, 2]."""
        return self.model(images)
