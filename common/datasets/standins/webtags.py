"""Every drawn file that the configurations of web-tag pre-training and its transfer name.

One folder per dataset, as their own stand-ins draw it: the tagged web images at the top,
``Deepemotion``, ``UnBiasedEmo``, ``Deepsentiment``, ``Advertisement``, ``SE30K8`` and ``EMOTIC``.
"""

from __future__ import annotations

from pathlib import Path

from common.datasets.standins import listed, people_in_context, tagged

VERSION = 1
SIDE = tagged.SIDE
PARTS = {
    "Deepemotion": listed.DEEPEMOTION.write,
    "UnBiasedEmo": listed.UNBIASEDEMO.write,
    "Deepsentiment": listed.write_deepsentiment,
    "Advertisement": listed.write_advertisement,
    "SE30K8": listed.write_se30k8,
    "EMOTIC": people_in_context.write,
}


def write(folder: Path, scale: float, seed: int, size: int) -> dict[str, dict[str, int]]:
    """Write all parts into an existing empty folder; returns images per split and dataset."""
    counts: dict[str, dict[str, int]] = {}

    def note(name: str, of_part: dict[str, dict[str, int]]) -> None:
        for split, of_split in of_part.items():
            counts.setdefault(split, {})[name] = sum(of_split.values())

    note("StockEmotion", tagged.write(folder, scale, seed, size))
    for name, part in PARTS.items():
        (folder / name).mkdir()
        note(name, part(folder / name, scale, seed, size))
    return counts
