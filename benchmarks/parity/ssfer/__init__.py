"""Adapters of the ssfer kinds."""

from benchmarks.parity.ssfer import command, fine_tuning, pretraining, stages

__all__ = ["command", "fine_tuning", "pretraining", "stages"]
