"""Class folders: one sub-folder a class, a folder a split, the class names known or not."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.images import printable
from common.data.manifest import Kind, Manifest, Note
from common.datasets import catalogue
from common.datasets.readers.own_split import with_own_split

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
DRAWN_MARK = "DRAWN.json"
DRAWN_PREFIX = "drawn_"
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

    @classmethod
    def of_dataset(cls, name: str) -> Labels:
        """Those that the catalogue gives a dataset."""
        row = catalogue.DATASETS[name]
        other = catalogue.LABEL_SETS[row.other_labels].classes if row.other_labels else ()
        return cls(tuple(c for c in (row.classes, other) if c), row.spellings)

    def of(self, text: str, classes: Sequence[str], first: int = 0) -> int | None:
        """The label of a folder or word, or of a number counted from `first`; None: no class."""
        if text in classes:
            return list(classes).index(text)
        plain = text.strip().lower()
        if plain.isdecimal():
            label = int(plain) - first
            return label if 0 <= label < len(classes) else None
        plain = self.synonyms.get(plain, plain)
        lowered = [name.lower() for name in classes]
        return lowered.index(plain) if plain in lowered else None

    def fitting(self, names: Sequence[str]) -> tuple[str, ...] | None:
        """The class names that all of `names` are among, or None."""
        used = [n for n in names if n.lower() not in self.left_out]
        if not self.choices:
            return tuple(sorted(used)) or None
        # Numbers say nothing of the classes but how many there are.
        numbered = all(n.isdecimal() for n in used)
        tried = [(c, {self.of(n, c) for n in used}) for c in self.choices]
        complete = [c for c, labels in tried if None not in labels and len(labels) == len(c)]
        partial = [c for c, labels in tried if None not in labels and not numbered]
        return next(iter([*complete, *partial]), None)


# --- what every form has in common ----------------------------------------------------------------


def folders(root: Path) -> list[Path]:
    """Sub-folders in alphabetical order, hidden ones left out."""
    if not root.is_dir():
        return []
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def images_below(folder: Path) -> list[Path]:
    """Every image file in a folder and its sub-folders, in the order of torchvision's ImageFolder.

    Folders are sorted by path and a folder's own files come before those of its sub-folders; names
    are sorted as text. Links are followed, a folder that holds itself once. macOS's ``._`` files
    are passed over.

    Raises:
        UserError: a name is no UTF-8 text, which no table could hold.
    """
    paths = [
        Path(place) / file
        for place, files in sorted(_walk(folder))
        for file in sorted(files)
        if file.lower().endswith(EXTENSIONS) and not file.startswith("._")
    ]
    try:
        "".join(map(str, paths)).encode()
    except UnicodeEncodeError:
        odd = next(p for p in paths if printable(p) != str(p))
        raise UserError(
            f"the name of {printable(odd)} is no UTF-8 text; rename the file."
        ) from None
    return paths


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Folders with their files; below a folder none that it lies in itself."""
    above = {str(folder): {os.path.realpath(folder)}}
    for place, inner, files in os.walk(folder, followlinks=True):
        yield place, files
        seen = above.pop(place)
        real = {name: os.path.realpath(os.path.join(place, name)) for name in inner}
        inner[:] = [name for name in inner if real[name] not in seen]
        above |= {os.path.join(place, name): seen | {real[name]} for name in inner}


def is_drawn(folder: Path) -> bool:
    """True when a folder, or the one above it, is marked as a drawn stand-in."""
    folder = Path(folder).absolute()
    return any((place / DRAWN_MARK).is_file() for place in (folder, folder.parent))


Row = tuple[str, int, str]
"""Path, label, split."""


def _rows(split: str, folder: Path, labels: Mapping[Path, int], hint: str) -> list[Row]:
    """A row for every image of the class folders of a split."""
    rows = [
        (str(image.absolute()), label, split)
        for path, label in labels.items()
        for image in images_below(path)
    ]
    if not rows:
        raise UserError(f"{folder} has class folders but no image in them; {hint}")
    return rows


