"""Learning-rate schedules as functions of the step, and as torch schedulers."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def cosine_multiplier(step: int, total: int, warmup: int = 0, cycles: float = 7 / 16) -> float:
    """Rate multiplier of optimiser step number `step` (the first is 0).

    Linear from 0 during `warmup` steps, then max(0, cos(pi * cycles * (step - warmup) /
    (total - warmup))). The cosine is not clamped after `total`: it runs on (FixMatch, section 2.4).
    """
    if step < warmup:
        return step / max(1, warmup)
    return max(0.0, math.cos(math.pi * cycles * (step - warmup) / max(1, total - warmup)))


def cosine_schedule(
    optimizer: Optimizer, total: int, warmup: int = 0, cycles: float = 7 / 16
) -> LambdaLR:
    """A scheduler that multiplies the base rates by :func:`cosine_multiplier`."""
    return LambdaLR(optimizer, lambda step: cosine_multiplier(step, total, warmup, cycles))
