"""The S2-VER objective as pure functions on tensors.

Letters: L labelled images, U unlabelled images, C classes, D projection width. Probabilities are
rows that sum to 1. The paper is Jia and Yang, ECCV 2022.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MOMENTUM = 0.9  # of prototypes and relation; --alpha is accepted but the authors never read it
RELATION_TEMPERATURE = 0.5
THRESHOLD_CAP = 0.95
RELATIONS = ("L2", "L1", "cos")


def update_prototypes(
    prototypes: Tensor, features: Tensor, logits: Tensor, labels: Tensor
) -> Tensor:
    """P_c <- 0.9 P_c + 0.1 * mean feature of the class's correctly classified labelled images.

    Classes without such an image keep their prototype. Neither the zero start nor the norm is
    corrected.

    Args:
        prototypes: [C, D].
        features: unit rows [L, D].
        logits: [L, C].
        labels: int64 [L].

    Returns:
        [C, D].
    """
    correct = logits.argmax(dim=1) == labels
    weight = F.one_hot(labels, len(prototypes)).to(features.dtype) * correct[:, None]
    number = weight.sum(dim=0)[:, None]
    mean = weight.T @ features / number.clamp(min=1)
    return torch.where(number > 0, MOMENTUM * prototypes + (1 - MOMENTUM) * mean, prototypes)


def class_relation(prototypes: Tensor, kind: str, l1_abs: bool = False) -> Tensor:
    """Row-normalised affinity of the prototypes.

    exp(-||P_i - P_j||_2 / 0.5) for ``L2``, exp(cos(P_i, P_j) / 0.5) for ``cos``, and for ``L1``
    exp(-sum_d (P_i - P_j)_d / 0.5): the authors sum the differences with their signs, so that the
    matrix is not symmetric; `l1_abs` takes absolute values first.

    Args:
        prototypes: [C, D].
        kind: ``L2``, ``L1`` or ``cos``.

    Returns:
        [C, C], rows sum to 1.
    """
    if kind == "cos":
        unit = prototypes / (prototypes.norm(dim=1, keepdim=True) + 1e-12)
        affinity = unit @ unit.T
    elif kind in ("L1", "L2"):
        difference = prototypes[:, None] - prototypes[None]
        if kind == "L2":
            distance = difference.norm(dim=2)
        else:
            distance = (difference.abs() if l1_abs else difference).sum(dim=2)
        affinity = -distance
    else:
        raise ValueError(f"relation '{kind}' is not one of {', '.join(RELATIONS)}")
    matrix = torch.exp(affinity / RELATION_TEMPERATURE)
    return matrix / matrix.sum(dim=1, keepdim=True)


def update_relation(
    relation: Tensor, prototypes: Tensor, kind: str, l1_abs: bool = False
) -> Tensor:
    """R <- 0.9 R + 0.1 * :func:`class_relation`, [C, C]."""
    return MOMENTUM * relation + (1 - MOMENTUM) * class_relation(prototypes, kind, l1_abs)


def prototype_distribution(
    features: Tensor, prototypes: Tensor, relation: Tensor, temperature: float
) -> Tensor:
    """softmax_c(feature . P_c / T) @ R: the prototypes' label distribution, [U, C]."""
    return torch.softmax(features @ prototypes.T / temperature, dim=1) @ relation


def refine_labels(probabilities: Tensor, suggested: Tensor, share: float) -> Tensor:
    """(1 - share) * prediction + share * prototype distribution, [U, C]."""
    return (1 - share) * probabilities + share * suggested


def ambiguity_threshold(
    refined: Tensor, pseudo_label: Tensor, polarity: Tensor, dynamic_th: float
) -> Tensor:
    """Ambiguity-aware confidence threshold of every unlabelled image.

    t = min(1, 1 / ((H + 1) * m)) with H the entropy of the refined distribution and m its mass on
    classes of the pseudo-label's polarity; threshold =
    min(dynamic_th + (1 - dynamic_th) * t, 0.95).

    Args:
        refined: [U, C].
        pseudo_label: int64 [U].
        polarity: int64 [C], equal codes for classes that agree.
        dynamic_th: threshold of a fully ambiguous image, in 0..1.

    Returns:
        [U].
    """
    entropy = -(refined * torch.log(refined + 1e-7)).sum(dim=1)
    agreeing = polarity[pseudo_label][:, None] == polarity[None]
    mass = (refined * agreeing).sum(dim=1)
    certainty = (1 / ((entropy + 1) * mass)).clamp(max=1)
    return (dynamic_th + (1 - dynamic_th) * certainty).clamp(max=THRESHOLD_CAP)


def similarity_graph(refined: Tensor, floor: float) -> Tensor:
    """Row-normalised graph of how alike the refined labels are.

    The diagonal is 1; an entry must exceed `floor` to stay, itself included (floor >= 1 leaves
    rows of NaN).

    Args:
        refined: [U, C].

    Returns:
        [U, U].
    """
    graph = (refined @ refined.T).fill_diagonal_(1)
    graph = graph * (graph > floor)
    return graph / graph.sum(dim=1, keepdim=True)


def contrastive_loss(strong0: Tensor, strong1: Tensor, graph: Tensor, temperature: float) -> Tensor:
    """KL(graph || softmax(strong0 . strong1 / T)), summed over pairs, divided by U.

    Args:
        strong0, strong1: unit rows [U, D] of the two strong views.
        graph: [U, U], constant.
    """
    predicted = torch.log_softmax(strong0 @ strong1.T / temperature, dim=1)
    return F.kl_div(predicted, graph, reduction="batchmean")


def pseudo_label_loss(logits: Tensor, pseudo_label: Tensor, mask: Tensor) -> Tensor:
    """Masked cross-entropy; the mean is over all U images, kept or not."""
    return (F.cross_entropy(logits, pseudo_label, reduction="none") * mask).mean()


def distribution_loss(logits: Tensor, refined: Tensor, mask: Tensor, soft_ce: bool) -> Tensor:
    """Masked KL(refined || softmax(logits)) or soft cross-entropy, averaged over all U images."""
    predicted = torch.log_softmax(logits, dim=1)
    if soft_ce:
        each = -(refined * predicted).sum(dim=1)
    else:
        each = F.kl_div(predicted, refined, reduction="none").sum(dim=1)
    return (each * mask).mean()
