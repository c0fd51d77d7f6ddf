"""How the training loop runs, as plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Recipe:
    """How the loop runs.

    Attributes:
        epochs, steps_per_epoch: length of the training in steps, a batch of every stream each.
        clip: gradient-norm clip where > 0.
        clip_scaled: with fp16, clip before the loss scale is taken out.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        channels_last: memory layout of model and images.
        ema_across_epochs: False starts the average anew at every epoch.
        metric, mode: what an evaluation is judged by, ``max`` or ``min``.
        stop_after_epoch: leave after this many epochs in all, resumable; 0 means never.
        schedule_per: the scheduler moves after every ``step`` or after every ``epoch``.
        percent: whether `metric` is a share, to be shown in percent.
        accumulate: steps whose gradients are added up before optimiser, schedule per step and
            average move. The count runs on through epochs; what is left at the end is not used.
        mean_gradients: divide a step's gradient by `accumulate`, so that they are averaged.
    """

    epochs: int
    steps_per_epoch: int
    clip: float = 0.0
    clip_scaled: bool = False
    precision: str = "fp32"
    channels_last: bool = False
    ema_across_epochs: bool = False
    metric: str = "top1"
    mode: str = "max"
    stop_after_epoch: int = 0
    schedule_per: str = "step"
    percent: bool = True
    accumulate: int = 1
    mean_gradients: bool = True
