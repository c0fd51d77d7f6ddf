"""Learning Visual Emotion Representations from Web Data (CVPR 2020)."""

TWIN = "webtags"
"""The stand-in that ``python -m common.datasets twin webemotion`` draws."""
