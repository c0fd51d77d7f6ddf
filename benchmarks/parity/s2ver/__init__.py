"""Adapters of the s2ver kinds: arrays in, the code that training runs, arrays out."""

from benchmarks.parity.s2ver import adapters, command, training

__all__ = ["adapters", "command", "training"]
