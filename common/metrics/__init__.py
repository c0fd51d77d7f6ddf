"""Metrics, each with its definition stated and checked against a second implementation."""
