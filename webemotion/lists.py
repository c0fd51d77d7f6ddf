"""Image lists: the authors' pickles, the same as JSON Lines, and what is checked of them.

They are read by :mod:`common.datasets.readers.lists`. The label of an entry is

- a number: one class; ``-1`` is ignored by the loss
- a list of numbers: the classes that hold (``[3, 17]``)
- a list of pairs: class and count (``[[3, 2], [17, 1]]``)
- a list with a fraction in it: the target vector itself

and its tags are numbers in the vocabulary, or words; None where the list has no tags. Whatever
else stands in an entry is not read. A list may also be a dictionary class -> paths, and a label a
dictionary whose keys are the classes.
"""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import UserError
from common.data import pickles
from common.datasets.readers.folder import DRAWN_MARK
from common.datasets.readers.lists import Entry, read_entries
from common.files import is_file

log = logging.getLogger(__name__)

JSON_LINES = (".jsonl", ".ndjson")
SHOWN = 5
_ATOMS = {int, float, str}

Label = int | list[int] | list[list[int]] | list[float]


def read_list(path: str | Path, classes: Sequence[str] = ()) -> list[Entry]:
    """Read an image list; labels and tags as plain Python numbers, texts and lists.

    Args:
        path: the list.
        classes: names that may stand for the class numbers.

    Raises:
        UserError: missing, unreadable or empty file, or an entry of another form.
    """
    path = Path(path)
    before = gc.isenabled()
    gc.disable()  # it would walk through a million small lists over and over
    try:
        rows = read_entries(path)
        return [_checked(row, number, path, classes) for number, row in enumerate(rows, start=1)]
    finally:
        if before:
            gc.enable()


def write_list(path: str | Path, entries: Iterable[Entry]) -> None:
    """Write an image list in one step; the suffix decides the form, as in :func:`read_list`."""
    path = Path(path)
    if path.suffix not in JSON_LINES:
        pickles.save([list(e if e.tags is not None else e[:2]) for e in entries], path)
        return
    lines = "".join(json.dumps(_json_row(e), ensure_ascii=False) + "\n" for e in entries)
    pickles.write_bytes(lines.encode(), path)


def check_images(entries: Sequence[Entry], data_dir: str | Path, source: str | Path) -> None:
    """Tell of images that are not there; as published, they are left out of their batches.

    Raises:
        UserError: none is there.
    """
    data_dir = Path(data_dir)
    missing = [entry.path for entry in entries if not is_file(data_dir / entry.path)]
    if not missing:
        return
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    message = (
        f"{len(missing)} of the {len(entries)} images of {source} are not in {data_dir}: "
        f"{', '.join(missing[:SHOWN])}{more}"
    )
    if len(missing) == len(entries):
        raise UserError(f"{message}. Put them there, or give another data_dir.")
    log.warning("%s; they are left out", message)


def check_labels(entries: Sequence[Entry], num_classes: int, source: str | Path) -> None:
    """Refuse a list with a class that a network of `num_classes` outputs does not have.

    Negative numbers count from the end, as in the published code.

    Raises:
        UserError: names the first such entry; or a target vector of another length.
    """
    for entry in entries:
        if is_vector(entry.label):
            if len(entry.label) != num_classes:
                raise UserError(
                    f"{source}: the target of {entry.path} has {len(entry.label)} numbers, but "
                    f"num_classes is {num_classes}."
                )
            continue
        wrong = [k for k in classes_of(entry.label) if not -num_classes <= k < num_classes]
        if wrong:
            raise UserError(
                f"{source}: {entry.path} has the class {wrong[0]}, but num_classes is "
                f"{num_classes} (0 to {num_classes - 1}). Correct the list or num_classes."
            )


def check_tags(entries: Sequence[Entry], vocab_size: int, source: str | Path) -> None:
    """Refuse a list without tags, or with tags beyond vocabulary, unknown word and padding.

    Raises:
        UserError: names the first such entry.
    """
    for entry in entries:
        if entry.tags is None:
            raise UserError(
                f"{source}: {entry.path} has no tags; a text branch needs entries of the form "
                "[path, [labels], [tags]]."
            )
        wrong = [t for t in entry.tags if not isinstance(t, int) or not 0 <= t <= vocab_size + 1]
        if wrong:
            raise UserError(
                f"{source}: {entry.path} has the tag {wrong[0]!r}, but the text model's vocabulary "
                f"has {vocab_size} words. Use the list it was trained with."
            )


def is_drawn(source: str | Path) -> bool:
    """Whether a file lies in a folder of drawn stand-ins."""
    return any((parent / DRAWN_MARK).is_file() for parent in Path(source).resolve().parents)


def is_vector(label: Label) -> bool:
    """Whether a label is a target vector: a list of numbers with a float among them."""
    return isinstance(label, list) and any(isinstance(value, float) for value in label)


def classes_of(label: Label) -> list[int]:
    """The classes that a label names; those of the non-zero entries for a target vector."""
    if isinstance(label, int):
        return [label]
    if is_vector(label):
        return [k for k, share in enumerate(label) if share]
    return [value[0] if isinstance(value, list) else value for value in label]


# --- forms ----------------------------------------------------------------------------------------


def _json_row(entry: Entry) -> dict:
    label = entry.label
    if isinstance(label, int):
        key = "label"
    elif is_vector(label):
        key = "target"
    else:
        key = "counts" if label and isinstance(label[0], list) else "labels"
    tags = {} if entry.tags is None else {"tags": entry.tags}
    return {"path": entry.path, key: label, **tags}


def _checked(row: Entry, number: int, source: Path, classes: Sequence[str]) -> Entry:
    label, tags = _plain(row.label), None if isinstance(row.tags, dict) else _plain(row.tags)
    if isinstance(label, list):
        label = [classes.index(name) if name in classes else name for name in label]
    entry = Entry(row.path, label, tags if _are_tags(tags) else None)
    if not _is_label(entry.label):
        raise UserError(
            f"{source}, entry {number}: {list(row)!r:.80} is neither [relative_path, label] nor "
            "[relative_path, [labels], [tags]] with numbers as labels."
        )
    return entry


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays, tuples, sets and a dictionary's keys as plain Python."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple | dict):
        if set(map(type, value)) <= _ATOMS:  # most of a long list: its tags
            return list(value)
        return [_plain(item) for item in value]
    return sorted(value) if isinstance(value, set | frozenset) else value


def _is_label(label: Any) -> bool:
    if isinstance(label, list):
        pairs = all(isinstance(v, list) and len(v) == 2 and _whole(v) for v in label)
        return pairs or all(isinstance(v, int | float) for v in label)
    return isinstance(label, int)


def _are_tags(tags: Any) -> bool:
    return isinstance(tags, list) and (_whole(tags) or set(map(type, tags)) == {str})


def _whole(values: list) -> bool:
    return set(map(type, values)) <= {int}
