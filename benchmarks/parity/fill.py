"""Weights that both sides can make without a file: the convention of the parity cases."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn


def filled_state(state: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """The filled value of every key of a state dict.

    Key number i in sorted order draws from its own generator, seeded seed + i:

    - floating, two or more axes: N(0, 1)/√fan_in, where fan_in = numel/shape[0]
    - floating, one or no axis: 1 + 0.1·U(0, 1) for ``running_var`` and where the key's last part
      contains ``weight``; 0.1·N(0, 1) otherwise
    - any other dtype: zeros

    Args:
        state: shapes and dtypes by key. The keys decide the order, so they must be the authors'.
        seed: seed of the first key.

    Returns:
        New tensors with the keys, shapes and dtypes of `state`, on the CPU.
    """
    values = {}
    for i, key in enumerate(sorted(state)):
        tensor = state[key]
        generator = torch.Generator().manual_seed(seed + i)
        shape = tuple(tensor.shape)
        if not tensor.is_floating_point():
            value = torch.zeros(shape)
        elif tensor.ndim >= 2:
            fan_in = tensor.numel() / shape[0]
            value = torch.randn(shape, generator=generator) / math.sqrt(fan_in)
        elif key.endswith("running_var") or "weight" in key.rsplit(".", 1)[-1]:
            value = 1 + 0.1 * torch.rand(shape, generator=generator)
        else:
            value = 0.1 * torch.randn(shape, generator=generator)
        values[key] = value.to(tensor.dtype)
    return values


@torch.no_grad()
def fill_state_dict(model: nn.Module, seed: int) -> None:
    """Fill `model` in place by :func:`filled_state`, buffers and fixed parameters included."""
    state = model.state_dict()
    for key, value in filled_state(state, seed).items():
        state[key].copy_(value)


@torch.no_grad()
def scale_state_dict(model: nn.Module, scale: Mapping[str, float]) -> None:
    """Multiply entries of `model` in place.

    Args:
        model: the model.
        scale: factor by key; ``*tail`` stands for every key that ends in ``tail``.

    Raises:
        ValueError: a pattern fits no key.
    """
    state = model.state_dict()
    for pattern, factor in scale.items():
        if pattern.startswith("*"):
            keys = [key for key in state if key.endswith(pattern[1:])]
        else:
            keys = [key for key in state if key == pattern]
        if not keys:
            raise ValueError(f"No entry of the model fits '{pattern}', which should be scaled.")
        for key in keys:
            state[key].mul_(factor)
