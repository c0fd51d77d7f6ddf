"""Every drawn file that the configurations of web-tag pre-training and its transfer name.

One folder per dataset, as their own stand-ins draw it: the tagged web images at the top,
``Deepemotion``, ``UnBiasedEmo``, ``Deepsentiment``, ``Advertisement``, ``SE30K8`` and ``EMOTIC``.
"""

from __future__ import annotations

from pathlib import Path

from common.datasets.catalogue import STANDINS
from common.datasets.standins import tagged

VERSION = 1
SIDE = tagged.SIDE
PARTS = {
    "Deepemotion": "deepemotion",
    "UnBiasedEmo": "unbiasedemo",
    "Deepsentiment": "deepsentiment",
    "Advertisement": "advertisement",
    "SE30K8": "se30k8",
    "EMOTIC": "emotic",
}
"""Folder -> stand-in."""


def write(folder: Path, scale: float, seed: int, size: int) -> dict[str, dict[str, int]]:
    """Write all parts into an existing empty folder; returns images per split and dataset."""
    counts: dict[str, dict[str, int]] = {}

    def note(name: str, of_part: dict[str, dict[str, int]]) -> None:
        for split, of_split in of_part.items():
            counts.setdefault(split, {})[name] = sum(of_split.values())

    note("StockEmotion", tagged.write(folder, scale, seed, size))
    for name, part in PARTS.items():
        (folder / name).mkdir()
        note(name, STANDINS[part].write(folder / name, scale, seed, size))
    return counts
