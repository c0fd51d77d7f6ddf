"""Loss and accuracy of the text classifier."""

from __future__ import annotations

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


def top1_accuracy(logits: Tensor, target: Tensor) -> Tensor:
    """Share of rows whose largest logit is at a class with the target's largest share, scalar.

    Of classes that tie, all count.

    Args:
        logits, target: [B, C].
    """
    chosen = target.gather(1, logits.argmax(dim=1, keepdim=True))[:, 0]
    return (chosen == target.amax(dim=1)).double().mean()
