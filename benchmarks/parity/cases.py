"""Parity cases: what one ``.npz`` file says.

A file holds ``meta`` (JSON text: kind, params, rtol, atol, note), inputs ``in.<name>`` and the
outputs ``out.<name>`` measured on the authors' code. Pickled arrays are refused.

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
import json
import math
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import UserError


class UnreadableCase(Exception):
    """The file is no parity case; the text says what is wrong with it."""


@dataclass(frozen=True)
class Case:
    """One parity case.

    Attributes:
        name: file name without ``.npz``.
        kind: ``<package>/<kind>``.
        params: plain JSON; what the kind needs besides arrays.
        rtol: relative tolerance of float outputs.
        atol: absolute tolerance of float outputs.
        note: one line about the case.
        inputs: the ``in.`` arrays, by name without the prefix.
        expected: the ``out.`` arrays, by name without the prefix.
    """

    name: str
    kind: str
    params: dict[str, Any]
    rtol: float
    atol: float
    note: str
    inputs: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]

    @property
    def must_refuse(self) -> bool:
        """Whether only a refusal is checked (``params.raises``)."""
        return self.params.get("raises") is True


def find_cases(path: Path) -> list[Path]:
    """The case files of a folder, sorted by name; a single file is its own list.

    Raises:
        UserError: the folder is missing or has no ``.npz`` file.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"The folder of parity cases {path} does not exist.")
    paths = sorted(file for file in path.glob("*.npz") if file.is_file())
    if not paths:
        raise UserError(f"The folder {path} has no parity case (*.npz).")
    return paths


def load_case(path: Path) -> Case:
    """Read one case.

    Raises:
        UnreadableCase: damaged file, pickled or missing arrays, or metadata that does not fit.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError) as error:
        raise UnreadableCase(f"not a readable .npz file: {error}") from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise UnreadableCase(f"damaged .npz file: {error}") from error
    except (AttributeError, TypeError) as error:  # a bare .npy array under the name .npz
        raise UnreadableCase("not an .npz archive of named arrays") from error
    meta = _meta(arrays)
    case = Case(
        name=path.stem,
        kind=meta["kind"],
        params=meta["params"],
        rtol=meta["rtol"],
        atol=meta["atol"],
        note=str(meta.get("note", "")),
        inputs={n[3:]: a for n, a in arrays.items() if n.startswith("in.")},
        expected={n[4:]: a for n, a in arrays.items() if n.startswith("out.")},
    )
    _check_outputs(case)
    return case


def _meta(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    if "meta" not in arrays or arrays["meta"].ndim != 0:
        raise UnreadableCase("no 'meta' text in the file")
    try:
        meta = json.loads(str(arrays["meta"]))
    except json.JSONDecodeError as error:
        raise UnreadableCase(f"'meta' is not JSON: {error}") from error
    if not isinstance(meta, dict) or not isinstance(meta.get("kind"), str):
        raise UnreadableCase("'meta' has no 'kind'")
    if meta["kind"].count("/") != 1:
        raise UnreadableCase(f"the kind '{meta['kind']}' is not of the form package/kind")
    meta.setdefault("params", {})
    if not isinstance(meta["params"], dict):
        raise UnreadableCase("'params' is not a JSON object")
    if not all(_is_tolerance(meta.get(key)) for key in ("rtol", "atol")):
        raise UnreadableCase("'rtol' and 'atol' must be numbers of at least 0")
    return meta


def _is_tolerance(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 0


def _check_outputs(case: Case) -> None:
    if not case.expected and not case.must_refuse:
        raise UnreadableCase("no expected output 'out.*' in the file")
    for name, array in case.expected.items():
        if array.dtype.kind not in "fiubUS":
            raise UnreadableCase(f"out.{name} has the dtype {array.dtype}, which no rule compares")
    tolerance = case.params.get("tolerance", {})
    if not isinstance(tolerance, dict):
        raise UnreadableCase("'params.tolerance' is not a JSON object")
    for name, value in tolerance.items():
        pair = isinstance(value, list) and len(value) == 2 and all(map(_is_tolerance, value))
        by_norm = _is_tolerance(value) and name.endswith("weight_sum")
        if by_norm and name in case.expected and norm_of(name) not in case.expected:
            raise UnreadableCase(f"the tolerance of '{name}' needs the array out.{norm_of(name)}")
        if not pair and not by_norm:
            raise UnreadableCase(
                f"the tolerance of '{name}' is neither [rtol, atol] nor, for a *weight_sum array, "
                "one number"
            )
    if not _is_tolerance(case.params.get("step1_rtol", 0)):
        raise UnreadableCase("'params.step1_rtol' must be a number of at least 0")


def norm_of(weight_sum: str) -> str:
    """The array of norms that the tolerance of a ``*weight_sum`` array is relative to."""
    return weight_sum.removesuffix("weight_sum") + "weight_norm"


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
