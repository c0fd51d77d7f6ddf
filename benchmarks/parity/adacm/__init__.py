"""Adapters of the adacm kinds: arrays in, the code that training runs, arrays out."""

from benchmarks.parity.adacm import adapters, training

__all__ = ["adapters", "training"]
