"""S2-VER's training step: the objective's functions in the order of the paper's figure 2."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.engine.method import Batches, Method, Progress, StepOutput
from s2ver import objective


@dataclass(frozen=True)
class Weights:
    """The objective's settings, named as the command line names them."""

    T: float = 0.2
    p_cutoff: float = 0.95
    noise_th: float = 0.3
    ldl_ratio: float = 0.2
    ulb_loss_ratio: float = 1.0
    lam_c: float = 3.0
    lam_d: float = 3.0
    dynamic_th: float = 0.7
    dis_ce: bool = False
    update_m: str = "L2"
    l1_abs: bool = False


class S2VER(Method):
    """Prototype-refined labels, an ambiguity-aware threshold and a label-similarity contrast.

    Args:
        model: images -> (logits [n, C], unit features [n, D]).
        num_classes: C.
        low_dim: D.
        polarity: code per class, equal for classes of one polarity.
        weights: the objective's settings.
    """

    def __init__(
        self,
        model: nn.Module,
        num_classes: int,
        low_dim: int,
        polarity: list[int],
        weights: Weights | None = None,
    ):
        super().__init__()
        self.model = model
        self.weights = weights or Weights()
        self.register_buffer("prototypes", torch.zeros(num_classes, low_dim))
        self.register_buffer("relation", torch.full((num_classes, num_classes), 1 / num_classes))
        self.register_buffer("polarity", torch.tensor(polarity, dtype=torch.int64))

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """One forward over [labelled; weak; strong0; strong1], then :meth:`losses`."""
        labelled, unlabelled = batches["labelled"], batches["unlabelled"]
        views = [labelled["weak"], *(unlabelled[v] for v in ("weak", "strong0", "strong1"))]
        logits, features = self.model(torch.cat(views))
        return self.losses(logits, features, labelled["label"], unlabelled["label"])

    def losses(
        self, logits: Tensor, features: Tensor, labels: Tensor, hidden: Tensor
    ) -> StepOutput:
        """The objective of one step; updates prototypes and relation on the way.

        Args:
            logits: [L + 3U, C], rows labelled, weak, strong0, strong1.
            features: unit rows [L + 3U, D].
            labels: int64 [L].
            hidden: true labels of the unlabelled images, int64 [U]; for statistics only.
        """
        w, sizes = self.weights, [len(labels)] + 3 * [len(hidden)]
        with torch.autocast(logits.device.type, enabled=False):
            logits_l, logits_w, logits_s0, logits_s1 = logits.float().split(sizes)
            features_l, features_w, features_s0, features_s1 = features.float().split(sizes)
            refined, pseudo_label, score = self._refine(
                features_l.detach(),
                logits_l.detach(),
                labels,
                features_w.detach(),
                logits_w.detach(),
            )
            threshold = self._threshold(refined, pseudo_label)
            mask = score >= threshold
            graph = objective.similarity_graph(refined, w.noise_th)

            sup = F.cross_entropy(logits_l, labels)
            unsup = objective.pseudo_label_loss(logits_s0, pseudo_label, mask)
            contrast = objective.contrastive_loss(features_s0, features_s1, graph, w.T)
            distribution = objective.distribution_loss(logits_s1, refined, mask, w.dis_ce)
            total = sup + w.ulb_loss_ratio * unsup + w.lam_c * contrast + w.lam_d * distribution
        right = (pseudo_label == hidden) & mask
        logs = {
            "sup_loss": sup,
            "unsup_loss": unsup,
            "contrast_loss": contrast,
            "distribution_loss": distribution,
            "mask_rate": mask.float().mean(),
            "pseudo_true_ratio": right.sum() / (mask.sum() + 1e-7),
        }
        details = {
            "mask": mask,
            "pseudo_label": pseudo_label,
            "score": score,
            "threshold": threshold,
            "hidden": hidden,
            "ulb_LDL": refined,
            "contrast_target": graph,
            "n_correct_labelled": (logits_l.argmax(dim=1) == labels).sum(),
        }
        return StepOutput(total, logs, details)

    @torch.no_grad()
    def _refine(self, features_l, logits_l, labels, features_w, logits_w):
        w = self.weights
        self.prototypes.copy_(
            objective.update_prototypes(self.prototypes, features_l, logits_l, labels)
        )
        self.relation.copy_(
            objective.update_relation(self.relation, self.prototypes, w.update_m, w.l1_abs)
        )
        probabilities = torch.softmax(logits_w, dim=1)
        score, pseudo_label = probabilities.max(dim=1)
        suggested = objective.prototype_distribution(
            features_w, self.prototypes, self.relation, w.T
        )
        return objective.refine_labels(probabilities, suggested, w.ldl_ratio), pseudo_label, score

    def _threshold(self, refined: Tensor, pseudo_label: Tensor) -> Tensor:
        if self.weights.dynamic_th <= 0:
            return torch.full_like(refined[:, 0], self.weights.p_cutoff)
        return objective.ambiguity_threshold(
            refined, pseudo_label, self.polarity, self.weights.dynamic_th
        )

    def predict(self, images: Tensor) -> Tensor:
        """Logits [n, C]."""
        return self.model(images)[0]
