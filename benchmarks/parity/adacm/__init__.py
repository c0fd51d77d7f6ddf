"""Adapters of the adacm kinds: arrays in, the code that training runs, arrays out."""

from benchmarks.parity.adacm import adapters, command, training

__all__ = ["adapters", "command", "training"]
