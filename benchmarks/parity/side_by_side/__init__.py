"""A clone of the authors' repository and this project, the same command on the same images."""

from benchmarks.parity.side_by_side.command import main

__all__ = ["main"]
