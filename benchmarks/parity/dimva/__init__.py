"""Adapters of the dimva kinds: arrays in, the code that training runs, arrays out."""

from benchmarks.parity.dimva import pieces, training

__all__ = ["pieces", "training"]
