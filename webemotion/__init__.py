"""Learning Visual Emotion Representations from Web Data (CVPR 2020)."""
