"""Lists of images with their labels: text, CSV, JSON Lines or pickles of plain data."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data import pickles
from common.data.manifest import Manifest
from common.datasets.readers.expressions import drop_missing
from common.datasets.readers.folder import is_drawn
from common.datasets.readers.own_split import with_own_split
from common.datasets.readers.tree import SPLITS, Labels

PLACES = ("", "z_data", "lists", "annotations", "training_testing_split")
IMAGES = ("images", "image", "Images", "")
ENDINGS = (".pkl", ".pickle", ".jsonl", ".csv", ".tsv", ".txt")


def find_lists(root: Path, number: int | None = None) -> dict[str, Path]:
    """The list of every split in `root` or in a usual folder below it.

    A list is called ``train``, ``test`` or ``val``, with anything after it, and has one of
    :data:`ENDINGS`. Of several for one split, ``train_8.pkl`` is the one for eight classes, and
    else ``train`` without anything after it.

    Args:
        root: a dataset's folder.
        number: of classes.

    Returns:
        Split -> file; empty where there is no list for training images.

    Raises:
        UserError: two lists for one split.
    """
    for place in PLACES:
        found = {}
        for split, names in SPLITS.items():
            files = _called(root / place, names)
            numbered = [f for f in files if re.search(rf"(?<!\d){number}(?!\d)", f.stem)]
            plain = [f for f in files if f.stem.lower() in names]
            files = (number and numbered) or plain or files
            if len({f.stem for f in files}) > 1:
                told = ", ".join(f.name for f in files)
                raise UserError(
                    f"{root / place} has more than one {split} list ({told}); keep one."
                )
            if files:
                found[split] = files[0]
        if "train" in found and len(found) > 1:
            return found
    return {}


def _called(folder: Path, names: Sequence[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    pattern = re.compile(rf"({'|'.join(names)})([^a-z].*)?", re.IGNORECASE)
    files = (f for f in sorted(folder.iterdir()) if f.is_file())
    kept = [f for f in files if f.suffix.lower() in ENDINGS and pattern.fullmatch(f.stem)]
    return sorted(kept, key=lambda f: ENDINGS.index(f.suffix.lower()))


def read_listed(
    name: str,
    root: Path,
    files: dict[str, Path],
    labels: Labels,
    number: int | None = None,
    folder: Path | None = None,
) -> Manifest:
    """Read lists of ``path label`` whose paths are relative to the image folder.

    Args:
        name: dataset name.
        root: its folder; images are in ``images/`` or in itself.
        files: split -> list.
        labels: class names; without any, the classes are the numbers 0 to the largest label.
        number: how many classes there are, where they have no names.
        folder: the images'; None: ``images/`` or `root`, where they are found.

    Returns:
        Images with several labels have them all in the column ``labels``; ``label`` is the first.

    Raises:
        UserError: a list of another form, a label that is no class, more than 1% images missing.
    """
    entries = {split: read_entries(file) for split, file in files.items()}
    if "test" not in entries:
        entries["test"] = entries.pop("val")
    classes = labels.choices[0] if labels.choices else _numbered(entries, number)
    base = folder or _image_folder(
        root, [path for rows in entries.values() for path, _ in rows[:20]]
    )
    tables, notes = [], []
    for split, rows in entries.items():
        file = files.get(split, files.get("val", root))
        paths = _inside(base, [path for path, _ in rows], file)
        there, missing = drop_missing(name, paths, file)
        several = [_labels_of(path, given, classes, labels, name) for path, given in rows]
        table = pd.DataFrame(
            {
                "path": [str(path.absolute()) for path in paths],
                "label": np.array([of[0] if of else 0 for of in several], np.int64),
                "split": split,
                "labels": several,
            }
        )
        empty = np.array([not of for of in several], dtype=bool)
        if empty.any():
            notes.append(f"{empty.sum()} {split} images without any label are left out")
        tables.append(table[there & ~empty])
        notes += missing
    table = pd.concat(tables, ignore_index=True)
    if (table["labels"].str.len() == 1).all():
        table = table.drop(columns="labels")
    return Manifest(name, Path("/"), classes, table, is_drawn(root), notes, "lists")


def read_one_list(name: str, root: Path, file: Path, base: Path, labels: Labels, form: str):
    """A single list without a split; see :func:`read_listed` and :mod:`own_split`."""
    rows = read_entries(file)
    classes = labels.choices[0]
    paths = _inside(base, [path for path, _ in rows], file)
    there, notes = drop_missing(name, paths, file)
    found = [_labels_of(path, given, classes, labels, name) for path, given in rows]
    there &= np.array([len(of) > 0 for of in found])
    label = [of[0] if of else 0 for of in found]
    table = pd.DataFrame({"path": [str(p.absolute()) for p in paths], "label": label})[there]
    table, note = with_own_split(table.reset_index(drop=True), name)
    return Manifest(name, Path("/"), classes, table, is_drawn(root), [*notes, note], form)


def _inside(base: Path, names: Sequence[str], file: Path) -> list[Path]:
    """The places of listed images; none may be outside `base`."""
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise UserError(f"{file} names {name}, which is outside {base}; list paths below it.")
    return [base / name for name in names]


def read_entries(file: Path) -> list[tuple[str, Any]]:
    """(path, label or labels as written) of every line or entry.

    Raises:
        UserError: unreadable or empty list, or an entry of another form, by its number.
    """
    suffix = file.suffix.lower()
    if suffix in (".pkl", ".pickle"):
        raw = pickles.load(file, "a list of [path, label] or [path, [labels]]")
        entries = list(raw) if isinstance(raw, list | tuple) else [raw]
        rows = [_entry(e, file, k) for k, e in enumerate(entries, start=1)]
    else:
        rows = _text_entries(file, suffix)
    if not rows:
        raise UserError(f"{file} is empty; expected a path and a label an image.")
    return rows


def _text_entries(file: Path, suffix: str) -> list[tuple[str, Any]]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise UserError(f"the list {file} cannot be read: {reason}.") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if suffix == ".jsonl":
            try:
                rows.append(_entry(json.loads(line), file, number))
            except ValueError:
                raise UserError(f"{file}, line {number}: this is no JSON.") from None
            continue
        mark = "\t" if "\t" in line else "," if "," in line else None
        cells = [cell.strip() for cell in (line.rsplit(mark, 1) if mark else line.rsplit(None, 1))]
        if len(cells) == 1 and "/" in cells[0]:
            cells = [cells[0], cells[0].split("/")[-2]]  # the class is the folder
        if len(cells) != 2:
            raise UserError(f"{file}, line {number}: '{line.strip()}' is not 'path label'.")
        if number == 1 and cells[0].lower() in ("path", "image", "file", "filename", "name"):
            continue
        rows.append((cells[0], cells[1]))
    return rows


def _entry(entry: Any, file: Path, number: int) -> tuple[str, Any]:
    if isinstance(entry, dict):
        path = next((entry[k] for k in ("path", "image", "file") if k in entry), None)
        keys = ("labels", "label", "counts", "target")
        given = next((entry[k] for k in keys if k in entry), None)
        entry = (path, given)
    fits = isinstance(entry, list | tuple) and len(entry) >= 2 and isinstance(entry[0], str)
    if not fits or entry[1] is None:
        raise UserError(
            f"{file}, entry {number}: {entry!r:.80} is not [path, label] or [path, labels]."
        )
    return entry[0], entry[1]


def _labels_of(
    path: str, given: Any, classes: Sequence[str], labels: Labels, name: str
) -> list[int]:
    several = list(given) if isinstance(given, list | tuple | np.ndarray) else [given]
    if any(isinstance(item, float) for item in several):  # a target vector
        several = [int(k) for k in np.argsort(several)[::-1] if several[k] > 0]
    found = []
    for item in several:
        if isinstance(item, list | tuple) and item:
            item = item[0]  # a class and its count
        if str(item) == "-1":
            continue  # no class
        label = labels.of(str(item), classes)
        if label is None:
            raise UserError(
                f"{name}: {path} has the label {item!r}, which is none of the {len(classes)} "
                f"classes ({', '.join(map(str, classes[:8]))})."
            )
        found.append(label)
    return list(dict.fromkeys(found))


def _numbered(entries: dict[str, list[tuple[str, Any]]], number: int | None) -> tuple[str, ...]:
    largest = -1
    for rows in entries.values():
        for path, given in rows:
            several = given if isinstance(given, list | tuple) else [given]
            if any(isinstance(item, float) for item in several):
                largest = max(largest, len(several) - 1)
                continue
            for item in several:
                item = item[0] if isinstance(item, list | tuple) and item else item
                if not str(item).lstrip("-").isdigit():
                    raise UserError(f"{path} has the label {item!r}; expected a number from 0.")
                largest = max(largest, int(item))
    return tuple(str(k) for k in range(max(number or 0, largest + 1)))


def _image_folder(root: Path, paths: Sequence[str]) -> Path:
    """The first usual folder that holds any of `paths`, or the first that is there."""
    bases = [root / place for place in IMAGES if (root / place).is_dir()]
    for base in bases:
        if any((base / path).is_file() for path in paths):
            return base
    return bases[0]
