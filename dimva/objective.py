"""The objective's functions: targets from words, losses, and the authors' two accuracies."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import jaccard_score
from torch import Tensor

MIKELS = (
    *("amusement", "awe", "contentment", "excitement"),
    *("anger", "disgust", "fear", "sadness"),
)
POLARITIES = ("positive", "negative", "neutral")
COSINE_THRESHOLD = 0.5


def is_multilabel(dataname: str) -> bool:
    """Whether an image of this set may have several emotions."""
    return dataname in ("FlickrLDL", "TwitterLDL")


def label_order(dataname: str) -> tuple[str, ...]:
    """Class names in the converter's order, which is not the folders' alphabetical one."""
    return POLARITIES if dataname.lower() in ("flickr", "instagram") else MIKELS


def convert(va: Tensor, points: Tensor, multilabel: bool) -> Tensor:
    """Categories from valence and arousal, by the cosine of the raw 2-vectors (not centred).

    Args:
        va: float32 [n, 2], 1..9.
        points: the classes' valence and arousal, float32 [C, 2].
        multilabel: mark every class with a cosine above 0.5; else take the largest.

    Returns:
        int64 [n], or float32 [n, C] of 0 and 1.
    """
    cosine = F.cosine_similarity(va[:, None], points[None], dim=2, eps=1e-6)
    return (cosine > COSINE_THRESHOLD).float() if multilabel else cosine.argmax(dim=1)


def category_of_rating(va: Tensor, points: Tensor, multilabel: bool) -> Tensor:
    """Category of an image that people rated: the nearest class point (Euclid), first of equals.

    With `multilabel` as in :func:`convert`.

    Args:
        va: float32 [n, 2].
        points: float32 [C, 2]; for polarity sets the authors leave neutral out.
        multilabel: whether several classes are marked.
    """
    if multilabel:
        return convert(va, points, True)
    return (va[:, None] - points[None]).norm(dim=2).argmin(dim=1)


def voted_classes(votes: np.ndarray) -> np.ndarray:
    """1 at every position equal to the row's maximum, ties kept: int64 [n, C] of votes [n, C]."""
    return (votes == votes.max(axis=1, keepdims=True)).astype(np.int64)


def mean_point(marked: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Mean valence and arousal of the marked classes: [n, C] 0/1, float64 [C, 2] -> [n, 2]."""
    return np.stack([points[row == 1].mean(axis=0) for row in marked])


def category_loss(predicted: Tensor, label: Tensor, multilabel: bool) -> Tensor:
    """Cross-entropy of logits, or binary cross-entropy of probabilities, averaged.

    Args:
        predicted: logits [n, C]; probabilities for `multilabel`, whose logs are clamped at −100.
        label: int64 [n]; [n, C] of 0 and 1 for `multilabel`.
        multilabel: which of the two.
    """
    if not multilabel:
        return F.cross_entropy(predicted, label)
    return F.binary_cross_entropy(predicted, label.to(predicted.dtype))


def multi_loss(
    predicted: Tensor,
    predicted_va: Tensor,
    label: Tensor,
    va: Tensor,
    alpha: float,
    multilabel: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """(1 − α) · category loss + α · mean squared error.

    Args:
        predicted, label, multilabel: see :func:`category_loss`.
        predicted_va, va: float32 [n, 2].
        alpha: share of the squared error.

    Returns:
        Loss, category loss, squared error.
    """
    category = category_loss(predicted, label, multilabel)
    squared = F.mse_loss(predicted_va, va)
    return (1 - alpha) * category + alpha * squared, category, squared


def mixed_loss(
    predicted: Tensor,
    predicted_va: Tensor,
    label: Tensor,
    va: Tensor,
    categorical: Tensor,
    alpha: float,
    multilabel: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The category loss of categorical rows and the squared error of the rated ones.

    A batch that lacks one kind gives NaN, the mean of nothing; its gradient is finite.

    Args:
        categorical: 1 for a categorical row, 0 for a rated one, [n]; others as in
            :func:`multi_loss`.

    Returns:
        Loss, category loss, squared error.
    """
    words, rated = categorical == 1, categorical == 0
    category = category_loss(predicted[words], label[words], multilabel)
    squared = F.mse_loss(predicted_va[rated], va[rated])
    return (1 - alpha) * category + alpha * squared, category, squared


def present_loss(category: Tensor, squared: Tensor, categorical: Tensor, alpha: float) -> Tensor:
    """The mixed loss without the kind that the batch lacks: same gradient, never NaN for it."""
    words = int((categorical == 1).sum())
    parts = []
    if words:
        parts.append((1 - alpha) * category)
    if words < len(categorical):
        parts.append(alpha * squared)
    return torch.stack(parts).sum()


def accuracy(predicted: np.ndarray, label: np.ndarray) -> float:
    """Fraction equal; for 0/1 rows [n, C] the authors' weighted Jaccard index.

    Intersection over union per class, averaged with the number of PREDICTED positives as weight:
    the arguments are swapped. 0 for a class with an empty union, and without any prediction.
    """
    if predicted.ndim == 1:
        return float((predicted == label).mean())
    return _jaccard(predicted, label)


def accuracy_by_support(predicted: np.ndarray, label: np.ndarray) -> float:
    """:func:`accuracy`, with the Jaccard index weighted by the number of TRUE positives."""
    return accuracy(predicted, label) if predicted.ndim == 1 else _jaccard(label, predicted)


def _jaccard(weights_from: np.ndarray, other: np.ndarray) -> float:
    both = (weights_from.astype(np.int64), other.astype(np.int64))
    return float(jaccard_score(*both, average="weighted", zero_division=0))
