"""S2-VER's training step: the objective's functions in the order of the paper's figure 2."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.engine.method import Batches, Method, Progress, StepOutput
from common.flags import number, setting
from s2ver import objective


@dataclass(frozen=True)
class S2VERConfig:
    """The objective's settings, each a flag of its name."""

    T: float = setting(0.2, "temperature of both softmaxes", type=number(float, low=1e-6))
    p_cutoff: float = setting(0.95, "threshold when --dynamic_th <= 0", type=float)
    dynamic_th: float = setting(
        0.7, "base of the ambiguity-aware threshold", type=number(float, high=1)
    )
    noise_th: float = setting(0.3, "floor of the similarity graph", type=number(float, below=1))
    ulb_loss_ratio: float = setting(1.0, "weight of the pseudo-label loss", type=float)
    lam_c: float = setting(3.0, "weight of the contrastive loss", type=float)
    lam_d: float = setting(3.0, "weight of the distribution loss", type=float)
    ldl_ratio: float = setting(0.2, "share of the prototypes", type=number(float, low=0, high=1))
    dis_ce: bool = setting(False, "soft cross-entropy for the distribution loss")
    update_m: str = setting("L2", "relation between prototypes", choices=objective.RELATIONS)
    l1_abs: bool = setting(False, "absolute differences in --update_m L1", laboratory=True)


class S2VER(Method):
    """Prototype-refined labels, an ambiguity-aware threshold and a label-similarity contrast.

    Args:
        model: images -> (logits [n, C], unit features [n, D]).
        num_classes: C.
        low_dim: D.
        polarity: code per class, equal for classes of one polarity.
        config: the objective's settings.
    """

    def __init__(
        self,
        model: nn.Module,
        num_classes: int,
        low_dim: int,
        polarity: list[int],
        config: S2VERConfig | None = None,
    ):
        super().__init__()
        self.model = model
        self.config = config or S2VERConfig()
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
        self, logits: Tensor, features: Tensor, labels: Tensor, true_label: Tensor
    ) -> StepOutput:
        """The objective of one step; updates prototypes and relation on the way.

        Args:
            logits: [L + 3U, C], rows labelled, weak, strong0, strong1.
            features: unit rows [L + 3U, D].
            labels: int64 [L].
            true_label: true labels of the unlabelled images, int64 [U]; for statistics only.
        """
        c, sizes = self.config, [len(labels)] + 3 * [len(true_label)]
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
            graph = objective.similarity_graph(refined, c.noise_th)

            sup = F.cross_entropy(logits_l, labels)
            unsup = objective.pseudo_label_loss(logits_s0, pseudo_label, mask)
            contrast = objective.contrastive_loss(features_s0, features_s1, graph, c.T)
            distribution = objective.distribution_loss(logits_s1, refined, mask, c.dis_ce)
            total = sup + c.ulb_loss_ratio * unsup + c.lam_c * contrast + c.lam_d * distribution
        right = (pseudo_label == true_label) & mask
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
            "true_label": true_label,
            "ulb_LDL": refined,
            "contrast_target": graph,
            "n_correct_labelled": (logits_l.argmax(dim=1) == labels).sum(),
        }
        return StepOutput(total, logs, details)

    @torch.no_grad()
    def _refine(self, features_l, logits_l, labels, features_w, logits_w):
        c = self.config
        self.prototypes.copy_(
            objective.update_prototypes(self.prototypes, features_l, logits_l, labels)
        )
        self.relation.copy_(
            objective.update_relation(self.relation, self.prototypes, c.update_m, c.l1_abs)
        )
        probabilities = torch.softmax(logits_w, dim=1)
        score, pseudo_label = probabilities.max(dim=1)
        suggested = objective.prototype_distribution(
            features_w, self.prototypes, self.relation, c.T
        )
        return objective.refine_labels(probabilities, suggested, c.ldl_ratio), pseudo_label, score

    def _threshold(self, refined: Tensor, pseudo_label: Tensor) -> Tensor:
        if self.config.dynamic_th <= 0:
            return torch.full_like(refined[:, 0], self.config.p_cutoff)
        return objective.ambiguity_threshold(
            refined, pseudo_label, self.polarity, self.config.dynamic_th
        )

    def predict(self, images: Tensor) -> Tensor:
        """Logits [n, C]."""
        return self.model(images)[0]
