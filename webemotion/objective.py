"""The losses, as functions of tensors alone.

Shapes: n images, C classes, D projections, L words of a sentence.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

THRESHOLD = 0.01  # below it, the text model's prediction counts as nothing
IGNORED = -1


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """−Σ targets · log softmax(logits) / n; targets need not sum to one.

    Args:
        logits, targets: [n, C].
    """
    return -(F.log_softmax(logits, dim=1) * targets).sum() / len(logits)


def embedding_loss(projection: Tensor, text: Tensor) -> Tensor:
    """Σ (1 − cosine) / n; a vector of zeros counts as orthogonal.

    Args:
        projection, text: [n, D].
    """
    return (1 - F.cosine_similarity(projection, text, dim=1, eps=1e-8)).sum() / len(projection)


def single_label_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, mean over the rows whose label is not −1.

    Args:
        logits: [n, C].
        labels: int64 [n].
    """
    return F.cross_entropy(logits, labels, ignore_index=IGNORED)


def attended_words(
    words: Tensor, projection: Tensor, mask: Tensor | None = None, softmax: bool = False
) -> tuple[Tensor, Tensor]:
    """The words of a sentence, weighted by how near they are to the image's projection.

    Published are sigmoids of the plain products, summed over all positions, padding included.

    Args:
        words: features of the text model, [n, L, D].
        projection: [n, D]; the gradient reaches it through the weights too.
        mask: bool [n, L], positions that take part; None: all.
        softmax: weights that sum to one instead.

    Returns:
        (weights [n, L, 1], weighted sum [n, D]).
    """
    scores = words @ projection[:, :, None]
    if mask is not None:
        scores = scores.masked_fill(~mask[:, :, None], float("-inf"))
    weights = scores.softmax(dim=1) if softmax else scores.sigmoid()
    return weights, (weights * words).sum(dim=1)


def mixed_target(
    text_logits: Tensor, targets: Tensor, renormalise: bool = False
) -> tuple[Tensor, Tensor]:
    """Labels mixed with what the text model predicts, half and half where both sum to one.

    Args:
        text_logits, targets: [n, C].
        renormalise: the prediction sums to one again after small entries were dropped.

    Returns:
        (the prediction, the new target), [n, C] each.
    """
    prediction = text_logits.softmax(dim=1)
    prediction = prediction.masked_fill(prediction < THRESHOLD, 0.0)
    if renormalise:
        prediction = prediction / prediction.sum(dim=1, keepdim=True)
    mixed = prediction + targets
    return prediction, mixed / mixed.sum(dim=1, keepdim=True)


def basic_emotion_loss(logits: Tensor, text_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Soft cross-entropy against the text model's softmax, [n, C] each.

    Returns:
        (loss, the softmax).
    """
    target = text_logits.softmax(dim=1)
    return soft_cross_entropy(logits, target), target
