"""Supervised training on the labelled images alone.

Optimiser, rate, batch size and average are the defaults of the shared flags.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from common.engine.method import Batches, Method, Progress, StepOutput


class Supervised(Method):
    """Cross-entropy on the weak view of the labelled images.

    Args:
        model: images -> (logits [n, C], features).
    """

    stream_names = ("labelled",)

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """One forward over the labelled batch."""
        labelled = batches["labelled"]
        loss = F.cross_entropy(self.predict(labelled["weak"]), labelled["label"])
        return StepOutput(loss, {"sup_loss": loss})

    def predict(self, images: Tensor) -> Tensor:
        """Logits [n, C]."""
        return self.model(images)[0]
