"""What may hang around the training loop: artefacts of a paper, diagnostics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from common.engine.method import StepOutput

if TYPE_CHECKING:
    from common.engine.trainer import Trainer


class Callback:
    """Hooks around the loop, for a paper's artefacts and for diagnostics."""

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        """After optimiser, schedule and average have moved."""

    def on_evaluated(self, trainer: Trainer, results: dict[str, dict], is_best: bool) -> None:
        """After an epoch's evaluation; the method holds its live values."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """After the last epoch that this process trains."""

    def state_dict(self) -> dict:
        """What an exact continuation needs of this callback; tensors and plain containers."""
        return {}

    def load_state_dict(self, state: dict, device: torch.device) -> None:
        """Go on from :meth:`state_dict`; tensors of `state` are on the CPU."""

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """After `row` became the last of ``trainer.history``, before ``last.ckpt`` is written."""
