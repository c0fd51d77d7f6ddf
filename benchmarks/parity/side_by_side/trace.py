"""What a training does, seen from torch: batches of images, losses, draws, rates and weights.

The same hooks watch any script, so that two can be laid beside each other: every batch of a
``DataLoader``, every ``backward`` and every step of an optimiser leaves a row.
"""

from __future__ import annotations

import gc
import json
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader

from benchmarks.parity.measure import fill_state_dict, scale_state_dict
from benchmarks.parity.whole import to_come

SEED = 20


class Enough(BaseException):
    """As many steps were seen as were asked for; no script catches this."""


class Trace:
    """Rows of a training, from the point on where all is built and nothing was iterated over.

    Args:
        steps: optimiser steps to see; then :class:`Enough` is raised.
        scale: factors of the filled weights by key, see :func:`scale_state_dict`.
    """

    def __init__(self, steps: int, scale: Mapping[str, float]):
        self.steps, self.scale = steps, scale
        self.rows: list[dict] = []
        self.begun, self.done = False, 0

    def install(self, at_first_pass: Callable[[], Iterable[nn.Module]] | None = None) -> None:
        """Watch this process.

        Args:
            at_first_pass: the networks to fill, where the point is the first pass over a loader.
        """
        passes, backward = DataLoader.__iter__, Tensor.backward
        trace = self

        def watched(loader: DataLoader) -> _Watched:
            if at_first_pass and not trace.begun:
                trace.begin(at_first_pass())
            return _Watched(passes(loader), trace)

        def noted(loss: Tensor, *args, **kwargs) -> None:
            backward(loss, *args, **kwargs)
            trace.add("backward", loss=float(loss.detach()), random=to_come().tolist())

        DataLoader.__iter__, Tensor.backward = watched, noted
        register_optimizer_step_post_hook(self._stepped)

    def begin(self, networks: Iterable[nn.Module]) -> None:
        """The point: fill the networks and seed the three generators."""
        networks = list(networks)
        for network in networks:
            fill_state_dict(network, SEED)
            scale_state_dict(network, self.scale)
        random.seed(SEED)
        np.random.seed(SEED)
        torch.manual_seed(SEED)
        self.begun = True
        self.add("start", network=sorted(networks[0].state_dict()) if networks else [])

    def add(self, kind: str, **values: Any) -> None:
        """Keep a row, once the training has begun."""
        if self.begun:
            self.rows.append({"kind": kind, "step": self.done + 1, **values})

    def batch(self, batch: Any) -> None:
        """Keep what the images of a batch are."""
        images = sorted(
            [list(t.shape), float(t.double().sum()), float(t.double().norm())]
            for t in _images(batch)
        )
        self.add("batch", images=images)

    def _stepped(self, optimizer: Optimizer, *_given) -> None:
        groups = optimizer.param_groups
        moved = [p.detach().double() for group in groups for p in group["params"]]
        norm = float(torch.stack([p.square().sum() for p in moved]).sum().sqrt())
        self.add("update", rates=[float(group["lr"]) for group in groups], weights=norm)
        self.done += self.begun
        if self.done >= self.steps:
            raise Enough

    def write(self, path: Path) -> None:
        """The rows as JSON."""
        path.write_text(json.dumps(self.rows), encoding="utf-8")


class _Watched:
    """An iterator of a loader; it also has the method that iterators had."""

    def __init__(self, batches: Iterator, trace: Trace):
        self._batches, self._trace = batches, trace

    def __iter__(self) -> _Watched:
        return self

    def __next__(self) -> Any:
        batch = next(self._batches)
        self._trace.batch(batch)
        return batch

    next = __next__

    def __len__(self) -> int:
        return len(self._batches)


def _images(batch: Any) -> Iterator[Tensor]:
    if isinstance(batch, Tensor):
        if batch.ndim == 4 and batch.is_floating_point():
            yield batch
    elif isinstance(batch, Mapping):
        for value in batch.values():
            yield from _images(value)
    elif isinstance(batch, list | tuple):
        for value in batch:
            yield from _images(value)


def trained_networks(wrapper: type[nn.Module]) -> list[nn.Module]:
    """The network that an optimiser of this process moves, and its copies; averages follow.

    Dictionaries that hold its tensors by name, as averages do, are given the filled values too.

    Args:
        wrapper: networks stand below such a module.
    """
    held = gc.get_objects()
    modules = [o for o in held if issubclass(type(o), nn.Module)]
    moved = {
        id(p)
        for o in held
        if issubclass(type(o), Optimizer)
        for group in o.param_groups
        for p in group["params"]
    }
    inner = {id(child) for module in modules for child in module.children()}
    roots = [m.module if isinstance(m, wrapper) else m for m in modules if id(m) not in inner]
    trained = [m for m in roots if any(id(p) in moved for p in m.parameters())]
    if not trained:
        return []
    network = max(trained, key=lambda m: len(m.state_dict()))
    keys = network.state_dict().keys()
    copies = [m for m in roots if m is not network and m.state_dict().keys() == keys]
    fill_state_dict(network, SEED)
    filled = network.state_dict()
    for values in held:
        if type(values) is dict and values.keys() and values.keys() <= keys:
            for name, value in values.items():
                if isinstance(value, Tensor) and value.shape == filled[name].shape:
                    value.detach().copy_(filled[name])
    return [network, *copies]
