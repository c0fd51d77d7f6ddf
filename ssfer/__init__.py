"""Bridging the Gaps: masked-autoencoder faces, FaceMix, EMA teacher (2024)."""
