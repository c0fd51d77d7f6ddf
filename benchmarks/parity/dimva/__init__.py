"""Adapters of the dimva kinds: arrays in, the code that training runs, arrays out."""

from benchmarks.parity.dimva import adapters, training

__all__ = ["adapters", "training"]
