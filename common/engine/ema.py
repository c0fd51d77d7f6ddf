"""Exponential moving average of a module's trainable parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class ParameterEMA:
    """shadow <- decay * shadow + (1 - decay) * live, over trainable parameters only.

    Frozen parameters and buffers (batch-norm statistics among them) are never averaged: with the
    average applied a module uses its live ones.

    Args:
        model: module to average; the shadow starts as a copy of it.
        decay: weight of the past in 0..1.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self.restart(model)

    @torch.no_grad()
    def restart(self, model: nn.Module) -> None:
        """Forget the past: the shadow becomes a copy of the live trainable parameters."""
        self.shadow = {name: p.detach().clone() for name, p in _trainable(model)}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take one averaging step towards the live parameters."""
        live = [p.detach() for _, p in _trainable(model)]
        shadow = list(self.shadow.values())
        torch._foreach_mul_(shadow, self.decay)
        torch._foreach_add_(shadow, live, alpha=1.0 - self.decay)

    @torch.no_grad()
    def overwrite(self, values: dict[str, Tensor]) -> None:
        """Set the shadow to `values`; keys without a shadow (buffers, frozen) are passed over."""
        for name, shadow in self.shadow.items():
            shadow.copy_(values[name])

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Inside the block `model` holds the average; afterwards its live values are back."""
        live = {name: p.data for name, p in _trainable(model)}
        try:
            for name, p in _trainable(model):
                p.data = self.shadow[name]
            yield
        finally:
            for name, p in _trainable(model):
                p.data = live[name]

    def state_dict(self) -> dict[str, Tensor]:
        """The shadow by parameter name."""
        return dict(self.shadow)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a shadow saved by :meth:`state_dict`; the names must be the same."""
        if state.keys() != self.shadow.keys():
            odd = sorted(state.keys() ^ self.shadow.keys())
            raise KeyError(f"the saved average covers other parameters, e.g. {odd[0]}")
        self.overwrite(state)


def _trainable(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)
