"""One page about a set of runs, as HTML and as Markdown."""

from benchmarks.report.command import main

__all__ = ["main"]
