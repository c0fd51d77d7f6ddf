"""Dimensional image emotion detection: valence and arousal from categories, in two stages."""
