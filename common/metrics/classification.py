"""What is reported about a classifier: accuracy, balanced accuracy, F1, calibration, confusion."""

from __future__ import annotations

from typing import Any

import torch
from sklearn.metrics import confusion_matrix, f1_score, recall_score
from torch import Tensor
from torch.nn.functional import cross_entropy

from common.metrics.calibration import expected_calibration_error

TOP_K = 5


def top_k_accuracy(logits: Tensor, labels: Tensor, k: int) -> float:
    """Fraction of rows of `logits` [n, C] whose label [n] is among the `k` largest values."""
    hits = logits.topk(k, dim=1).indices == labels[:, None]
    return hits.any(dim=1).double().mean().item()


def classification_report(logits: Tensor, labels: Tensor) -> dict[str, Any]:
    """Every figure the project reports about a single-label classifier.

    Args:
        logits: [n, C] floating, before softmax.
        labels: [n] integer, 0 to C − 1.

    Returns:
        Plain numbers, fractions in 0..1:

        - ``top1``; ``top5``, which is absent when C ≤ 5, where it says nothing
        - ``balanced_accuracy``: mean recall over the classes present in `labels`
        - ``macro_f1``: mean F1 over all C classes; a class neither present nor predicted counts 0
        - ``ece``: expected calibration error, 15 bins of equal width
        - ``loss``: mean cross-entropy in nats
        - ``confusion``: C × C counts as nested lists, ``[true][predicted]``

    Raises:
        ValueError: no samples, shapes or dtypes that do not fit, a label outside 0..C−1, or logits
            that are not finite.
    """
    _check(logits, labels)
    logits, labels = logits.detach().float().cpu(), labels.detach().long().cpu()
    classes = logits.shape[1]
    true, predicted = labels.numpy(), logits.argmax(dim=1).numpy()
    macro = {"average": "macro", "zero_division": 0}
    report: dict[str, Any] = {"top1": top_k_accuracy(logits, labels, 1)}
    if classes > TOP_K:
        report["top5"] = top_k_accuracy(logits, labels, TOP_K)
    # The same as scikit-learn's balanced_accuracy_score, which warns about absent classes.
    present = labels.unique().tolist()
    report["balanced_accuracy"] = float(recall_score(true, predicted, labels=present, **macro))
    report["macro_f1"] = float(f1_score(true, predicted, labels=range(classes), **macro))
    report["ece"] = expected_calibration_error(logits, labels)
    report["loss"] = cross_entropy(logits, labels).item()
    report["confusion"] = confusion_matrix(true, predicted, labels=range(classes)).tolist()
    return report


def _check(logits: Tensor, labels: Tensor) -> None:
    if logits.ndim != 2 or labels.ndim != 1 or len(logits) != len(labels):
        raise ValueError(
            f"Expected logits [n, C] and labels [n]; found {list(logits.shape)} and "
            f"{list(labels.shape)}."
        )
    if len(labels) == 0 or logits.shape[1] == 0:
        raise ValueError("There are no samples to report on: the evaluation set is empty.")
    if labels.is_floating_point() or not logits.is_floating_point():
        raise ValueError(
            f"Expected floating logits and integer labels; found {logits.dtype} and {labels.dtype}."
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= logits.shape[1]:
        raise ValueError(
            f"Labels run from {low} to {high}, but the classifier has {logits.shape[1]} classes."
        )
    if not torch.isfinite(logits).all():
        raise ValueError("The logits hold NaN or infinite values: the model has diverged.")
