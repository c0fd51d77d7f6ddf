"""Dimensional image emotion detection: valence and arousal from categories, in two stages."""

TWIN = "va"
"""The drawn stand-in of this package's data (``python -m common.datasets twin``)."""