def _manifest(
    name: str, places: Iterable[Path], classes: Sequence[str], rows: list[Row], notes: list[str]
) -> Manifest:
    table = pd.DataFrame(rows, columns=["path", "label", "split"]).astype({"label": np.int64})
    drawn = any(map(is_drawn, places))
    return Manifest(name, Path("/"), tuple(classes), table, drawn, notes, "folders")


def _class_folders(name: str, split: str, folder: Path, expected: str, hint: str) -> list[Path]:
    if not folder.is_dir():
        raise UserError(f"no {split} images of {name}: there is no folder {folder}{hint}")
    inside = folders(folder)
    if not inside:
        raise UserError(f"the {split} folder {folder} has no class folders; {expected}")
    return inside


# --- classes that nobody knows beforehand ---------------------------------------------------------


def read_folders(
    name: str, splits: dict[str, Path], num_classes: int | None = None, hint: str | None = None
) -> Manifest:
    """Read ``<folder>/<class>/**/<image>`` for every split.

    Classes are the sub-folders of the first split in alphabetical order, images are in the order of
    :func:`images_below`, and every split must have the same classes.

    Args:
        name: dataset name, for messages and the manifest.
        splits: split name -> its folder, e.g. ``{"train": …, "test": …}``.
        num_classes: class count that is expected; None accepts any.
        hint: what a user should do where images are missing; None: what the catalogue says.

    Raises:
        UserError: a folder is missing or empty, splits disagree, or the class count is another.
    """
    classes: tuple[str, ...] = ()
    rows: list[Row] = []
    notes: list[str] = []
    for split, folder in splits.items():
        todo = hint or _help(name, folder)
        inside = _class_folders(name, split, folder, todo, f"; {todo}")
        present = tuple(path.name for path in inside)
        classes = classes or present
        if not rows and num_classes is not None and len(classes) != num_classes:
            raise UserError(
                f"{folder} has {len(classes)} class folders ({_some(classes)}), but "
                f"--num_classes is {num_classes}; give -nc {len(classes)} or another folder."
            )
        if present != classes:
            raise UserError(
                f"{folder} has the classes {_some(present)}, but the {next(iter(splits))} images "
                f"have {_some(classes)}; both need the same class folders."
            )
        of_split = _rows(split, folder, {path: k for k, path in enumerate(inside)}, todo)
        lacking = set(range(len(classes))) - {label for _, label, _ in of_split}
        notes += [
            Note(f"no {split} images of class {classes[k]}", Kind.EMPTY) for k in sorted(lacking)
        ]
        rows += of_split
    return _manifest(name, splits.values(), classes, rows, notes)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _help(name: str, folder: Path) -> str:
    row, home = catalogue.describe(name), folder.parent
    commands = "`python -m common.datasets prepare --help` lists the downloads that can be laid out"
    if row and row.name == "bass":
        command = f"python -m common.datasets prepare bass --source BASS --out {home}"
        commands = f"`{command}` lays out real images"
    if row and row.twin:
        command = f"python -m common.datasets twin {row.twin} --out {home}"
        commands = f"`{command}` draws a stand-in; {commands}"
    return (
        f"expected {home}/train/<class>/<image> and {home}/test/<class>/<image>, or folders given "
        f"by --train_data_dir and --test_data_dir. {commands}."
    )


def unknown_dataset(name: str) -> UserError:
    """The error for a dataset name that nobody registered and that came without folders."""
    names = ", ".join(row.name for row in catalogue.TRAINABLE.values())
    return UserError(
        f"--dataset {name} is not known; known are {names}. For images of your own give both "
        "--train_data_dir and --test_data_dir, one sub-folder a class."
    )


# --- classes of a dataset, in whatever tree it is -------------------------------------------------


