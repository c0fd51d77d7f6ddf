"""Number formats of a run: autocast, loss scaling, and what ``--fast`` means on a device."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from common.cli import UserError

log = logging.getLogger(__name__)

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Context in which the forward runs; a no-op for fp32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=DTYPES[precision])


def evaluated_in(precision: str) -> str:
    """Number format of the evaluation: fp32 for fp16, the published mixed precision."""
    return "fp32" if precision == "fp16" else precision


def grad_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler:
    """Loss scaling for fp16 (its small gradients underflow); inert for the other formats."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")


ADVICE = (
    "Go on from it with --precision fp32, with --on_nan skip, or at a lower rate: "
    "--lr with --allow_change lr."
)


class FiniteWatch:
    """Notes on the device, without waiting for it, whether loss and gradients stay finite."""

    def __init__(self, device: torch.device):
        self._first = torch.full((), -1, dtype=torch.int64, device=device)

    def note(self, loss: Tensor, parameters: Iterable[Tensor], step: int) -> None:
        """Look at a step's loss and the gradients of `parameters`."""
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients) if gradients else 0.0
        finite = torch.isfinite(loss.detach() + norm)
        self._first = torch.where(finite | (self._first >= 0), self._first, step)

    def first(self) -> int:
        """The first step that was not finite, -1 where there is none; waits for the device."""
        return int(self._first)


def buffers(module: nn.Module) -> list[Tensor]:
    """Copies of all buffers, to be put back by :func:`put_back`."""
    return [buffer.clone() for buffer in module.buffers()]


@torch.no_grad()
def put_back(module: nn.Module, kept: list[Tensor]) -> None:
    """Undo what a step did to the buffers."""
    for buffer, value in zip(module.buffers(), kept, strict=True):
        buffer.copy_(value)


def not_finite(module: nn.Module) -> str:
    """Name of a parameter that holds NaN or infinity, the first one; empty where none does."""
    named = [(n, p.detach()) for n, p in module.named_parameters() if p.is_floating_point()]
    if not named:
        return ""
    largest = torch.stack([p.abs().max() for _, p in named if p.numel()])  # one read for all
    finite = torch.isfinite(largest).tolist()
    names = [name for name, p in named if p.numel()]
    return next((name for name, whole in zip(names, finite, strict=True) if not whole), "")


def refuse_not_finite(module: nn.Module, watch: FiniteWatch, step: int) -> None:
    """Refuse to save a training whose numbers are broken.

    Raises:
        UserError: a loss, a gradient or a weight is not finite.
    """
    broken, first = not_finite(module), watch.first()
    if broken or first >= 0:
        what = f"the weights {broken} are" if broken else "the loss or its gradient is"
        since = f"since step {first}" if first >= 0 else f"at step {step}"
        raise UserError(
            f"{what} no longer finite {since}, so nothing is saved; the last checkpoint is from "
            f"before. {ADVICE}"
        )


def has_fast_bf16(device: torch.device) -> bool:
    """True where bf16 matrix work has hardware of its own (AVX512-BF16, AMX, Ampere and later)."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def apply_fast(args: argparse.Namespace, device: torch.device, given_flags: set[str]) -> None:
    """Turn on, in place, all that changes results by no more than noise on this device.

    bf16 (where it has hardware) with channels-last everywhere; on CUDA also TF32 and the cuDNN
    search; loader workers for every core. A flag in `given_flags` is left alone.
    """
    if "precision" not in given_flags and has_fast_bf16(device):
        args.precision = "bf16"
    if "channels_last" not in given_flags:
        args.channels_last = True
    if "num_workers" not in given_flags:
        args.num_workers = max(1, min(8, (os.cpu_count() or 2) // 2))
    if device.type == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    log.info(
        "--fast: %s, channels_last %s, %s loader workers",
        args.precision,
        args.channels_last,
        args.num_workers,
    )
