"""A dataset as one table: an image's path, label and split per row, plus the class names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError


class Kind(Enum):
    """What a note is about."""

    OTHER = "other"
    MISSING = "listed images that are not there"
    COUNTS = "counts other than published"
    REPEATED = "images that stand in the dataset twice"
    EMPTY = "a class without images"


class Note(str):
    """A sentence about the data, with its kind."""

    kind: Kind

    def __new__(cls, text: str, kind: Kind = Kind.OTHER):
        note = super().__new__(cls, text)
        note.kind = kind
        return note


@dataclass
class Manifest:
    """What a reader makes of a download.

    Attributes:
        name: the dataset's name as given on the command line.
        root: folder the paths in `table` are relative to.
        classes: class names; a label is an index into them.
        table: columns ``path`` (str), ``label`` (int64), ``split`` (str) and whatever targets the
            dataset has (``dist``, ``valence``, ``arousal``, ``tags``).
        drawn: True when the images are drawn stand-ins; every report says so.
        notes: sentences about the data that a run's log should repeat, each a text or a
            :class:`Note`.
        form: which of the forms the dataset is handed around in was found, e.g. ``official``.
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    table: pd.DataFrame
    drawn: bool = False
    notes: list[str] = field(default_factory=list)
    form: str = ""

    def __post_init__(self):
        missing = {"path", "label", "split"} - set(self.table.columns)
        if missing:
            raise ValueError(f"manifest of {self.name} lacks the column(s) {sorted(missing)}")
        outside = ~self.table["label"].between(0, len(self.classes) - 1)
        if outside.any():
            row = self.table[outside].iloc[0]
            raise UserError(
                f"{self.name}: {row['path']} has label {row['label']}, but there are "
                f"{len(self.classes)} classes (0 to {len(self.classes) - 1})."
            )
        twice = self.table["path"].duplicated()
        if twice.any():
            raise UserError(
                f"{self.name}: {self.table[twice]['path'].iloc[0]} is listed twice; "
                "an image may stand in one split only."
            )

    def fingerprint(self) -> str:
        """SHA-256 over every image's class folder, file name and label, in order."""
        rows = zip(self.table["path"], self.labels, strict=True)
        text = "\n".join(f"{Path(p).parent.name}/{Path(p).name} {label}" for p, label in rows)
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()

    def split(self, name: str) -> Manifest:
        """The rows of one split, in the table's order, with a fresh index."""
        rows = self.table[self.table["split"] == name].reset_index(drop=True)
        return replace(self, table=rows, notes=list(self.notes))

    def take(self, index: np.ndarray) -> Manifest:
        """The rows at positions `index` (int64 [n]), in that order."""
        rows = self.table.iloc[np.asarray(index, dtype=np.int64)].reset_index(drop=True)
        return replace(self, table=rows, notes=list(self.notes))

    @property
    def labels(self) -> np.ndarray:
        """int64 [n]."""
        return self.table["label"].to_numpy(np.int64)

    def counts(self) -> dict[str, int]:
        """Images per class name, classes without images included."""
        number = np.bincount(self.labels, minlength=len(self.classes))
        return {name: int(n) for name, n in zip(self.classes, number, strict=True)}

    def __len__(self) -> int:
        return len(self.table)
