"""Readers: one file per dataset family, an official download in, one Manifest out."""
