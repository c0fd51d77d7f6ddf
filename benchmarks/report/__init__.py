"""The evidence and a set of runs as one page, as HTML, Markdown, JUnit XML and JSON."""

from benchmarks.report.command import main, write_report

__all__ = ["main", "write_report"]
