"""What a paper implements: a module whose training step returns a loss and what to log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

Batches = dict[str, dict[str, Tensor]]


@dataclass
class Progress:
    """Where a training stands; all counts start at 0 and name what comes next.

    Attributes:
        epoch: epochs finished.
        step: optimiser steps finished in the current epoch.
        epochs: epochs in all.
        steps_per_epoch: optimiser steps an epoch.
    """

    epoch: int
    step: int
    epochs: int
    steps_per_epoch: int

    @property
    def global_step(self) -> int:
        """Optimiser steps finished since the beginning."""
        return self.epoch * self.steps_per_epoch + self.step


@dataclass
class StepOutput:
    """What one training step gives back.

    Attributes:
        loss: scalar to minimise.
        logs: named scalars, averaged over the epoch and written down as they are.
        details: named tensors of this step (masks, pseudo-labels, …) for diagnostics; not logged.
    """

    loss: Tensor
    logs: dict[str, Tensor | float] = field(default_factory=dict)
    details: dict[str, Tensor] = field(default_factory=dict)


class Stream(Protocol):
    """A named source of batches whose place is given by (epoch, step) alone."""

    def batches(self, epoch: int, start: int = 0) -> Iterator[dict]:
        """The batches of an epoch from step `start` on."""

    def state(self) -> dict:
        """What must be equal for a checkpoint to go on with this stream."""


class Method(nn.Module):
    """A paper's method. Whatever it must remember is a buffer or a submodule.

    A checkpoint stores ``state_dict()`` and nothing else of a method, so a plain attribute that
    changes during training would be lost on resume.

    Attributes:
        stream_names: the streams whose batches a step takes.
        channels_last: memory layout in which images are given to it; the trainer sets it.
    """

    stream_names: tuple[str, ...] = ("labelled", "unlabelled")
    channels_last: bool = False

    def place(self, batch):
        """A batch, or one of its tensors, on the method's device and in its memory layout."""
        parameter = next(self.parameters(), None)
        device = torch.device("cpu") if parameter is None else parameter.device
        return to_device(batch, device, self.channels_last)

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """Compute the loss of one step from one batch of every stream."""
        raise NotImplementedError

    def predict(self, images: Tensor) -> Tensor:
        """Logits [n, C] of images [n, 3, H, W]."""
        raise NotImplementedError

    def on_epoch_start(self, progress: Progress) -> None:
        """Called before the first step of an epoch."""

    def on_step_end(self, progress: Progress) -> None:
        """Called after optimiser, schedule and average have moved."""

    def on_epoch_end(self, progress: Progress) -> None:
        """Called after the epoch's evaluation."""


@dataclass
class Recipe:
    """How the loop runs.

    Attributes:
        epochs, steps_per_epoch: length of the training in steps, a batch of every stream each.
        start_epoch: epochs that count as trained when it begins.
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
        save_every_minutes: ``last.ckpt`` is written inside an epoch too, this often; 0: at epoch
            ends alone, as with published draws, which cannot go on inside an epoch.
        on_nan: a loss or gradient that is not finite makes it ``stop``, or ``skip`` the step.
    """

    epochs: int
    steps_per_epoch: int
    start_epoch: int = 0
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
    save_every_minutes: float = 10.0
    on_nan: str = "stop"


class Callback:
    """Hooks around the loop of a ``Trainer``, for a paper's artefacts and for diagnostics."""

    def on_step_end(self, trainer: Any, output: StepOutput) -> None:
        """After optimiser, schedule and average have moved."""

    def on_evaluated(self, trainer: Any, results: dict[str, dict], is_best: bool) -> None:
        """After an epoch's evaluation; the method holds its live values."""

    def on_epoch_end(self, trainer: Any, row: dict) -> None:
        """After `row` became the last of ``trainer.history``, before ``last.ckpt`` is written."""

    def on_fit_end(self, trainer: Any) -> None:
        """After the last epoch that this process trains."""

    def state_dict(self) -> dict:
        """What an exact continuation needs of this callback; tensors and plain containers."""
        return {}

    def load_state_dict(self, state: dict, device: torch.device) -> None:
        """Go on from :meth:`state_dict`; tensors of `state` are on the CPU."""


def to_device(batch, device: torch.device, channels_last: bool = False):
    """Move nested dicts of tensors; 4-d floating tensors become channels-last when asked."""
    if isinstance(batch, dict):
        return {name: to_device(value, device, channels_last) for name, value in batch.items()}
    if not isinstance(batch, Tensor):
        return batch
    layout = torch.channels_last if channels_last and batch.ndim == 4 else torch.preserve_format
    return batch.to(device, non_blocking=True, memory_format=layout)


def images_in(batch: dict) -> int:
    """How many images a batch holds, all its views counted."""
    return sum(len(v) for v in batch.values() if isinstance(v, Tensor) and v.ndim == 4)
