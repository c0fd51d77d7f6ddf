"""Readers: one file per dataset family, a download in, a checked manifest out.

:func:`reader` gives the row of the catalogue, which reads a folder when it is called.
"""

from common.datasets.catalogue import canonical, reader

__all__ = ["canonical", "reader"]
