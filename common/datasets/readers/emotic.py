"""EMOTIC: people in their context with 26 emotion categories and valence, arousal, dominance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.catalogue import DATASETS
from common.datasets.readers import matlab
from common.datasets.readers.folder import Labels, is_drawn
from common.datasets.readers.lists import drop_missing, find_lists, first_existing, read_listed

NAME = "emotic"
CATEGORIES = DATASETS[NAME].classes
ANNOTATIONS = ("Annotations/Annotations.mat", "Annotations.mat", "annotations/Annotations.mat")
IMAGES = ("emotic", "images", ".")
LABELS = Labels((CATEGORIES,))
HELP = (
    "expected Annotations/Annotations.mat and emotic/<mscoco|framesdb|emodb_small|ade20k>/…, or "
    "lists train*, test* of person crops beside images/; it is to be asked for at "
    "https://s3.sunai.uoc.edu/emotic."
)


def read(root: Path) -> Manifest:
    """Read ``Annotations.mat`` (splits train, val and test), or lists of person crops.

    A row is an image: ``labels`` has the categories of all people in it in alphabetical order,
    ``label`` the first of them; ``valence``, ``arousal`` and ``dominance`` (1..10) are means over
    its people; ``boxes`` is int64 [people, 4] as x1, y1, x2, y2. The train annotations have one
    annotator; in val and test the combined categories and values are read.

    Raises:
        UserError: neither is there, or the file is of another form.
    """
    root = Path(root)
    file = first_existing(root / place for place in ANNOTATIONS)
    if file is None:
        files = find_lists(root, len(CATEGORIES)) if root.is_dir() else {}
        if files:
            return read_listed(NAME, root, files, LABELS)
        raise UserError(f"there is no EMOTIC at {root}: {HELP}")
    base = next(root / place for place in IMAGES if (root / place).is_dir())
    tables, notes = [], []
    for split, entries in read_splits(file).items():
        rows = [_image(entry, base, file) for entry in entries]
        there, missing = drop_missing(NAME, [Path(row["path"]) for row in rows], file)
        kept = there & np.array([len(row["labels"]) > 0 for row in rows])
        tables.append(pd.DataFrame(rows)[kept].assign(split=split))
        notes += missing
        if (there & ~kept).any():
            notes.append(f"{(there & ~kept).sum()} {split} images without a category are left out")
    table = pd.concat(tables, ignore_index=True)
    table["label"] = np.array([of[0] for of in table["labels"]], np.int64)
    people = sum(map(len, table["boxes"]))
    notes.append(f"{people} people in {len(table)} images; a row is an image")
    return Manifest(NAME, Path("/"), CATEGORIES, table, is_drawn(root), notes, "official")


def read_splits(file: Path) -> dict[str, list[Any]]:
    """Split -> an object per image: ``folder``, ``filename`` and ``person``.

    Raises:
        UserError: no MATLAB file, or one without train and test.
    """
    content = matlab.read(file)
    kept = {s: content[s] for s in ("train", "val", "test") if s in content}
    splits = {s: list(held) if isinstance(held, list) else [held] for s, held in kept.items()}
    if set(splits) < {"train", "test"}:
        raise UserError(f"{file} has no variables train and test; {HELP}")
    return splits


def _image(entry: Any, base: Path, file: Path) -> dict[str, Any]:
    try:
        path = base / str(entry.folder) / str(entry.filename)
        people = [read_person(person) for person in np.atleast_1d(entry.person)]
    except (AttributeError, ValueError) as error:
        raise UserError(f"{file}: an entry is of another form ({error}); {HELP}") from None
    values = np.array([values for _, _, values in people], np.float64).reshape(-1, 3)
    complete = np.isfinite(values).all(axis=1)
    mean = values[complete].mean(axis=0) if complete.any() else np.full(3, np.nan)
    labels = sorted({label for _, found, _ in people for label in found})
    row = dict(zip(("valence", "arousal", "dominance"), mean, strict=True))
    boxes = np.array([box for box, _, _ in people], np.int64)
    return {"path": str(path.absolute()), "labels": labels, "boxes": boxes, **row}


def read_person(person: Any) -> tuple[list[int], list[int], list[float]]:
    """(box x1, y1, x2, y2; category numbers; valence, arousal, dominance) of a person.

    Raises:
        ValueError, AttributeError: the entry is of another form.
    """
    box = [round(float(x)) for x in np.atleast_1d(person.body_bbox)]
    combined = getattr(person, "combined_categories", None)
    if combined is None:
        chosen = np.atleast_1d(person.annotations_categories)
        combined = [word for of in chosen for word in np.atleast_1d(of.categories)]
    values = getattr(person, "combined_continuous", None)
    if values is None:
        values = np.atleast_1d(person.annotations_continuous)[0]
    names = [str(word) for word in np.atleast_1d(combined)]
    labels = [LABELS.of(name, CATEGORIES) for name in names if name]
    if None in labels:
        raise ValueError(f"{names[labels.index(None)]!r} is none of the 26 categories")
    numbers = [float(getattr(values, key, np.nan)) for key in ("valence", "arousal", "dominance")]
    return box, list(dict.fromkeys(labels)), numbers
