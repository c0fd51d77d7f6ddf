"""Evaluating a method on labelled images."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from common.cli import UserError
from common.data.streams import plain_errors
from common.engine.method import Method, to_device
from common.metrics.classification import classification_report


def collect_logits(
    method: Method,
    batches: Iterable[dict],
    device: torch.device,
    view: str = "image",
    channels_last: bool = False,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Predict every image of some batches.

    Args:
        batches: each has ``label`` and the images under `view`.

    Returns:
        (logits float32 [n, C], labels int64 [n]), on the CPU.

    Raises:
        UserError: the logits are no longer finite.
    """
    logits, labels = [], []
    for batch in plain_errors(batches):
        images = to_device(batch[view], device, channels_last)
        logits.append(method.predict(images).float().cpu())
        labels.append(batch["label"].cpu())
    logits, labels = torch.cat(logits), torch.cat(labels)
    if not torch.isfinite(logits).all():
        raise UserError(
            "the evaluated network gives NaN or infinite values: the training has diverged. "
            "Try a lower --lr, --clip 1 or --precision fp32."
        )
    return logits, labels


class ClassificationEvaluator:
    """Predict every image of a loader and report on the logits.

    Args:
        loader: batches with ``label`` and the images under `view`.
        device: where the method is.
        view: name of the images in a batch.
        channels_last: memory layout of the images.
    """

    def __init__(
        self,
        loader: Iterable[dict],
        device: torch.device,
        view: str = "image",
        channels_last: bool = False,
    ):
        self.loader, self.device, self.view, self.channels_last = (
            loader,
            device,
            view,
            channels_last,
        )

    def __call__(self, method: Method) -> dict:
        """See :func:`common.metrics.classification.classification_report`.

        Raises:
            UserError: the logits are no longer finite.
        """
        logits, labels = collect_logits(
            method, self.loader, self.device, self.view, self.channels_last
        )
        return classification_report(logits, labels)
