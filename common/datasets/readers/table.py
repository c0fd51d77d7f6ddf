"""Delimited text with errors that name file and line."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.manifest import Kind, Note
from common.files import read_text


def read_delimited(
    path: Path, expected: str, header: bool | None = True, blanks: bool = False
) -> pd.DataFrame:
    """Read a tab- or comma-separated file as text; the index is the line number (from 1).

    Args:
        path: the file.
        expected: its form in words, for messages.
        header: the first line names the columns; None decides by whether its second field is a
            number. Names are stripped of blanks and brackets and lower-cased.
        blanks: fields are separated by blanks where the first line has neither tab nor comma.

    Raises:
        UserError: missing, empty or undecodable file, or a line with too many or too few fields.
    """
    text = read_text(path, expected)
    lines = text.splitlines()
    first = next((i for i, line in enumerate(lines) if line.strip()), None)
    if first is None:
        raise UserError(f"{path} is empty; expected {expected}.")
    tabs = "\t" in lines[first]
    if blanks and not tabs and "," not in lines[first]:
        text, tabs = "\n".join(re.sub(r"[ ]+", "\t", line.strip()) for line in lines), True
    reader = csv.reader(
        io.StringIO(text),
        delimiter="\t" if tabs else ",",
        quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
    )
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: {error}; expected {expected}.") from None
    rows = [(number, cells) for number, cells in rows if any(cells)]
    if not rows:
        raise UserError(f"{path} has no field that is not blank; expected {expected}.")
    width = len(rows[0][1])
    for number, cells in rows:
        if len(cells) != width:
            raise UserError(
                f"{path}, line {number}: {len(cells)} fields, but line {rows[0][0]} has {width}; "
                f"expected {expected}."
            )
    if header is None:
        header = width > 1 and not _is_number(rows[0][1][1])
    names = [re.sub(r"[\[\]]", "", cell).strip().lower() for cell in rows[0][1]]
    body = rows[1:] if header else rows
    counted = Counter(name for name in names if name and not _is_number(name))
    if header and (twice := [name for name, n in counted.items() if n > 1]):
        raise UserError(f"{path} has the column {twice[0]} twice; expected {expected}.")
    return pd.DataFrame(
        [cells for _, cells in body],
        columns=names if header else range(width),
        index=[number for number, _ in body],
        dtype=object,
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def column(frame: pd.DataFrame, path: Path, names: tuple[str, ...]) -> str:
    """The first of `names` that is a column.

    Raises:
        UserError: none is.
    """
    chosen = next((name for name in names if name in frame.columns), None)
    if chosen is None:
        listed = ", ".join(map(str, frame.columns[:12]))
        raise UserError(f"{path} has no column {' or '.join(names)}; its columns are {listed}.")
    return chosen


def numbers(cells: pd.Series, path: Path, low: float, high: float) -> np.ndarray:
    """A column as float64 [n].

    Raises:
        UserError: a cell is empty, NaN, no number, or outside `low`..`high`; names its line.
    """
    values = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(~((values >= low) & (values <= high)))
    if len(bad):
        raise UserError(
            f"{path}, line {cells.index[bad[0]]}: {cells.name} is {cells.iloc[bad[0]]!r}, expected "
            f"a number from {low:g} to {high:g}."
        )
    return values


def with_images(
    frame: pd.DataFrame, names: str, images: Iterable[Path], path: Path, key: Callable
) -> tuple[pd.DataFrame, list[Note]]:
    """The rows whose image is there, and a note that counts the others.

    Tables are handed around with more rows than images.

    Args:
        names: the column of the images' names.
        images, path, key: see :func:`match_images`.
    """
    there = {key(str(image)) for image in images}
    kept = frame[names].map(lambda name: key(name) in there)
    left_out = frame[~kept]
    if left_out.empty:
        return frame, []
    text = (
        f"{len(left_out)} of {len(frame)} rows of {path} are of images that are not there, the "
        f"first {left_out[names].iloc[0]!r} in line {left_out.index[0]}; they are left out"
    )
    return frame[kept], [Note(text, Kind.MISSING)]


def match_images(
    names: pd.Series, images: Iterable[Path], path: Path, key: Callable[[str], object]
) -> list[Path]:
    """The image of every row.

    Args:
        names: image names as the table writes them, indexed by line.
        images: files that are there.
        path: the table, for messages.
        key: what a name and a file must have in common.

    Raises:
        UserError: a row without image, an image without row, or two of one key.
    """
    files: dict[object, Path] = {}
    for image in images:
        other = files.setdefault(key(str(image)), image)
        if other != image:
            raise UserError(f"{other} and {image} both fit the same row of {path}; remove one.")
    seen: dict[object, int] = {}
    for line, name in names.items():
        wanted = key(name)
        if wanted not in files:
            raise UserError(
                f"{path}, line {line}: there is no image for {name!r}; add it or remove the line."
            )
        if wanted in seen:
            raise UserError(
                f"{path}, line {line}: {name!r} stands in line {seen[wanted]} already; keep one."
            )
        seen[wanted] = line
    lonely = [image for wanted, image in files.items() if wanted not in seen]
    if lonely:
        raise UserError(
            f"{lonely[0]} has no row in {path} ({len(lonely)} such images); add rows or remove "
            "the images."
        )
    return [files[key(name)] for name in names]


def stem_key(name: str) -> str:
    """The file name without folders and extension, lower-cased."""
    return re.split(r"[/\\]", name)[-1].rsplit(".", 1)[0].lower()


def class_key(name: str) -> tuple[str, ...]:
    """Class and number, written ``class/7.jpg``, ``class/class_7.jpg`` or ``class_7.jpg``."""
    stem = re.sub(r"\.[A-Za-z]+$", "", name).lower()
    return tuple(re.split(r"[/\\_]+", stem))[-2:]
