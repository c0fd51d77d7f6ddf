"""What the baselines share: settings that are flags, one forward over all views, pseudo-labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from common.engine.method import Method, StepOutput
from common.flags import Parser, add_settings, settings_of


@dataclass(frozen=True)
class NoSettings:
    """Those of a method that has none."""


class Baseline(Method):
    """A method to compare with, under the flags of S2-VER's command and its own.

    Args:
        model: images -> (logits [n, C], features).
        settings: of the method; those of its paper where None.
    """

    Settings: type = NoSettings
    group = ""
    """Title of the method's own flags in the help."""

    def __init__(self, model: nn.Module, settings: Any = None):
        super().__init__()
        self.model, self.settings = model, settings or self.Settings()

    @classmethod
    def add_flags(cls, parser: Parser) -> None:
        """Add the method's own flags."""
        if cls.group:
            group = parser.add_argument_group(cls.group)
            add_settings(cls.Settings, group, group)

    @classmethod
    def build(cls, model: nn.Module, args, images) -> Baseline:
        """The method with the settings of the flags."""
        return cls(model, settings_of(cls.Settings, args))

    def predict(self, images: Tensor) -> Tensor:
        """Logits [n, C]."""
        return self.model(images)[0]


def logits_of(model: nn.Module, *views: Tensor) -> tuple[Tensor, ...]:
    """One forward over all views together, so that batch norm sees them together.

    Args:
        model: images -> (logits [n, C], features).
        views: images [n_i, 3, H, W].

    Returns:
        Logits [n_i, C] in float32, a tensor per view.
    """
    return model(torch.cat(views))[0].float().split([len(view) for view in views])


@dataclass(frozen=True)
class PseudoLabels:
    """A step's pseudo-labels; U unlabelled images.

    Attributes:
        label: int64 [U], the arg-max.
        score: [U], the maximum.
        threshold: [U].
        mask: bool [U], score >= threshold: which are kept.
        true_label: int64 [U], true labels; for statistics only.
    """

    label: Tensor
    score: Tensor
    threshold: Tensor
    mask: Tensor
    true_label: Tensor

    @staticmethod
    def select(
        probabilities: Tensor, threshold: Tensor | float, true_label: Tensor
    ) -> PseudoLabels:
        """Arg-max of every row of `probabilities` ([U, C]), kept from `threshold` ([U]) on."""
        score, label = probabilities.max(dim=1)
        threshold = torch.as_tensor(threshold, dtype=score.dtype, device=score.device)
        threshold = threshold.expand_as(score)
        return PseudoLabels(label, score, threshold, score >= threshold, true_label)

    def logs(self) -> dict[str, Tensor]:
        """Share that is kept, and share of the kept that is right."""
        right = (self.label == self.true_label) & self.mask
        return {
            "mask_rate": self.mask.float().mean(),
            "pseudo_true_ratio": right.sum() / (self.mask.sum() + 1e-7),
        }

    def details(self) -> dict[str, Tensor]:
        """What :mod:`common.engine.pseudo_labels` reads."""
        return {
            "mask": self.mask,
            "pseudo_label": self.label,
            "score": self.score,
            "threshold": self.threshold,
            "true_label": self.true_label,
        }

    def output(self, loss: Tensor, **logs: Tensor | float) -> StepOutput:
        """What a step says: its loss, the parts of it, and these pseudo-labels."""
        return StepOutput(loss, {**logs, **self.logs()}, self.details())
