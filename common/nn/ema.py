"""Exponential moving averages: of trainable parameters, or of a whole state dict."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """A shadow of some of a module's tensors, by name, that can stand in for them.

    Args:
        module: what is averaged; the shadow starts as a copy of it.
        decay: weight of the past in 0..1.
    """

    def __init__(self, module: nn.Module, decay: float):
        self.decay = decay
        self.restart(module)

    def entries(self, module: nn.Module) -> dict[str, Tensor]:
        """The tensors themselves, by name."""
        raise NotImplementedError

    @torch.no_grad()
    def restart(self, module: nn.Module) -> None:
        """Forget the past: the shadow becomes a copy of the live tensors."""
        self.shadow = {name: v.detach().clone() for name, v in self.entries(module).items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> list[Tensor]:
        """shadow <- decay * shadow + (1 - decay) * live, for what is float32.

        Returns:
            The live tensors that were averaged.
        """
        averaged = {n: v for n, v in self.entries(module).items() if v.dtype == torch.float32}
        shadow = [self.shadow[name] for name in averaged]
        live = [value.detach() for value in averaged.values()]
        torch._foreach_mul_(shadow, self.decay)
        torch._foreach_add_(shadow, live, alpha=1.0 - self.decay)
        return list(averaged.values())

    @torch.no_grad()
    def overwrite(self, values: dict[str, Tensor]) -> None:
        """Set the shadow to `values`; keys without a shadow are passed over."""
        for name, shadow in self.shadow.items():
            shadow.copy_(values[name])

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[None]:
        """Inside the block `module` holds the average; afterwards its live values are back."""
        entries = self.entries(module)
        live = {name: v.data for name, v in entries.items()}
        try:
            for name, v in entries.items():
                v.data = self.shadow[name]
            yield
        finally:
            for name, v in entries.items():
                v.data = live[name]

    def state_dict(self) -> dict[str, Tensor]:
        """The shadow by name."""
        return dict(self.shadow)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore a shadow saved by :meth:`state_dict`; the names must be the same."""
        if state.keys() != self.shadow.keys():
            odd = sorted(state.keys() ^ self.shadow.keys())
            raise KeyError(f"the saved average covers other tensors, e.g. {odd[0]}")
        self.overwrite(state)


class ParameterEMA(Average):
    """The average of the trainable parameters.

    Frozen parameters and buffers (batch-norm statistics among them) are never averaged: with the
    average applied a module uses its live ones.
    """

    def entries(self, module: nn.Module) -> dict[str, Tensor]:
        """The parameters that train."""
        return {name: p for name, p in module.named_parameters() if p.requires_grad}


class StateEMA(Average):
    """The average of every float32 tensor of a state dict.

    Parameters and batch-norm statistics alike are averaged; tensors of another dtype keep the value
    they had at the start. After each step the live tensors may shrink, a weight decay outside of
    the optimiser.

    Args:
        module: holds what is averaged; the shadow starts as a copy of it, statistics included.
        decay: weight of the past in 0..1.
        prefix: only entries whose name starts so are averaged.
        shrink: after each step every averaged live tensor is multiplied by 1 - `shrink`.
        spare_buffers: leave buffers out of the shrinking.
        start: state-dict values that shadow AND live module take first, by full name.
    """

    def __init__(
        self,
        module: nn.Module,
        decay: float,
        prefix: str = "",
        shrink: float = 0.0,
        spare_buffers: bool = False,
        start: dict[str, Tensor] | None = None,
    ):
        self.prefix, self.shrink, self.spare_buffers = prefix, shrink, spare_buffers
        if start is not None:
            with torch.no_grad():
                for name, value in self.entries(module).items():
                    value.data.copy_(start[name])
        super().__init__(module, decay)

    def entries(self, module: nn.Module) -> dict[str, Tensor]:
        """The tensors themselves (not the copies that ``state_dict()`` may give)."""
        own = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        return {name: own[name] for name in module.state_dict() if name.startswith(self.prefix)}

    @torch.no_grad()
    def update(self, module: nn.Module) -> list[Tensor]:
        """Take one averaging step, then shrink the live tensors."""
        averaged = super().update(module)
        if self.shrink:
            shrinking = [
                value.detach()
                for value in averaged
                if isinstance(value, nn.Parameter) or not self.spare_buffers
            ]
            torch._foreach_mul_(shrinking, 1.0 - self.shrink)
        return averaged
