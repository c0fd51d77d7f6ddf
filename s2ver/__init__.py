"""S2-VER: Semi-Supervised Visual Emotion Recognition (Jia and Yang, ECCV 2022)."""