def split_folders(root: Path) -> dict[str, Path]:
    """The folders of `root` that are called as a split is, split -> folder."""
    by_split: dict[str, Path] = {}
    for folder in folders(root):
        for split, names in SPLITS.items():
            if folder.name.lower() in names:
                by_split.setdefault(split, folder)
    return {split: by_split[split] for split in SPLITS if split in by_split}


def has_class_folders(root: Path) -> bool:
    """Whether `root` has a folder for training and one for test, with folders in them."""
    splits = split_folders(root)
    return "train" in splits and len(splits) > 1 and all(folders(f) for f in splits.values())


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
            manifest = of_splits(name, root, {"all": base}, labels, hint)
            manifest.table, note = with_own_split(manifest.table, name)
            manifest.notes.append(note)
            manifest.form = "one folder"
            return manifest
    seen = ", ".join(f.name for f in folders(root)[:8]) or "no folders"
    raise UserError(f"{root} holds no {name} ({seen} are there): {hint}")


def of_splits(
    name: str, root: Path, splits: dict[str, Path], labels: Labels, hint: str
) -> Manifest:
    """Read a folder of class folders for every split; see :func:`read_tree`."""
    notes: list[str] = []
    if "train" in splits and "test" not in splits:
        splits = {"train": splits["train"], "test": splits["val"]}
        notes.append(f"{name} came without a test split: its validation images are used as one")
    classes: tuple[str, ...] | None = None
    rows: list[Row] = []
    for split, folder in splits.items():
        inside = [f for f in folders(folder) if f.name.lower() not in labels.left_out]
        if not inside:
            raise UserError(f"{folder} has no class folders; {hint}")
        classes = classes or labels.fitting([f.name for f in inside])
        if classes is None:
            expected = " or ".join(", ".join(c[:8]) for c in labels.choices)
            odd = (f for f in inside if all(labels.of(f.name, c) is None for c in labels.choices))
            raise UserError(
                f"{next(odd, folder)} is no class of {name}; expected folders called {expected}."
            )
        of = {path: labels.of(path.name, classes) for path in inside}
        strange = next((path for path, label in of.items() if label is None), None)
        if strange is not None:
            raise UserError(
                f"{strange} is no class of {name}; expected folders called "
                f"{', '.join(classes[:8])}."
            )
        rows += _rows(split, folder, of, f"copy {name} again.")
    return _manifest(name, (root, *splits.values()), classes, rows, notes)


# --- facial expressions: names or numbers, every class there --------------------------------------


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
    rows: list[Row] = []
    for split, folder in splits.items():
        labels = _labels_of_folders(name, split, folder, (*classes, *left_out))
        used = {path: label for path, label in labels.items() if label < len(classes)}
        rows += _rows(split, folder, used, f"copy {name} again.")
        if split == "train" and (lacking := set(range(len(classes))) - set(labels.values())):
            raise UserError(
                f"{folder} has no folder for the class {classes[min(lacking)]} of {name}; expected "
                f"{', '.join(classes)}."
            )
    return _manifest(name, splits.values(), classes, rows, [])


def _labels_of_folders(
    name: str, split: str, folder: Path, classes: Sequence[str]
) -> dict[Path, int]:
    faces = Labels((tuple(classes),), catalogue.SPELLINGS["faces"])
    inside = _class_folders(name, split, folder, f"expected {', '.join(classes)}.", ".")
    if len(inside) == 1 and faces.of(inside[0].name, classes) is None:
        inside = folders(inside[0]) or inside  # e.g. Train/Train_Aligned_Faces/<class>
    first = 0 if any(f.name.isdecimal() and int(f.name) == 0 for f in inside) else 1
    labels = {f: faces.of(f.name, classes, first) for f in inside}
    for path, label in labels.items():
        if label is None:
            raise UserError(
                f"{path} is no class of {name}; expected folders called {', '.join(classes)}, or "
                "their numbers."
            )
    if len(set(labels.values())) < len(labels):
        raise UserError(f"{folder} has two folders for one class of {name}; merge them.")
    return labels
