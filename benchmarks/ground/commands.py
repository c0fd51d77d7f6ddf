"""What the commands of this package share: their frame, their parser, words for other commands."""

from __future__ import annotations

import argparse
import fnmatch
from typing import Any

from common.cli import command

__all__ = ["build_parser", "command", "fits", "words"]


def build_parser(name: str, text: str | None) -> argparse.ArgumentParser:
    """The parser of ``python -m benchmarks <name>`` without flags; `text` is shown as it is."""
    return argparse.ArgumentParser(
        prog=f"python -m benchmarks {name}",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def fits(name: str, pattern: str | None) -> bool:
    """Whether a name fits a shell pattern; without one every name does."""
    return not pattern or fnmatch.fnmatchcase(name, pattern)


def words(template: str, **values: Any) -> list[str]:
    """The words of a command line; ``{name}`` in a word stands for a value, spaces and all."""
    return [word.format(**values) for word in template.split()]
