"""``python -m benchmarks.baselines METHOD [flags]``: train a baseline.

The flags are those of ``python s2ver/main.py``, so that two runs differ in the method alone.
"""

from __future__ import annotations

import argparse

from benchmarks.baselines.supervised import Supervised
from common.cli import entry_point
from s2ver.main import Entry, train

METHODS = {"supervised": lambda model, args, images: Supervised(model)}


def _run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.baselines",
        description="Train a baseline. All other flags are those of python s2ver/main.py.",
    )
    parser.add_argument("method", choices=METHODS)
    name = parser.parse_args(argv[:1]).method
    return train(argv[1:], Entry(name, f"python -m benchmarks.baselines {name}", METHODS[name]))


def main(argv: list[str] | None = None) -> int:
    """Train a baseline; returns the exit code."""
    return entry_point(_run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
