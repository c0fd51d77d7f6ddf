"""Adapters of the ssfer kinds."""

from benchmarks.parity.ssfer import fine_tuning, pretraining, stages

__all__ = ["fine_tuning", "pretraining", "stages"]
