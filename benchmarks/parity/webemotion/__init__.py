"""Adapters of the webemotion kinds: arrays in, the code that training runs, arrays out."""

from benchmarks.parity.webemotion import lists, models, steps, text, training, zero_shot

__all__ = ["lists", "models", "steps", "text", "training", "zero_shot"]
