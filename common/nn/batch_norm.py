"""Batch norms that see the batch in parts, as those of several GPUs do under DataParallel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class GroupedBatchNorm2d(nn.BatchNorm2d):
    """Every part of a training batch is normalised by its own statistics.

    ``torch.nn.DataParallel`` shares a batch out with ``torch.chunk`` and keeps the running
    statistics of its first GPU; so do these.

    Attributes:
        groups: number of parts.
    """

    groups = 1

    def forward(self, images: Tensor) -> Tensor:
        """float [n, C, H, W] -> the same, normalised."""
        if not self.training or self.groups == 1:
            return super().forward(images)
        first, *others = images.chunk(self.groups)
        scale = self.weight, self.bias
        parts = [F.batch_norm(part, None, None, *scale, True, 0.0, self.eps) for part in others]
        return torch.cat([super().forward(first), *parts])


def group_batch_norms(model: nn.Module, groups: int) -> None:
    """Make all batch norms of a model grouped ones, in place; names and tensors stay."""
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__, module.groups = GroupedBatchNorm2d, groups
