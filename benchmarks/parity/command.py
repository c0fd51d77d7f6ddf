"""``python -m benchmarks parity [DIR] [--only GLOB] [--without GLOB] [--json FILE]``."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.ground.commands import build_parser, fits
from benchmarks.parity.cases import Case, UnreadableCase, find_adapter, find_cases, load_case
from benchmarks.parity.compare import Comparison, compare_case
from common.cli import UserError
from common.files import finite, write_json
from common.flags import count

ABOUT = """Compare the project with values measured on the authors' published code.

Exit code: 0 all within tolerance, 1 a case failed, 2 unreadable or no cases."""
SHIPPED = Path(__file__).resolve().parents[2] / "tests" / "parity" / "cases"
CHUNK = 2
"""Cases that a process takes at a time."""
STATUSES = ("passed", "failed", "unsupported", "unreadable")
# A broken adapter, not a refusal of the implementation.
BREAKAGE = (ImportError, AttributeError, NameError, NotImplementedError, MemoryError)


@dataclass(frozen=True)
class Result:
    """Outcome of one case; `max_abs` and `max_rel` are None where nothing could be compared."""

    name: str
    kind: str
    status: str
    max_abs: float | None = None
    max_rel: float | None = None
    message: str = ""


def run_case(case: Case) -> Result:
    """Compute and compare one case; whatever the adapter raises becomes a failure's message."""
    try:
        function = find_adapter(case.kind)
        if function is None:
            message = f"the kind {case.kind} is not implemented"
            return Result(case.name, case.kind, "unsupported", message=message)
        actual = function(case)
    # Any exception of an adapter is a result to report; the other cases must still run.
    except (Exception, SystemExit) as error:
        comparison = _judge_exception(case, error)
    else:
        if case.must_refuse:
            comparison = Comparison(False, message="accepted, but the authors' code refuses this")
        else:
            comparison = compare_case(case, actual)
    return Result(
        case.name,
        case.kind,
        "passed" if comparison.passed else "failed",
        comparison.max_abs,
        comparison.max_rel,
        comparison.message,
    )


def run_file(path: Path, wanted: Callable[[Case], bool] = lambda case: True) -> Result | None:
    """Run the case of a file; None where it is not `wanted`."""
    try:
        case = load_case(path)
    except UnreadableCase as error:
        return Result(path.stem, "", "unreadable", message=str(error))
    return run_case(case) if wanted(case) else None


def _judge_exception(case: Case, error: BaseException) -> Comparison:
    text = f"{type(error).__name__}: {error}"
    if case.must_refuse and not isinstance(error, BREAKAGE):
        return Comparison(True)
    return Comparison(False, message=text)


def _run_wanted(path: Path, only: str | None, without: tuple[str, ...]) -> Result | None:
    return run_file(
        path,
        lambda case: _fits(case, only) and not any(_fits(case, pattern) for pattern in without),
    )


def run_folder(
    folder: Path, only: str | None = None, without: tuple[str, ...] = (), jobs: int = 1
) -> list[Result]:
    """Run the cases of a folder, printing a line for each as it is done.

    Args:
        folder: folder of ``.npz`` cases, or one case.
        jobs: processes of a thread each.
        only: shell pattern that a case's kind or name must fit. Files that cannot be read are
            reported all the same, since their kind is unknown.
        without: shell patterns of kinds or names that are left out.

    Raises:
        UserError: there is no folder, no case, or none that is left.
    """

    paths = find_cases(folder)
    width = max(len(path.stem) for path in paths)
    started = time.monotonic()
    print(
        f"{'case':<{width}}  {'kind':<32}{'status':<12}{'max_abs':>10}{'max_rel':>10}", flush=True
    )
    results = []
    for result in _each(partial(_run_wanted, only=only, without=without), paths, jobs):
        if result is None:
            continue
        results.append(result)
        numbers = f"{_number(result.max_abs):>10}{_number(result.max_rel):>10}"
        line = f"{result.name:<{width}}  {result.kind:<32}{result.status:<12}{numbers}"
        print(line.rstrip(), flush=True)
        if result.status in ("failed", "unreadable"):
            print(f"    {result.message}", flush=True)
    if not results:
        left_out = f" and none of {', '.join(without)}" if without else ""
        raise UserError(f"No case in {folder} fits --only '{only or '*'}'{left_out}.")
    print(f"{len(results)} cases in {time.monotonic() - started:.0f} s, {jobs} at a time")
    return results


def _each(run: Callable[[Path], Result | None], paths: list[Path], jobs: int):
    """The results in order, each as soon as it and those before it are there."""
    if jobs == 1 or len(paths) == 1:
        yield from map(run, paths)
        return
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    one_thread = {"initializer": torch.set_num_threads, "initargs": (1,)}
    with ProcessPoolExecutor(min(jobs, len(paths)), mp_context=context, **one_thread) as pool:
        yield from pool.map(run, paths, chunksize=CHUNK)


def _fits(case: Case, pattern: str | None) -> bool:
    return fits(case.kind, pattern) or fits(case.name, pattern)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"


def summary(results: list[Result]) -> dict[str, Any]:
    """What ``--json`` writes: a count per status and all cases; plain, valid JSON values."""
    counts = Counter(result.status for result in results)
    return {status: counts[status] for status in STATUSES} | {
        "cases": [finite(vars(result)) for result in results]
    }


def main(argv: list[str]) -> int:
    """Run the command.

    Returns:
        1 if a case failed, else 2 if one could not be read, else 0; unsupported kinds are listed
        and do not count as failures.

    Raises:
        UserError: nothing to run, or the JSON file cannot be written.
    """
    parser = build_parser("parity", ABOUT)
    parser.add_argument(
        "dir", nargs="?", type=Path, default=SHIPPED, metavar="DIR", help="folder of *.npz cases"
    )
    parser.add_argument("--only", metavar="GLOB", help="kinds or case names, e.g. 'package/*'")
    parser.add_argument(
        "--without", metavar="GLOB", action="append", default=[], help="leave these out; repeatable"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results there")
    cores = min(4, os.cpu_count() or 1)
    parser.add_argument(
        "--jobs", type=count, default=cores, help=f"cases at a time (default: {cores})"
    )
    args = parser.parse_args(argv)
    results = run_folder(args.dir, args.only, tuple(args.without), args.jobs)
    report = summary(results)
    if args.json:
        try:
            write_json(args.json, report)
        except OSError as error:
            raise UserError(f"--json {args.json} cannot be written: {error.strerror}.") from None
    missing = Counter(result.kind for result in results if result.status == "unsupported")
    if missing:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in sorted(missing.items()))
        print(f"\nKinds not implemented, with their cases: {kinds}")
    print("\n" + ", ".join(f"{report[status]} {status}" for status in STATUSES))
    if report["failed"]:
        return 1
    return 2 if report["unreadable"] else 0
