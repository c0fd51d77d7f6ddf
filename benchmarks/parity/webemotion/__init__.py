"""Adapters of the webemotion kinds: arrays in, the code that training runs, arrays out."""

from benchmarks.parity.webemotion import command, lists, models, steps, text, training, zero_shot

__all__ = ["command", "lists", "models", "steps", "text", "training", "zero_shot"]
