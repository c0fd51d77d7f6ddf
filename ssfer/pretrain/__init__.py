"""Masked-autoencoder pre-training on faces without labels."""
