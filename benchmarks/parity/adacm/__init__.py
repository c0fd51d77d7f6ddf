"""Adapters of the adacm kinds: arrays in, the code that training runs, arrays out."""

from benchmarks.parity.adacm import pieces, training

__all__ = ["pieces", "training"]
