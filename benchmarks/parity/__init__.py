"""Parity: the project's own functions against values measured on the authors' published code."""

from benchmarks.parity.command import main

__all__ = ["main"]
