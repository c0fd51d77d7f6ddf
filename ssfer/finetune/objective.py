"""The objectives of fine-tuning as pure functions on tensors.

Letters: B images of a batch, C classes. Pairs of images are i and B − 1 − i, as in timm's mixup.
The paper is "Bridging the Gaps: Utilizing Unlabeled Face Recognition Datasets to Boost
Semi-Supervised Facial Expression Recognition", 2024.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from timm.data import Mixup
from torch import Tensor


class BatchMixup(Mixup):
    """timm's mixup of a whole batch, which remembers the share it drew.

    Draws from NumPy's global generator. The images it is given are overwritten with the mixed ones.

    Attributes:
        lam: share of the image itself in the last mixture; that of the partner is 1 − lam.
    """

    lam = 1.0

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.mode != "batch":
            raise ValueError(f"mixup of mode '{self.mode}' is not supported, only of whole batches")

    def _mix_batch(self, x: Tensor) -> float:
        self.lam = super()._mix_batch(x)
        return self.lam

    def __call__(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Mix images with their partners.

        Args:
            x: [B, …], changed in place.
            target: int64 [B].

        Returns:
            (`x` itself, smoothed and mixed targets [B, C]).

        Raises:
            ValueError: B is odd, so the middle image would be its own partner.
        """
        if len(x) % 2:
            raise ValueError(f"a batch of {len(x)} images cannot be paired; it must be even")
        return super().__call__(x, target)


def box_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes x1, y1, x2, y2 with exclusive ends.

    Args:
        first, second: [n, 4].

    Returns:
        float64 [n]; NaN where both boxes are empty.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    sides = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    overlap = np.clip(sides, 0, None).prod(axis=1)
    union = sum((box[:, 2:] - box[:, :2]).prod(axis=1) for box in (first, second)) - overlap
    with np.errstate(invalid="ignore", divide="ignore"):
        return overlap / union


def pair_iou(boxes: Tensor) -> Tensor:
    """IoU of every image's face with its partner's.

    Args:
        boxes: int64 [B, 4].

    Returns:
        float32 [2 · (B // 2)]: the pairs' values, then the same mirrored. Of an odd batch the
        middle image has none.
    """
    half = len(boxes) // 2
    corners = boxes.cpu().numpy()
    iou = torch.from_numpy(box_iou(corners[:half], corners[::-1][:half])).float()
    return torch.cat([iou, iou.flip(0)]).to(boxes.device)


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """−Σ_c target_c · log softmax_c per image, [B]."""
    return -(targets * F.log_softmax(logits, dim=1)).sum(dim=1)


@dataclass(frozen=True)
class FaceMixLoss:
    """The loss of a FaceMix step and its parts.

    Attributes:
        loss: scalar.
        mixed, origin: per image, [B].
        overall: the sum before it is divided by B.
    """

    loss: Tensor
    mixed: Tensor
    origin: Tensor
    overall: Tensor


def facemix_loss(
    logits_origin: Tensor, logits_mixed: Tensor, labels: Tensor, targets: Tensor, iou: Tensor
) -> FaceMixLoss:
    """[Σ mixed_i + Σ (1 − IoU_i) · (origin_i + origin_partner(i))] / B.

    Neither the share of the mixture nor any other weight enters, and no gradient flows into IoU.

    Args:
        logits_origin, logits_mixed: [B, C].
        labels: int64 [B], for the plain cross-entropy of the originals.
        targets: [B, C], smoothed and mixed, for the soft cross-entropy of the mixed.
        iou: [B], see :func:`pair_iou`.
    """
    origin = F.cross_entropy(logits_origin, labels, reduction="none")
    mixed = soft_cross_entropy(logits_mixed, targets)
    apart = (1 - iou.detach()) * (origin + origin.flip(0))
    overall = mixed.sum() + apart.sum()
    return FaceMixLoss(overall / len(labels), mixed, origin, overall)


def pseudo_labels(logits: Tensor, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
    """The teacher's most probable classes, and where it is sure of them.

    Args:
        logits: [U, C]; constants, no gradient flows back.

    Returns:
        (probability [U], class int64 [U], probability ≥ threshold bool [U]).
    """
    probability, label = torch.softmax(logits.detach(), dim=1).max(dim=1)
    return probability, label, probability >= threshold


def consistency_loss(logits: Tensor, pseudo_label: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of the strong view where the mask holds; the mean is over all U images.

    Args:
        logits: [U, C].
        pseudo_label: int64 [U].
        mask: bool [U].
    """
    return (F.cross_entropy(logits, pseudo_label, reduction="none") * mask).mean()


def pseudo_accuracy(pseudo_label: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Share of the kept pseudo-labels that are right; 0 where none is kept."""
    right = (pseudo_label == labels) & mask
    return right.sum() / mask.sum().clamp(min=1)
