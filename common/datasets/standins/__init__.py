"""Drawn stand-ins, one module per dataset."""
