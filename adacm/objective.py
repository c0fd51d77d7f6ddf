"""The Ada-CM objective as pure functions on tensors.

Letters: B images of a batch, C classes, D feature width, V views. The paper is Li et al., "Towards
Semi-Supervised Deep Facial Expression Recognition with An Adaptive Confidence Margin", CVPR 2022.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

START = 0.8
"""Margin of every class before the first epoch has ended, and the lowest it can be."""
BETA = 0.97
TEMPERATURE = 0.07
CONTRAST_MODES = ("all", "one")


def pseudo_labels(weak0: Tensor, weak1: Tensor) -> tuple[Tensor, Tensor]:
    """Mean softmax of the two weak views, then its largest entry.

    Args:
        weak0, weak1: logits [B, C]; constants, no gradient flows back.

    Returns:
        (confidence [B] in 0..1, pseudo-label int64 [B]).
    """
    mean = (torch.softmax(weak0.detach(), dim=1) + torch.softmax(weak1.detach(), dim=1)) / 2
    confidence, label = mean.max(dim=1)
    return confidence, label


def adaptive_margins(
    logits: Tensor, labels: Tensor, epoch: int, beta: float = BETA, floor: float = START
) -> Tensor:
    """max(floor, beta / (1 + e^-epoch) * mean confidence of the class's correct predictions).

    The margins of earlier epochs do not enter. A class without a correct prediction has `floor`.

    Args:
        logits: of labelled images by the averaged model, [N, C].
        labels: int64 [N].
        epoch: from 1.

    Returns:
        [C], dtype of `logits`.
    """
    confidence, predicted = torch.softmax(logits, dim=1).max(dim=1)
    correct = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
    correct = correct * (predicted == labels)[:, None]
    number = correct.sum(dim=0)
    mean = (confidence[:, None] * correct).sum(dim=0) / number.clamp(min=1)
    return (beta / (1 + math.exp(-epoch)) * mean).clamp(min=floor)


def consistency_loss(strong: Tensor, pseudo_label: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of the strong view where the mask holds; the mean is over all B images.

    Args:
        strong: logits [B, C].
        pseudo_label: int64 [B].
        mask: bool [B].
    """
    return (F.cross_entropy(strong, pseudo_label, reduction="none") * mask).mean()


def contrastive_loss(
    features: Tensor,
    labels: Tensor | None = None,
    mask: Tensor | None = None,
    temperature: float = TEMPERATURE,
    base_temperature: float = TEMPERATURE,
    contrast_mode: str = "all",
) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, equation 2), of SimCLR without labels.

    Of every anchor the mean log-probability of its positives among all other vectors, times
    -temperature / base_temperature, averaged over anchors. An anchor without a positive makes the
    loss NaN; a single image with two views gives 0.

    Args:
        features: [B, V, …], trailing axes are flattened.
        labels: int64 [B]; images of one label are positives of each other.
        mask: [B, B], entry (i, j) weighs j as a positive of i; need not be symmetric.
        contrast_mode: anchors are ``all`` vectors or those of view ``one`` (the first).

    Raises:
        ValueError: labels and mask together, sizes that do not fit, or an unknown mode.
    """
    _check(features, labels, mask, contrast_mode)
    images = len(features)
    views = features.flatten(start_dim=2).unbind(dim=1)
    vectors = torch.cat(views)  # all images of the first view, then of the second, …
    anchors = vectors if contrast_mode == "all" else views[0]
    if labels is not None:
        mask = labels[:, None] == labels[None]
    elif mask is None:
        mask = torch.eye(images, device=features.device)
    similarity = anchors @ vectors.T / temperature
    similarity = similarity - similarity.max(dim=1, keepdim=True).values.detach()
    others = 1 - torch.eye(len(anchors), len(vectors), device=features.device)
    repeats = (len(anchors) // images, len(views))
    positives = mask.to(features.dtype).repeat(*repeats) * others
    log_probability = similarity - (similarity.exp() * others).sum(dim=1, keepdim=True).log()
    mean = (positives * log_probability).sum(dim=1) / positives.sum(dim=1)
    return -(temperature / base_temperature) * mean.mean()


def _check(features: Tensor, labels: Tensor | None, mask: Tensor | None, mode: str) -> None:
    if features.ndim < 3:
        raise ValueError(f"features must be [images, views, …], found {list(features.shape)}")
    if labels is not None and mask is not None:
        raise ValueError("labels and mask exclude each other")
    if labels is not None and labels.shape[0] != len(features):
        raise ValueError(f"{labels.shape[0]} labels for {len(features)} images")
    if mode not in CONTRAST_MODES:
        raise ValueError(f"contrast mode '{mode}' is not one of {', '.join(CONTRAST_MODES)}")


def low_confidence_loss(
    features0: Tensor, features1: Tensor, mask: Tensor, temperature: float = TEMPERATURE
) -> Tensor:
    """:func:`contrastive_loss` between the weak views of the images below their margin.

    Args:
        features0, features1: unit rows [B, D].
        mask: bool [B], True for the images that are above it and left out.

    Returns:
        Scalar; 0, without gradient, when no image is below its margin.
    """
    below = ~mask
    if not below.any():
        return features0.new_zeros(())
    pairs = torch.stack([features0[below], features1[below]], dim=1)
    return contrastive_loss(pairs, temperature=temperature, base_temperature=TEMPERATURE)
