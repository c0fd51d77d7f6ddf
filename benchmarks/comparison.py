"""The command line that the comparisons share, and what they do with their result."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

from common.files import write_json
from common.flags import at_least_0

RESULTS = Path(__file__).with_name("results")


def build_parser(name: str, text: str, sizes: Iterable[str]) -> argparse.ArgumentParser:
    """The flags that every comparison has.

    Args:
        name: of the command.
        text: what it compares.
        sizes: that it can be run at.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--size", choices=sizes, default="quick", help="full is for a GPU; smoke takes a minute")
    add("--seeds", type=at_least_0, nargs="+", default=[1, 2, 3])
    work = Path("runs") / name
    add("--work", type=Path, default=work, help=f"data and run folders; default: {work}")
    return parser


def add_machine(
    parser: argparse.ArgumentParser, results: Path | None = None, workers: int = 0
) -> None:
    """Add the flags of comparisons that choose their device.

    Args:
        results: file that is written unless ``--out`` names another; None: the comparison says.
        workers: default of ``--num_workers``.
    """
    add = parser.add_argument
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--num_workers", type=at_least_0, default=workers, help="loader processes a stream")
    add("--out", type=Path, default=results, help="results file; default: in benchmarks/results/")


def conclude(result: dict, table: Callable[[dict], str], out: Path) -> int:
    """Write the results file and print the table; returns the exit code."""
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, result)
    print(table(result))
    print(f"results file: {out}")
    return 0
