"""FlexMatch: FixMatch with a threshold per class that follows how well the class is learnt.

Zhang et al., NeurIPS 2021. sigma(c) counts the unlabelled images whose last confident prediction
(max q >= tau) was c, equation 5. beta(c) = sigma(c) / max(max sigma, images without one), equations
6 and 11 (threshold warm-up). An image predicted as c is kept from M(beta(c)) * tau on, with the
convex M(x) = x / (2 - x): equation 12. The loss is FixMatch's.

Defaults (section 4): tau 0.95, lambda_u 1, warm-up and convex mapping on. Optimiser, rate, batch
sizes and average are the defaults of the shared flags, which differ from the paper's as FixMatch's
do: batches of 64 and 7 unlabelled images a labelled one (``--batch_size 64 --uratio 7``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.baselines.fixmatch import FixMatch, Settings
from benchmarks.baselines.pseudo_labels import PseudoLabels
from common.flags import settings_of


class FlexMatch(FixMatch):
    """Curriculum pseudo-labelling.

    Args:
        model: images -> (logits [n, C], features).
        num_classes: C.
        num_unlabelled: N, size of the unlabelled pool, which ``index`` counts in.
        settings: see :class:`benchmarks.baselines.fixmatch.Settings`.
    """

    def __init__(
        self,
        model: nn.Module,
        num_classes: int,
        num_unlabelled: int,
        settings: Settings | None = None,
    ):
        super().__init__(model, settings)
        self.num_classes = num_classes
        # int64 [N]: an image's last confident prediction, -1 before the first.
        self.register_buffer("confident", torch.full((num_unlabelled,), -1))

    @classmethod
    def build(cls, model: nn.Module, args, images) -> FlexMatch:
        """FlexMatch with the settings of the flags."""
        settings = settings_of(Settings, args)
        return cls(model, args.num_classes, len(images.split.unlabelled), settings)

    def select(self, probabilities: Tensor, unlabelled: dict[str, Tensor]) -> PseudoLabels:
        """Pseudo-labels under today's thresholds; then the learning status takes them in."""
        label = probabilities.argmax(dim=1)
        threshold = self.class_thresholds()[label].to(probabilities.dtype)
        chosen = PseudoLabels.select(probabilities, threshold, unlabelled["label"])
        self._learn(unlabelled["index"], label, chosen.score >= self.settings.threshold)
        return chosen

    def class_thresholds(self) -> Tensor:
        """Threshold of every class, [C]."""
        classes = torch.arange(self.num_classes, device=self.confident.device)
        sigma = (self.confident == classes[:, None]).sum(dim=1)
        unused = len(self.confident) - sigma.sum()
        beta = sigma / torch.maximum(sigma.max(), unused)
        return self.settings.threshold * beta / (2 - beta)

    def _learn(self, index: Tensor, label: Tensor, confident: Tensor) -> None:
        """Remember confident predictions; of an image that is drawn twice, the later one."""
        place = torch.where(confident, torch.arange(1, len(index) + 1, device=index.device), 0)
        last = torch.zeros_like(self.confident).scatter_reduce(0, index, place, "amax")
        new = label[(last - 1).clamp(min=0)]
        self.confident.copy_(torch.where(last > 0, new, self.confident))
