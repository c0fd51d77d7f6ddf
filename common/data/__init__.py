"""Datasets: readers, splits, views, loaders and drawn stand-ins."""
