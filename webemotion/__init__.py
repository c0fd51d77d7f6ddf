"""Learning Visual Emotion Representations from Web Data (CVPR 2020)."""

TWIN = "webtags"
"""The stand-in that ``python -m common.data twin webemotion`` draws."""
