"""Number formats of a run: autocast, loss scaling, and what ``--fast`` means on a device."""

from __future__ import annotations

import argparse
import logging
import os
from contextlib import AbstractContextManager, nullcontext

import torch

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
