"""Lists of images with their labels: text, CSV, JSON Lines or pickles of plain data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data import pickles
from common.data.manifest import Kind, Manifest, Note
from common.datasets.readers.folder import SPLITS, Labels, is_drawn
from common.datasets.readers.own_split import with_own_split
from common.files import read_text

PLACES = ("", "z_data", "lists", "annotations", "training_testing_split")
IMAGES = ("images", "image", "Images", "")
ENDINGS = (".pkl", ".pickle", ".jsonl", ".csv", ".tsv", ".txt")
TOLERATED = 0.01  # share of missing images above which a dataset is refused


class Entry(NamedTuple):
    """One image of a list: its path, its label or labels as written, and its tags, if any."""

    path: str
    label: Any
    tags: Any = None


LONGEST_NUMBER = 18
MOST_CLASSES = 1_000_000
"""More than any dataset has; a larger label is a mistake."""


def first_existing(places: Iterable[Path]) -> Path | None:
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
    message = f"{(~there).sum()} of the {len(there)} images in {source} are missing, e.g. {first}"
    if (~there).mean() > TOLERATED:
        raise UserError(f"{message}; copy {name} again or give the folder its images are in.")
    return there, [Note(f"{message}; they are left out", Kind.MISSING)]


def listed_table(
    name: str, file: Path, paths: Sequence[Path], **columns: Any
) -> tuple[pd.DataFrame, list[str]]:
    """The rows of a list whose images are there, with the column ``path``, and notes.

    Args:
        name: dataset name.
        file: the list, for messages.
        paths: of all listed images.
        columns: further ones, as long as `paths`, or one value for all.

    Raises:
        UserError: more than 1% of the images are missing.
    """
    there, notes = drop_missing(name, paths, file)
    table = pd.DataFrame({"path": [str(p.absolute()) for p in paths], **columns})
    return table[there].reset_index(drop=True), notes


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
        lists = {}
        for split, names in SPLITS.items():
            files = _called(root / place, names)
            numbered = [f for f in files if re.search(rf"(?<!\d){number}(?!\d)", f.stem)]
            plain = [f for f in files if f.stem.lower() in names]
            files = (number and numbered) or plain or files
            if len({f.stem for f in files}) > 1:
                names_of = ", ".join(f.name for f in files)
                raise UserError(
                    f"{root / place} has more than one {split} list ({names_of}); keep one."
                )
            if files:
                lists[split] = files[0]
        if "train" in lists and len(lists) > 1:
            return lists
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
    if "val" in entries and "test" not in entries:
        entries["test"] = entries.pop("val")
    classes = labels.choices[0] if labels.choices else _numbered(entries, number)
    base = folder or _image_folder(
        root, [entry.path for rows in entries.values() for entry in rows[:20]]
    )
    tables, notes = [], []
    for split, rows in entries.items():
        file = files.get(split, files.get("val", root))
        several = [_labels_of(entry, classes, labels, name) for entry in rows]
        table, missing = listed_table(
            name,
            file,
            paths=_inside(base, [entry.path for entry in rows], file),
            label=np.array([of[0] if of else -1 for of in several], np.int64),
            split=split,
            labels=several,
        )
        empty = sum(not of for of in several)
        if empty:
            notes.append(f"{empty} {split} images without any label are left out")
        tables.append(table[table["label"] >= 0])
        notes += missing
    table = pd.concat(tables, ignore_index=True)
    if (table["labels"].str.len() == 1).all():
        table = table.drop(columns="labels")
    return Manifest(name, Path("/"), classes, table, is_drawn(root), notes, "lists")


def read_one_list(
    name: str, root: Path, file: Path, base: Path, labels: Labels, form: str
) -> Manifest:
    """A single list without a split; see :func:`read_listed` and :mod:`own_split`."""
    manifest = read_listed(name, root, {"all": file}, labels, folder=base)
    table = manifest.table.drop(columns="labels", errors="ignore")
    manifest.table, note = with_own_split(table, name)
    manifest.notes.append(note)
    manifest.form = form
    return manifest


def _inside(base: Path, names: Sequence[str], file: Path) -> list[Path]:
    """The places of listed images; none may be outside `base`."""
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise UserError(f"{file} names {name}, which is outside {base}; list paths below it.")
    return [base / name for name in names]


def read_lines(file: Path, what: str = "the list") -> list[tuple[int, str]]:
    """(number from 1, text) of every line of a text file that is not blank.

    Args:
        what: the file is, for messages.

    Raises:
        UserError: it cannot be read, or is no text.
    """
    lines = read_text(file, what).splitlines()
    return [(k, line.strip()) for k, line in enumerate(lines, start=1) if line.strip()]


def read_entries(file: Path) -> list[Entry]:
    """Every line or entry of a list, with its label or labels as written.

    Raises:
        UserError: unreadable or empty list, or an entry of another form, by its number.
    """
    suffix = file.suffix.lower()
    if {".pkl", ".pickle"} & {part.lower() for part in file.suffixes}:  # also list.pkl.keep
        raw = pickles.load(file, "a list of [path, label] or [path, [labels]]")
        raw = raw.tolist() if isinstance(raw, np.ndarray) else raw
        if isinstance(raw, dict) and all(isinstance(of, list | tuple) for of in raw.values()):
            raw = [[path, label] for label, paths in raw.items() for path in paths]
        entries = list(raw) if isinstance(raw, list | tuple) else [raw]
        rows = [_entry(e, file, k) for k, e in enumerate(entries, start=1)]
    elif suffix in (".jsonl", ".ndjson"):
        rows = [_json_entry(line, file, k) for k, line in read_lines(file)]
    else:
        rows = _text_entries(file)
    if not rows:
        raise UserError(f"{file} is empty; expected a path and a label an image.")
    return rows


def _json_entry(line: str, file: Path, number: int) -> Entry:
    try:
        return _entry(json.loads(line), file, number)
    except ValueError:
        raise UserError(f"{file}, line {number}: this is no JSON.") from None


def _text_entries(file: Path) -> list[Entry]:
    rows = []
    for number, line in read_lines(file):
        mark = "\t" if "\t" in line else "," if "," in line else None
        cells = [cell.strip() for cell in line.rsplit(mark, 1)]
        if len(cells) == 1 and "/" in cells[0]:
            cells = [cells[0], cells[0].split("/")[-2]]  # the class is the folder
        if len(cells) != 2:
            raise UserError(f"{file}, line {number}: '{line}' is not 'path label'.")
        if number == 1 and cells[0].lower() in ("path", "image", "file", "filename", "name"):
            continue
        rows.append(Entry(*cells))
    return rows


def _entry(entry: Any, file: Path, number: int) -> Entry:
    if isinstance(entry, dict):
        path = next((entry[k] for k in ("path", "image", "file") if k in entry), None)
        keys = [k for k in ("labels", "label", "counts", "target") if k in entry]
        label = entry[keys[0]] if len(keys) == 1 else None  # with several, it is not clear which
        if keys == ["target"] and isinstance(label, list):  # shares, also where they are 0 and 1
            label = [float(v) if isinstance(v, int) else v for v in label]
        entry = (path, label, entry.get("tags"))
    fits = isinstance(entry, list | tuple) and len(entry) >= 2 and isinstance(entry[0], str)
    if not fits or entry[1] is None:
        raise UserError(
            f"{file}, entry {number}: {entry!r:.80} is not [path, label] or [path, labels]."
        )
    return Entry(*entry[:3])


NUMBERED = re.compile(
    r"(?P<name>.*\.[a-z]{2,4}|\S.*?)[\s,]+(?P<label>[0-9]{1,6})([\s,]+\S+)?", re.ASCII | re.I
)
"""``name label`` and perhaps a third column; the name may hold blanks and ends with its ending."""


def numbered_classes(*files: Path) -> tuple[str, ...]:
    """``0``, ``1``, … up to the largest label of some lists, as the names of their classes.

    Raises:
        UserError: see :func:`read_numbered`.
    """
    any_label = range(MOST_CLASSES)
    number = 1 + max(int(read_numbered(file, any_label)["label"].max()) for file in files)
    return tuple(map(str, range(number)))


def read_numbered(file: Path, classes: Sequence[str], first: int = 0) -> pd.DataFrame:
    """Lines ``name label …`` of a label list.

    Args:
        file: the list.
        classes: class names in label order.
        first: the label of the first class in the file.

    Returns:
        Columns ``name`` (str) and ``label`` (int64, from 0), in the order of the lines.

    Raises:
        UserError: unreadable or empty file, or a line of another form, by its number.
    """
    rows = []
    last = first + len(classes) - 1
    for number, line in read_lines(file, "the label list"):
        found = NUMBERED.fullmatch(line.strip())
        if found is None or not first <= int(found["label"]) <= last:
            raise UserError(
                f"{file}, line {number}: '{line}' is not 'file label' with a label from "
                f"{first} to {last}."
            )
        rows.append((found["name"], int(found["label"]) - first))
    if not rows:
        raise UserError(f"the label list {file} is empty; expected 'file label' lines.")
    return pd.DataFrame(rows, columns=["name", "label"]).astype({"label": "int64"})


def _labels_of(entry: Entry, classes: Sequence[str], labels: Labels, name: str) -> list[int]:
    """The labels of an entry; a target vector names its classes by falling share."""
    given = entry.label
    several = list(given) if isinstance(given, list | tuple | np.ndarray) else [given]
    if any(isinstance(item, float) for item in several):  # a target vector
        several = [int(k) for k in np.argsort(several)[::-1] if several[k] > 0]
    numbers = []
    for item in several:
        if isinstance(item, list | tuple) and item:
            item = item[0]  # a class and its count
        if str(item) == "-1":
            continue  # no class
        label = labels.of(str(item), classes)
        if label is None:
            raise UserError(
                f"{name}: {entry.path} has the label {item!r}, which is none of the {len(classes)} "
                f"classes ({', '.join(map(str, classes[:8]))})."
            )
        numbers.append(label)
    return list(dict.fromkeys(numbers))


def _numbered(entries: dict[str, list[Entry]], number: int | None) -> tuple[str, ...]:
    largest = -1
    for rows in entries.values():
        for path, given, _ in rows:
            several = given if isinstance(given, list | tuple) else [given]
            if any(isinstance(item, float) for item in several):
                largest = max(largest, len(several) - 1)
                continue
            for item in several:
                item = item[0] if isinstance(item, list | tuple) and item else item
                if not str(item).lstrip("-").isdecimal() or len(str(item)) > LONGEST_NUMBER:
                    raise UserError(f"{path} has the label {item!r}; expected a number from 0.")
                largest = max(largest, int(item))
    if largest >= MOST_CLASSES:
        raise UserError(f"the label {largest} would mean {largest + 1:,} classes; check the list.")
    return tuple(str(k) for k in range(max(number or 0, largest + 1)))


def _image_folder(root: Path, paths: Sequence[str]) -> Path:
    """The first usual folder that holds any of `paths`, or the first that is there."""
    bases = [root / place for place in IMAGES if (root / place).is_dir()]
    for base in bases:
        if any((base / path).is_file() for path in paths):
            return base
    return bases[0]
