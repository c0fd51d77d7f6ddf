"""Compare what the project computed with what the authors' code gave.

Floats: |actual − expected| ≤ atol + rtol·|expected|, in float64. Everything else is exact.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.parity.cases import Case, norm_of

# Losses recorded at every step; figures of an epoch or an evaluation come after the first step.
STEP_LOSS = re.compile(r"(?!eval_|test_|threshold_|epoch_)(.*loss(_[a-z])?|L[xus])")
STEP1_ATOL = 1e-6
# Lines of text with their figures left out, and names of columns, are for the reader of a case.
INFORMATION = re.compile(r".*_line|.*_field|table_head|checkpoint_scheduler_key")


@dataclass(frozen=True)
class Comparison:
    """Outcome for a case or an array.

    Attributes:
        passed: within tolerance.
        max_abs: largest |actual − expected| over finite numbers; None where nothing was compared.
        max_rel: the same over |expected|, where expected ≠ 0.
        message: what differs; empty when passed.
    """

    passed: bool
    max_abs: float | None = None
    max_rel: float | None = None
    message: str = ""


def compare_case(case: Case, actual: dict[str, Any]) -> Comparison:
    """Compare all expected arrays of a case; outputs the case does not expect are ignored.

    Args:
        case: tolerances (``params.tolerance`` per array, else rtol and atol) and expected arrays.
        actual: array-likes by name, without the ``out.`` prefix.
    """
    results: dict[str, Comparison] = {}
    for name, expected in case.expected.items():
        if case.kind.endswith("/command") and INFORMATION.fullmatch(name):
            continue
        if name not in actual:
            results[name] = Comparison(False, message="missing from what the project returned")
        else:
            results[name] = compare_array(case, name, expected, _as_array(actual[name]))
    messages = [f"{name}: {r.message}" for name, r in results.items() if not r.passed]
    return Comparison(
        passed=not messages,
        max_abs=max((r.max_abs for r in results.values() if r.max_abs is not None), default=None),
        max_rel=max((r.max_rel for r in results.values() if r.max_rel is not None), default=None),
        message="; ".join(messages),
    )


def _as_array(value: Any) -> np.ndarray:
    if hasattr(value, "detach"):  # a torch tensor, wherever it lives
        value = value.detach().cpu().numpy()
    return np.asarray(value)


def compare_array(case: Case, name: str, expected: np.ndarray, actual: np.ndarray) -> Comparison:
    """Compare one output; see :func:`compare_case`."""
    if actual.shape != expected.shape:
        shapes = f"{list(actual.shape)}, expected {list(expected.shape)}"
        return Comparison(False, message=f"shape {shapes}")
    if expected.size == 0:  # the dtype of an empty list means nothing
        return Comparison(True)
    if expected.dtype.kind in "US":
        return _compare_text(expected, actual)
    allowed_kinds = "fiub" if expected.dtype.kind == "f" else "iub"
    if actual.dtype.kind not in allowed_kinds:
        return Comparison(False, message=f"dtype {actual.dtype}, expected {expected.dtype}")
    if expected.dtype.kind != "f":
        return _report(expected, actual, bad=actual != expected, allowed=None)
    with np.errstate(invalid="ignore", over="ignore"):
        return _compare_floats(case, name, expected, actual)


def _compare_text(expected: np.ndarray, actual: np.ndarray) -> Comparison:
    if actual.dtype.kind not in "US":
        return Comparison(False, message=f"dtype {actual.dtype}, expected text")
    bad = actual.astype(str) != expected.astype(str)
    if not bad.any():
        return Comparison(True)
    at = tuple(np.argwhere(bad)[0])
    where = f"first at {_index(at)}: {str(actual[at])!r}, expected {str(expected[at])!r}"
    return Comparison(False, message=f"{int(bad.sum())} of {bad.size} texts differ, {where}")


def _compare_floats(case: Case, name: str, expected: np.ndarray, actual: np.ndarray) -> Comparison:
    expected, actual = expected.astype(np.float64), actual.astype(np.float64)
    allowed = _allowed(case, name, expected)
    both_nan = np.isnan(expected) & np.isnan(actual)
    if case.params.get("expect_nan") is False:
        both_nan = np.zeros_like(both_nan)
    # `==` lets equal infinities pass, whose difference is NaN.
    good = (np.abs(actual - expected) <= allowed) | (actual == expected) | both_nan
    # An infinite expected value would allow anything.
    good &= np.isfinite(expected) | (actual == expected) | both_nan
    result = _report(expected, actual, bad=~good, allowed=allowed)
    step1_rtol = case.params.get("step1_rtol")
    if result.passed and step1_rtol is not None and STEP_LOSS.fullmatch(name):
        first = (0,) * min(2, expected.ndim)
        limit = STEP1_ATOL + step1_rtol * np.abs(expected[first])
        worst = np.max(np.abs(actual[first] - expected[first]) - limit)
        if worst > 0:
            text = f"the first step's value exceeds its own tolerance (rtol {step1_rtol:g})"
            return Comparison(False, result.max_abs, result.max_rel, text)
    return result


def _allowed(case: Case, name: str, expected: np.ndarray) -> np.ndarray:
    """The difference allowed for each element of a float array."""
    tolerance = case.params.get("tolerance", {}).get(name, [case.rtol, case.atol])
    if isinstance(tolerance, list):
        rtol, atol = tolerance
        return atol + rtol * np.abs(expected)
    # A sum over weights of both signs may be near 0: only their norm says what is small.
    return tolerance * (case.expected[norm_of(name)].astype(np.float64) + 1e-12)


def _report(
    expected: np.ndarray, actual: np.ndarray, bad: np.ndarray, allowed: np.ndarray | None
) -> Comparison:
    difference = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    size = np.abs(expected.astype(np.float64))
    finite = np.isfinite(difference)
    relative = difference[finite & (size > 0)] / size[finite & (size > 0)]
    max_abs = float(difference[finite].max(initial=0.0))
    max_rel = float(relative.max(initial=0.0))
    if not bad.any():
        return Comparison(True, max_abs, max_rel)
    excess = difference if allowed is None else difference - allowed
    at = np.unravel_index(
        np.argmax(np.where(bad, np.nan_to_num(excess, nan=np.inf), -np.inf)), bad.shape
    )
    message = (
        f"{int(bad.sum())} of {bad.size} values differ, worst at {_index(at)}: "
        f"{actual[at]!s}, expected {expected[at]!s}"
    )
    if allowed is not None:
        limit = np.broadcast_to(allowed, bad.shape)[at]
        message += f" (difference {difference[at]:.3g}, allowed {limit:.3g})"
    return Comparison(False, max_abs, max_rel, message)


def _index(at: tuple[Any, ...]) -> str:
    return str([int(i) for i in at])
