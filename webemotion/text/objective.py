"""Loss and accuracies of the text classifier."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from webemotion.objective import soft_cross_entropy


def text_loss(
    logits: Tensor,
    target: Tensor,
    raw: Tensor | None = None,
    transformed: Tensor | None = None,
) -> dict[str, Tensor]:
    """Soft cross-entropy and, with features, how far the transformed words are from the raw ones.

    loss = SCE(logits, target) + mean((raw − transformed)²)

    Args:
        logits: [B, C].
        target: [B, C], emotion shares or 0/1.
        raw: word vectors [B, L, D]; with `transformed`, the second term is added.
        transformed: ReLU'd word features [B, L, D].

    Returns:
        ``loss``, and with features its parts ``loss_cls`` and ``loss_l2``.
    """
    loss_cls = soft_cross_entropy(logits, target)
    if raw is None or transformed is None:
        return {"loss": loss_cls}
    loss_l2 = F.mse_loss(transformed, raw)
    return {"loss": loss_cls + loss_l2, "loss_cls": loss_cls, "loss_l2": loss_l2}


def hits(predicted: np.ndarray, target: np.ndarray) -> tuple[float, int, int]:
    """How often the predicted class has any share of the target.

    Args:
        predicted: int [N].
        target: [N, C].

    Returns:
        (fraction, number right, N).
    """
    return _share(target[np.arange(len(target)), predicted] > 0)


def top1(predicted: np.ndarray, target: np.ndarray) -> tuple[float, int, int]:
    """How often the predicted class has the target's largest share; all that tie count."""
    return _share(target[np.arange(len(target)), predicted] == target.max(axis=1))


def _share(right: np.ndarray) -> tuple[float, int, int]:
    return float(right.mean()), int(right.sum()), len(right)
