"""Evaluating a method on labelled images."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch

from common.cli import UserError
from common.data.manifest import Manifest
from common.data.splits import Images
from common.data.streams import plain_errors
from common.engine.method import Method, Progress
from common.metrics.classification import classification_report


def collect_logits(
    method: Method, batches: Iterable[dict], view: str = "image"
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
        logits.append(method.predict(method.place(batch[view])).float().cpu())
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
        view: name of the images in a batch.
    """

    def __init__(self, loader: Iterable[dict], view: str = "image"):
        self.loader, self.view = loader, view

    def __call__(self, method: Method, progress: Progress) -> dict:
        """See :func:`common.metrics.classification.classification_report`.

        Raises:
            UserError: the logits are no longer finite.
        """
        return classification_report(*collect_logits(method, self.loader, self.view))


def classification_evaluators(
    images: Images, loader: Callable[[Manifest, Manifest], Iterable[dict]]
) -> dict[str, ClassificationEvaluator]:
    """``test`` and, where images were held out, ``val``.

    Args:
        loader: (images, those that share a cache with them) -> batches, every image once.
    """
    evaluators = {"test": ClassificationEvaluator(loader(images.test, images.test))}
    if images.validation is not None:
        evaluators["val"] = ClassificationEvaluator(loader(images.validation, images.train))
    return evaluators
