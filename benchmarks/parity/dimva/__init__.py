"""Adapters of the dimva kinds: arrays in, the code that training runs, arrays out."""

from benchmarks.parity.dimva import adapters, command, training

__all__ = ["adapters", "command", "training"]
