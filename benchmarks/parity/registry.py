"""Which function of the project answers which kind of parity case.

The adapters of a package stand in ``benchmarks/parity/<package>/``, imported when its first case
comes up. They translate arrays and call the code that training runs; they hold no maths::

    @adapter("package/kind")
    def kind(case: Case) -> dict[str, np.ndarray]:
        loss = package.objective.some_loss(torch.from_numpy(case.inputs["logits"]), ...)
        return {"loss": loss.numpy()}
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

from benchmarks.parity.cases import Case

Adapter = Callable[[Case], dict[str, Any]]

_ADAPTERS: dict[str, Adapter] = {}


def adapter(kind: str) -> Callable[[Adapter], Adapter]:
    """Register a function as the answer to `kind` (``package/kind``).

    The function gets the :class:`Case` and returns its outputs by name without ``out.``, as arrays
    or tensors. It raises where the authors' code refuses.

    Raises:
        ValueError: the kind is taken.
    """

    def register(function: Adapter) -> Adapter:
        if kind in _ADAPTERS:
            raise ValueError(f"The parity kind '{kind}' has two adapters.")
        _ADAPTERS[kind] = function
        return function

    return register


def find_adapter(kind: str) -> Adapter | None:
    """The adapter of `kind`, or None where the project does not implement it (yet)."""
    package = kind.split("/", 1)[0]
    module = f"benchmarks.parity.{package}"
    if kind not in _ADAPTERS and package.isidentifier() and importlib.util.find_spec(module):
        importlib.import_module(module)
    return _ADAPTERS.get(kind)
