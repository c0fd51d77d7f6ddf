"""The text classifier as it is trained and judged."""

from __future__ import annotations

import torch
from torch import Tensor

from common.cli import UserError
from common.engine.method import Batches, Method, Progress, StepOutput
from webemotion.metrics import hit_accuracy
from webemotion.text import models, objective


class TextClassifier(Method):
    """A sentence model that learns emotions from tags.

    Args:
        model: one that has logits.
        feature_l2: also keep the word features near the word vectors.
    """

    stream_names = ("sentences",)

    def __init__(self, model: models.SentenceModel, feature_l2: bool = False):
        super().__init__()
        self.model, self.feature_l2 = model, feature_l2

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """Loss of one batch of ``sentences``."""
        batch = batches["sentences"]
        parts = self.model.parts(batch["tokens"])
        features = (parts["raw"], parts["feature"]) if self.feature_l2 else ()
        losses = objective.text_loss(parts["logits"], batch["target"], *features)
        hits = hit_accuracy(parts["logits"].detach(), batch["target"])
        return StepOutput(losses.pop("loss"), {**losses, "hits": hits})

    def predict(self, tokens: Tensor) -> Tensor:
        """Logits [B, C] of tokens [B, L]."""
        return self.model.parts(tokens)["logits"]


class TextEvaluator:
    """Both accuracies and the loss on every sentence of a loader."""

    def __init__(self, loader):
        self.loader = loader

    def __call__(self, method: TextClassifier, progress: Progress) -> dict:
        """``{"hits", "top1", "loss"}``, shares in 0..1.

        Raises:
            UserError: the logits are no longer finite.
        """
        logits, targets = [], []
        for batch in self.loader:
            logits.append(method.predict(method.place(batch["tokens"])).float().cpu())
            targets.append(batch["target"])
        logits, targets = torch.cat(logits), torch.cat(targets)
        if not torch.isfinite(logits).all():
            raise UserError("the text model gives NaN or infinite values: try a lower --lr.")
        return {
            "hits": hit_accuracy(logits, targets).item(),
            "top1": objective.top1_accuracy(logits, targets).item(),
            "loss": objective.text_loss(logits, targets)["loss"].item(),
        }
