"""Trees of class folders with the class names known or unknown, with or without a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.readers.folder import images_below, is_drawn
from common.datasets.readers.own_split import with_own_split

SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
INNER = ("", "images", "image", "data")
"""Folders, below the one given, that the class folders or split folders may be in."""


@dataclass(frozen=True)
class Labels:
    """What the folders of a dataset may be called.

    Attributes:
        choices: class names in label order; taken is the first tuple that the folders show all of,
            else the first that has all folders. Empty: every folder is a class, in alphabetical
            order.
        synonyms: other spelling -> class name, lower case.
        left_out: folders that hold images of no class.
    """

    choices: Sequence[tuple[str, ...]] = ()
    synonyms: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def of(self, text: str, classes: Sequence[str]) -> int | None:
        """The label of a folder or word, a number from 0 included; None: no class."""
        if text in classes:
            return list(classes).index(text)
        plain = text.strip().lower()
        if plain.isdigit():
            return int(plain) if int(plain) < len(classes) else None
        plain = self.synonyms.get(plain, plain)
        lowered = [name.lower() for name in classes]
        return lowered.index(plain) if plain in lowered else None

    def fitting(self, names: Sequence[str]) -> tuple[str, ...] | None:
        """The class names that all of `names` are among, or None."""
        used = [n for n in names if n.lower() not in self.left_out]
        if not self.choices:
            return tuple(sorted(used)) or None
        # Numbers say nothing of the classes but how many there are.
        numbered = all(n.isdigit() for n in used)
        found = [(c, {self.of(n, c) for n in used}) for c in self.choices]
        complete = [c for c, labels in found if None not in labels and len(labels) == len(c)]
        partial = [c for c, labels in found if None not in labels and not numbered]
        return next(iter([*complete, *partial]), None)


def split_folders(root: Path) -> dict[str, Path]:
    """The folders of `root` that are called as a split is, split -> folder."""
    found: dict[str, Path] = {}
    for folder in folders(root):
        for split, names in SPLITS.items():
            if folder.name.lower() in names:
                found.setdefault(split, folder)
    return {split: found[split] for split in SPLITS if split in found}


def has_class_folders(root: Path) -> bool:
    """Whether `root` has a folder for training and one for test, with folders in them."""
    splits = split_folders(root)
    return "train" in splits and len(splits) > 1 and all(folders(f) for f in splits.values())


def folders(root: Path) -> list[Path]:
    """Sub-folders in alphabetical order, hidden ones left out."""
    if not root.is_dir():
        return []
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def read_tree(name: str, root: Path, labels: Labels = Labels(), hint: str = "") -> Manifest:
    """Read ``[images/]<split>/<class>/**/<image>`` or ``[images/]<class>/**/<image>``.

    Args:
        name: dataset name.
        root: its folder.
        labels: what the class folders may be called.
        hint: a sentence on what is expected, for messages.

    Returns:
        ``form`` is ``folders``, or ``one folder`` where there is no split and a fixed one is made.
        Validation images are the test split where there is no other.

    Raises:
        UserError: no such folders, a folder that is no class, splits of other classes, no images.
    """
    root = Path(root)
    if not root.is_dir():
        raise UserError(f"there is no {name} at {root}: {hint}")
    for base in (root / inner for inner in INNER):
        splits = split_folders(base)
        if "train" in splits and len(splits) > 1:
            return of_splits(name, root, splits, labels, hint)
    for base in (root / inner for inner in INNER):
        inside = [f for f in folders(base) if f.name.lower() not in INNER]
        if len(inside) > 1 and labels.fitting([f.name for f in inside]):
            return _of_one(name, root, base, labels, hint)
    seen = ", ".join(f.name for f in folders(root)[:8]) or "no folders"
    raise UserError(f"{root} holds no {name} ({seen} are there): {hint}")


def of_splits(
    name: str, root: Path, splits: dict[str, Path], labels: Labels, hint: str
) -> Manifest:
    """Read a folder of class folders for every split; see :func:`read_tree`."""
    notes = []
    if "test" not in splits:
        splits = {"train": splits["train"], "test": splits["val"]}
        notes.append(f"{name} came without a test split: its validation images are used as one")
    classes = None
    tables = []
    for split, folder in splits.items():
        table, found = _rows(name, folder, labels, classes, hint)
        classes = classes or found
        tables.append(table.assign(split=split))
    table = pd.concat(tables, ignore_index=True)
    drawn = is_drawn(root) or any(map(is_drawn, splits.values()))
    return Manifest(name, Path("/"), classes, table, drawn, notes, "folders")


def _of_one(name: str, root: Path, base: Path, labels: Labels, hint: str) -> Manifest:
    table, classes = _rows(name, base, labels, None, hint)
    table, note = with_own_split(table, name)
    return Manifest(name, Path("/"), classes, table, is_drawn(root), [note], "one folder")


def _rows(
    name: str, folder: Path, labels: Labels, classes: tuple[str, ...] | None, hint: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Columns ``path`` and ``label`` of a folder of class folders, and the class names."""
    inside = [f for f in folders(folder) if f.name.lower() not in labels.left_out]
    if not inside:
        raise UserError(f"{folder} has no class folders; {hint}")
    names = [f.name for f in inside]
    classes = classes or labels.fitting(names)
    if classes is None:
        known = " or ".join(", ".join(c[:8]) for c in labels.choices)
        odd = next((n for n in names if all(labels.of(n, c) is None for c in labels.choices)), "")
        raise UserError(f"{folder / odd} is no class of {name}; expected folders called {known}.")
    rows: list[tuple[str, int]] = []
    for path in inside:
        label = labels.of(path.name, classes)
        if label is None:
            raise UserError(
                f"{path} is no class of {name}; expected folders called {', '.join(classes[:8])}."
            )
        rows += [(str(image.absolute()), label) for image in images_below(path)]
    if not rows:
        raise UserError(f"{folder} has class folders but no image in them; copy {name} again.")
    table = pd.DataFrame(rows, columns=["path", "label"]).astype({"label": np.int64})
    return table, classes
