"""Drawn faces as image folders: expressions by class, and faces without a label.

The faces are those of :mod:`common.datasets.standins.rafdb`; contempt, which that dataset does
not have, is a slight pull of the lips' corners (Ekman and Friesen's prototype is one-sided, which
the drawings are not).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tqdm import tqdm

from common.datasets.catalogue import LABEL_SETS
from common.datasets.standins import rafdb
from common.datasets.standins.faces import draw_face

VERSION = 1
"""Raised by any change that changes a byte of an image."""
SIDE = 100

EXPRESSIONS = {
    **rafdb.EXPRESSIONS,
    "contempt": {"corner_pull": 0.4, "lip_tighten": 0.5, "lid_droop": 0.2, "lid_tighten": 0.2},
}
NUMBERED = LABEL_SETS["affectnet8"].classes
"""What the class folders 0 to 7 stand for."""
UNLABELLED = 100_000
"""Faces without a label at scale 1."""

# Folder -> (expression, images per split at scale 1).
Layout = dict[str, tuple[str, dict[str, int]]]


def rafdb_layout() -> Layout:
    """RAF-DB's classes, as uneven as published."""
    return {
        name.capitalize(): (name, {s: of[name] for s, of in rafdb.FULL_COUNTS.items()})
        for name in sorted(rafdb.CLASSES)
    }


def even_layout(classes: int, train: int, test: int) -> Layout:
    """Folders 0, 1, … with as many images each."""
    return {str(i): (NUMBERED[i], {"train": train, "test": test}) for i in range(classes)}


def write_rafdb(folder: Path, scale: float, seed: int, size: int) -> dict[str, dict[str, int]]:
    """See :func:`write`."""
    return write(rafdb_layout(), folder, scale, seed, size)


def write_even(
    folder: Path, scale: float, seed: int, size: int, classes: int, train: int, test: int
) -> dict[str, dict[str, int]]:
    """See :func:`write`."""
    return write(even_layout(classes, train, test), folder, scale, seed, size)


def write(layout: Layout, folder: Path, scale: float, seed: int, size: int = SIDE):
    """Write ``<split>/<class>/<number>.jpg`` into an empty folder.

    Image k of a class depends on (seed, split, expression, k) and `size` only.

    Returns:
        Images per split and class.
    """
    counts = {
        split: {
            name: max(rafdb.LEAST[split], round(of_split[split] * scale))
            for name, (_, of_split) in layout.items()
        }
        for split in ("train", "test")
    }
    jobs = [
        (split, name, k)
        for split, of_split in counts.items()
        for name, number in of_split.items()
        for k in range(number)
    ]
    expressions = list(EXPRESSIONS)
    for split, name, k in tqdm(jobs, desc="drawing faces", unit="image", disable=None):
        place = folder / split / name
        place.mkdir(parents=True, exist_ok=True)
        number = expressions.index(layout[name][0])
        key = np.random.SeedSequence([seed, split == "test", number, k])
        _draw(number, np.random.default_rng(key), size, place / f"{k:06d}.jpg")
    return counts


def write_unlabelled(folder: Path, scale: float, seed: int, size: int = SIDE):
    """Write ``train_all/faces/<number>.jpg``: expressions as frequent as RAF-DB's, no labels.

    No face is one of :func:`write`'s with the same seed.

    Returns:
        Images, under the one folder.
    """
    number = max(sum(rafdb.LEAST.values()), round(UNLABELLED * scale))
    shares = np.array(list(rafdb.FULL_COUNTS["train"].values()), dtype=np.float64)
    place = folder / "train_all" / "faces"
    place.mkdir(parents=True)
    expressions = [list(EXPRESSIONS).index(name) for name in rafdb.CLASSES]
    for k in tqdm(range(number), desc="drawing faces", unit="image", disable=None):
        rng = np.random.default_rng(np.random.SeedSequence([seed, 2, len(EXPRESSIONS), k]))
        expression = int(rng.choice(expressions, p=shares / shares.sum()))
        _draw(expression, rng, size, place / f"{k:06d}.jpg")
    return {"train_all": {"faces": number}}


def _draw(expression: int, rng: np.random.Generator, size: int, path: Path) -> None:
    means = list(EXPRESSIONS.values())[expression]
    draw_face(rafdb.express(means, rng), rng, size).save(path, **rafdb.JPEG)
