"""AffectNet with seven or eight expressions, from its CSV lists or from class folders."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.catalogue import DATASETS
from common.datasets.readers.folder import is_drawn, read_class_folders
from common.datasets.readers.lists import first_existing, listed_table
from common.datasets.readers.table import column, numbers, read_delimited

EXPRESSIONS = DATASETS["affectnet8"].classes
"""In the order of the official codes; 8 none, 9 uncertain and 10 no face carry no expression."""
COLUMNS = [
    "subdirectory_filepath",
    "face_x",
    "face_y",
    "face_width",
    "face_height",
    "facial_landmarks",
    "expression",
    "valence",
    "arousal",
]
LISTS = ("Manually_annotated_file_lists", "Manually_Annotated_file_lists", ".")
IMAGES = (
    "Manually_Annotated_Images",
    "Manually_Annotated/Manually_Annotated_Images",
    "Manually_Annotated",
    ".",
)
HELP = (
    "expected training.csv, validation.csv and Manually_Annotated_Images/, or train/<class>/ and "
    "val/<class>/; it is to be asked for at http://mohammadmahoor.com/affectnet"
)


def read(root: Path, classes: int = 8) -> Manifest:
    """Read AffectNet; its validation images are the split ``test``.

    Args:
        root: folder it was unpacked in.
        classes: 8, or 7 without contempt.

    Returns:
        From CSV lists with the columns ``valence`` and ``arousal`` (-1..1) too.

    Raises:
        UserError: neither form is there, or a list is not as expected.
    """
    name, kept = f"affectnet{classes}", EXPRESSIONS[:classes]
    lists = [
        first_existing([root / place / f"{stem}.csv" for place in LISTS])
        for stem in ("training", "validation")
    ]
    if all(lists):
        return _from_lists(name, root, dict(zip(("train", "test"), lists, strict=True)), kept)
    train = first_existing([root / n for n in ("train", "Train", "train_class")])
    test = first_existing([root / n for n in ("val", "val_class", "validation", "test", "Test")])
    if train is None or test is None:
        raise UserError(f"there is no AffectNet at {root}: {HELP}.")
    return read_class_folders(name, {"train": train, "test": test}, kept, EXPRESSIONS[classes:])


def _from_lists(name: str, root: Path, lists: dict[str, Path], kept: tuple[str, ...]) -> Manifest:
    folder = first_existing([root / place for place in IMAGES])
    tables, notes = [], []
    for split, file in lists.items():
        frame = _read_list(file)
        code = numbers(frame[column(frame, file, ("expression",))], file, 0, 10).astype("int64")
        named = column(frame, file, ("subdirectory_filepath",))
        used = code < len(kept)
        notes.append(f"{(~used).sum()} images in {file.name} have none of {len(kept)} expressions")
        targets = {
            target: numbers(frame[column(frame, file, (target,))][used], file, -1, 1)
            for target in ("valence", "arousal")
        }
        table, missing = listed_table(
            name,
            file,
            paths=[folder / path for path in frame[named][used]],
            label=code[used],
            split=split,
            **targets,
        )
        tables.append(table)
        notes += missing
    table = pd.concat(tables, ignore_index=True)
    return Manifest(name, Path("/"), kept, table, is_drawn(root), notes, "lists")


def _read_list(file: Path) -> pd.DataFrame:
    """One of the official lists; some copies of validation.csv come without a header."""
    expected = "the nine columns of AffectNet's official lists"
    frame = read_delimited(file, expected)
    if COLUMNS[0] in frame.columns:
        return frame
    frame = read_delimited(file, expected, header=False)
    if frame.shape[1] != len(COLUMNS):
        raise UserError(f"{file} has {frame.shape[1]} columns; expected {expected}.")
    return frame.set_axis(COLUMNS, axis=1)
