"""CoMatch: pseudo-labels and embeddings regularise each other (Li, Xiong and Hoi, ICCV 2021).

With U unlabelled images, C classes, D the width of the embedding and K the memory's size. For each
step (section 3 and the authors' code):

1. q = softmax(weak view), divided by the mean prediction of the last 32 steps and renormalised:
   distribution alignment.
2. p = alpha * q + (1 - alpha) * sum_k a_k q_k, with a = softmax over the memory of
   z . z_k / t: memory-smoothed pseudo-labels, equations 4 and 5. The memory holds embeddings
   of weak views with q, and those of labelled images with their labels.
3. Loss on the first strong view: soft cross-entropy to p where max p >= tau, equation 2.
4. Pseudo-label graph W_ij = p_i . p_j where that is at least T, else 0, and 1 on the diagonal,
   rows normalised: equation 6. The similarities of the two strong views' embeddings, softmax of
   z_i . z'_j / t, are pulled to it by cross-entropy: equations 7 and 8.

L = CE(labelled) + lambda_u * (3.) + lambda_c * (4.).

Defaults (section 4.1 and the authors' code for CIFAR): alpha 0.9, tau 0.95, T 0.8, t 0.2, lambda_u
1, lambda_c 1, a memory of 5 steps, D 64 (``--low_dim``). Optimiser, rate, batch sizes and average
are the defaults of the shared flags; the paper's batches of 64 and 7 unlabelled images a labelled
one are not (``--batch_size 64 --uratio 7``).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.baselines.pseudo_labels import Baseline, PseudoLabels
from common.engine.method import Batches, Progress, StepOutput
from common.flags import count, not_negative, number, setting, settings_of, share

ALIGNED_STEPS = 32


@dataclass(frozen=True)
class Settings:
    """CoMatch's settings, each a flag of its name."""

    threshold: float = setting(0.95, "tau", type=not_negative)
    lambda_u: float = setting(1.0, "pseudo-label weight", type=not_negative)
    lambda_c: float = setting(1.0, "contrast weight", type=not_negative)
    smoothing: float = setting(0.9, "the paper's alpha", type=share)
    temperature: float = setting(0.2, "t", type=number(float, low=1e-6))
    graph_threshold: float = setting(0.8, "the paper's T", type=share)
    queue_batch: int = setting(5, "steps the memory holds", type=count)


def align(probabilities: Tensor, mean: Tensor) -> Tensor:
    """Divide predictions [U, C] by the mean prediction [C] and renormalise the rows."""
    aligned = probabilities / mean
    return aligned / aligned.sum(dim=1, keepdim=True)


def smooth(
    aligned: Tensor,
    features: Tensor,
    memory_features: Tensor,
    memory_labels: Tensor,
    alpha: float,
    temperature: float,
) -> Tensor:
    """alpha * aligned + (1 - alpha) * softmax_k(z . z_k / temperature) @ memory labels, [U, C].

    Args:
        aligned: [U, C].
        features: unit rows [U, D].
        memory_features: unit rows [K, D].
        memory_labels: [K, C].
    """
    weight = torch.softmax(features @ memory_features.T / temperature, dim=1)
    return alpha * aligned + (1 - alpha) * weight @ memory_labels


def label_graph(labels: Tensor, threshold: float) -> Tensor:
    """Row-normalised similarity of soft labels [U, C] with self-loops, [U, U]."""
    graph = (labels @ labels.T).fill_diagonal_(1)
    graph = graph * (graph >= threshold)
    return graph / graph.sum(dim=1, keepdim=True)


def graph_loss(strong0: Tensor, strong1: Tensor, graph: Tensor, temperature: float) -> Tensor:
    """Mean over i of -sum_j graph_ij log(softmax_j(z_i . z'_j / temperature) + 1e-7)."""
    similarity = torch.softmax(strong0 @ strong1.T / temperature, dim=1)
    return -(torch.log(similarity + 1e-7) * graph).sum(dim=1).mean()


