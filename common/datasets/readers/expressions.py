"""What readers of facial-expression datasets share: class names, class folders, missing images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.readers.folder import images_below, is_drawn

SYNONYMS = {
    "angry": "anger",
    "contemptuous": "contempt",
    "disgusted": "disgust",
    "afraid": "fear",
    "fearful": "fear",
    "happy": "happiness",
    "joy": "happiness",
    "neutrality": "neutral",
    "sad": "sadness",
    "surprised": "surprise",
}
TOLERATED = 0.01  # share of missing images above which a dataset is refused
MISSING = "are missing, e.g."  # what a note on missing images can be told by


def expression(name: str) -> str:
    """The noun the project uses for an expression, e.g. ``happiness`` for ``Happy``."""
    plain = name.strip().lower()
    return SYNONYMS.get(plain, plain)


def read_class_folders(
    name: str, splits: dict[str, Path], classes: Sequence[str], left_out: Sequence[str] = ()
) -> Manifest:
    """Read ``<folder>/<class>/**/<image>``; classes are names or numbers from 0 or from 1.

    Args:
        name: dataset name.
        splits: split -> folder; one that only holds the class folders' parent is looked into.
        classes: class names in label order.
        left_out: further classes, numbered after `classes`, whose images are not read.

    Raises:
        UserError: missing folders, folders that are no class, a class without folder, no images.
    """
    rows: list[tuple[str, int, str]] = []
    for split, folder in splits.items():
        labels = _labels_of_folders(name, split, folder, (*classes, *left_out))
        before = len(rows)
        for path, label in labels.items():
            if label < len(classes):
                rows += [(str(image.absolute()), label, split) for image in images_below(path)]
        if len(rows) == before:
            raise UserError(f"{folder} has class folders but no image in them; copy {name} again.")
        if split == "train" and (lacking := set(range(len(classes))) - set(labels.values())):
            raise UserError(
                f"{folder} has no folder for the class {classes[min(lacking)]} of {name}; expected "
                f"{', '.join(classes)}."
            )
    table = pd.DataFrame(rows, columns=["path", "label", "split"])
    drawn = any(is_drawn(folder) for folder in splits.values())
    return Manifest(name, Path("/"), tuple(classes), table, drawn, form="folders")


def _labels_of_folders(
    name: str, split: str, folder: Path, classes: Sequence[str]
) -> dict[Path, int]:
    if not folder.is_dir():
        raise UserError(f"no {split} images of {name}: there is no folder {folder}.")
    found = _folders(folder)
    if len(found) == 1 and _label(found[0].name, classes, 0) is None:
        found = _folders(found[0]) or found  # e.g. Train/Train_Aligned_Faces/<class>
    numbers = [int(f.name) for f in found if f.name.isdigit()]
    first = 0 if 0 in numbers else 1
    labels = {f: _label(f.name, classes, first) for f in found}
    if not labels:
        raise UserError(
            f"the {split} folder {folder} has no class folders; expected {', '.join(classes)}."
        )
    for path, label in labels.items():
        if label is None:
            raise UserError(
                f"{path} is no class of {name}; expected folders called {', '.join(classes)}, or "
                "their numbers."
            )
    if len(set(labels.values())) < len(labels):
        raise UserError(f"{folder} has two folders for one class of {name}; merge them.")
    return labels


def _label(text: str, classes: Sequence[str], first: int) -> int | None:
    if text.isdigit():
        label = int(text) - first
        return label if 0 <= label < len(classes) else None
    noun = expression(text)
    return list(classes).index(noun) if noun in classes else None


def _folders(folder: Path) -> list[Path]:
    return sorted(
        Path(e.path) for e in os.scandir(folder) if e.is_dir() and not e.name.startswith(".")
    )


def first_existing(places: Sequence[Path]) -> Path | None:
    """The first path that exists, or None."""
    return next((place for place in places if place.exists()), None)


def drop_missing(name: str, paths: Sequence[Path], source: Path) -> tuple[np.ndarray, list[str]]:
    """Which listed images are there.

    Args:
        name: dataset name.
        paths: of all listed images.
        source: the list, for messages.

    Returns:
        (bool [n], notes to add to the manifest).

    Raises:
        UserError: more than 1% are missing.
    """
    there = np.array([path.is_file() for path in paths], dtype=bool)
    if there.all():
        return there, []
    first = paths[int(np.flatnonzero(~there)[0])]
    told = f"{(~there).sum()} of the {len(there)} images in {source} {MISSING} {first}"
    if (~there).mean() > TOLERATED:
        raise UserError(f"{told}; copy {name} again or give the folder its images are in.")
    return there, [f"{told}; they are left out"]


def differing_counts(manifest: Manifest, published: dict[str, Sequence[int]]) -> list[str]:
    """Sentences that say where the images a class differ from the published numbers.

    Args:
        manifest: a whole dataset.
        published: split -> images per class.
    """
    notes = []
    for split, expected in published.items():
        found = np.bincount(manifest.split(split).labels, minlength=len(manifest.classes))
        differing = [
            f"{name} {have} instead of {want}"
            for name, have, want in zip(manifest.classes, found, expected, strict=True)
            if have != want
        ]
        if differing:
            notes.append(
                f"{manifest.name}: {found.sum()} {split} images, published are {sum(expected)} "
                f"({', '.join(differing)})"
            )
    return notes
