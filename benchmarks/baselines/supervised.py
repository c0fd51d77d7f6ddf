"""Supervised training on the labelled images alone.

Optimiser, rate, batch size and average are the defaults of the shared flags.
"""

from __future__ import annotations

import torch.nn.functional as F

from benchmarks.baselines.pseudo_labels import Baseline
from common.engine.method import Batches, Progress, StepOutput


class Supervised(Baseline):
    """Cross-entropy on the weak view of the labelled images."""

    stream_names = ("labelled",)

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """One forward over the labelled batch."""
        labelled = batches["labelled"]
        loss = F.cross_entropy(self.predict(labelled["weak"]), labelled["label"])
        return StepOutput(loss, {"sup_loss": loss})