class CoMatch(Baseline):
    """Smoothed pseudo-labels, and a contrast between the views that follows their graph.

    Args:
        model: images -> (logits [n, C], unit features [n, D]).
        num_classes: C.
        low_dim: D.
        images_a_step: labelled and unlabelled images of a step.
        settings: see :class:`Settings`.
    """

    Settings, group = Settings, "CoMatch"

    def __init__(
        self,
        model: nn.Module,
        num_classes: int,
        low_dim: int,
        images_a_step: int,
        settings: Settings | None = None,
    ):
        super().__init__(model, settings)
        shape = (self.settings.queue_batch, images_a_step)
        self.register_buffer("memory_features", torch.zeros(*shape, low_dim))
        self.register_buffer("memory_labels", torch.zeros(*shape, num_classes))
        self.register_buffer("recent_means", torch.zeros(ALIGNED_STEPS, num_classes))

    @classmethod
    def build(cls, model: nn.Module, args, images) -> CoMatch:
        """CoMatch with the settings of the flags."""
        images_a_step = args.batch_size * (1 + args.uratio)
        settings = settings_of(Settings, args)
        return cls(model, args.num_classes, args.low_dim, images_a_step, settings)

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """One forward over [labelled; weak; strong0; strong1], then :meth:`losses`."""
        labelled, unlabelled = batches["labelled"], batches["unlabelled"]
        views = [labelled["weak"], *(unlabelled[v] for v in ("weak", "strong0", "strong1"))]
        logits, features = self.model(torch.cat(views))
        step = progress.global_step
        return self.losses(logits, features, labelled["label"], unlabelled["label"], step)

    def losses(
        self, logits: Tensor, features: Tensor, labels: Tensor, true_label: Tensor, step: int
    ) -> StepOutput:
        """The objective of one step; the memory takes the step in on the way.

        Args:
            logits: [L + 3U, C], rows labelled, weak, strong0, strong1.
            features: unit rows [L + 3U, D].
            labels: int64 [L].
            true_label: true labels of the unlabelled images, int64 [U]; for statistics only.
            step: steps finished before this one.
        """
        s, sizes = self.settings, [len(labels)] + 3 * [len(true_label)]
        with torch.autocast(logits.device.type, enabled=False):
            logits_l, logits_w, logits_s, _ = logits.float().split(sizes)
            features_l, features_w, features_s0, features_s1 = features.float().split(sizes)
            soft = self._soft_labels(
                logits_w.detach(), features_w.detach(), features_l.detach(), labels, step
            )
            chosen = PseudoLabels.select(soft, s.threshold, true_label)
            graph = label_graph(soft, s.graph_threshold)
            sup = F.cross_entropy(logits_l, labels)
            unsup = (F.cross_entropy(logits_s, soft, reduction="none") * chosen.mask).mean()
            contrast = graph_loss(features_s0, features_s1, graph, s.temperature)
            total = sup + s.lambda_u * unsup + s.lambda_c * contrast
        return chosen.output(total, sup_loss=sup, unsup_loss=unsup, contrast_loss=contrast)

    @torch.no_grad()
    def _soft_labels(self, logits_w, features_w, features_l, labels, step) -> Tensor:
        s = self.settings
        probabilities = torch.softmax(logits_w, dim=1)
        self.recent_means[step % ALIGNED_STEPS] = probabilities.mean(dim=0)
        mean = self.recent_means[: min(step + 1, ALIGNED_STEPS)].mean(dim=0)
        aligned = soft = align(probabilities, mean)
        if step > s.queue_batch:  # one step later than the memory is full, as the authors have it
            memory = self.memory_features.flatten(0, 1), self.memory_labels.flatten(0, 1)
            soft = smooth(aligned, features_w, *memory, s.smoothing, s.temperature)
        one_hot = F.one_hot(labels, aligned.shape[1]).to(aligned.dtype)
        self.memory_features[step % s.queue_batch] = torch.cat([features_w, features_l])
        self.memory_labels[step % s.queue_batch] = torch.cat([aligned, one_hot])
        return soft
