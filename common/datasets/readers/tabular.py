"""Tables of images, CSV or Parquet: one row an image, its path, label and whatever else it has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.readers.expressions import drop_missing
from common.datasets.readers.folder import is_drawn
from common.datasets.readers.own_split import with_own_split

TABLES = ("index.parquet", "index.csv", "labels.parquet", "labels.csv", "metadata.csv")
PATH = ("path", "image", "file", "file_name", "filename", "image_path")
LABEL = ("label", "class", "emotion", "category")
SPLIT = ("split", "subset", "usage")
SPLITS = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}
TARGETS = {"valence": ("valence", "v"), "arousal": ("arousal", "a")}


def read(root: Path, name: str = "table") -> Manifest:
    """Read one table with a path and a label a row; a split, valence and arousal are optional.

    Args:
        root: the table itself, or a folder with one of :data:`TABLES`. Paths in it are relative to
            its folder and may not leave it.
        name: dataset name.

    Returns:
        Labels that are whole numbers keep them, other labels are numbered alphabetically. Without
        a column ``split`` a fixed fifth is the test split.

    Raises:
        UserError: no table, no such columns, an empty cell, a path outside the folder, a split
            other than train, val and test, images missing.
    """
    file = _table_file(Path(root))
    frame = _frame(file)
    folder = file.parent.resolve()
    columns = {str(c).strip().lower(): c for c in frame.columns}
    told = ", ".join(map(str, frame.columns[:12]))
    paths = _column(frame, columns, PATH)
    label = _column(frame, columns, LABEL)
    if paths is None or label is None:
        lacking = "path" if paths is None else "label"
        raise UserError(f"{file} has no column {lacking}; its columns are {told}.")
    for series in (paths, label):
        if series.isna().any():
            row = int(np.flatnonzero(series.isna())[0])
            raise UserError(f"{file}, row {row + 1}: {series.name} is empty.")
    places = [folder / str(p) for p in paths]
    for place in places:
        if not place.resolve().is_relative_to(folder):
            raise UserError(f"{file} names {place}, which is outside {folder}; move it there.")
    there, notes = drop_missing(name, places, file)
    numbers, classes = _labels(label, file)
    table = pd.DataFrame({"path": [str(p) for p in places], "label": numbers})
    split = _column(frame, columns, SPLIT)
    if split is not None:
        table["split"] = _splits(split, file)
    for target, options in TARGETS.items():
        values = _column(frame, columns, options)
        if values is not None:
            table[target] = pd.to_numeric(values, errors="coerce").to_numpy(np.float64)
    table = table[there].reset_index(drop=True)
    if split is None:
        table, note = with_own_split(table, name)
        notes.append(note)
    form = file.suffix.lstrip(".").lower()
    return Manifest(name, Path("/"), classes, table, is_drawn(folder), notes, form)


def _table_file(root: Path) -> Path:
    if root.is_file():
        return root
    found = [root / table for table in TABLES if (root / table).is_file()]
    if not found:
        found = sorted(f for f in root.glob("*") if f.suffix.lower() in (".csv", ".parquet"))
    if len(found) != 1:
        told = ", ".join(f.name for f in found) or "none"
        raise UserError(
            f"one table is needed in {root}, found {told}; give the table itself, a CSV or Parquet "
            "file with the columns path and label."
        )
    return found[0]


def _frame(file: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(file) if file.suffix.lower() == ".parquet" else pd.read_csv(file)
    except ImportError:
        raise UserError(
            f"{file} is a Parquet table; install pyarrow (pip install 'emotionlab[tables]') or "
            "write it as CSV."
        ) from None
    except (ValueError, OSError, pd.errors.ParserError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{file} cannot be read as a table: {reason}") from None
    if frame.empty:
        raise UserError(f"{file} has no rows; expected one an image.")
    return frame


def _column(
    frame: pd.DataFrame, columns: dict[str, object], options: tuple[str, ...]
) -> pd.Series | None:
    found = next((columns[name] for name in options if name in columns), None)
    return None if found is None else frame[found]


def _labels(label: pd.Series, file: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    values = pd.to_numeric(label, errors="coerce")
    if values.notna().all() and (values == values.round()).all():
        if values.min() < 0:
            raise UserError(f"{file} has the label {int(values.min())}; expected 0 or more.")
        numbers = values.to_numpy(np.int64)
        return numbers, tuple(str(k) for k in range(int(numbers.max()) + 1))
    names = label.astype(str).str.strip()
    classes = tuple(sorted(names.unique()))
    return names.map({c: k for k, c in enumerate(classes)}).to_numpy(np.int64), classes


def _splits(split: pd.Series, file: Path) -> list[str]:
    plain = [SPLITS.get(str(s).strip().lower(), str(s).strip().lower()) for s in split]
    odd = [s for s in plain if s not in ("train", "val", "test")]
    if odd:
        raise UserError(f"{file} has the split {odd[0]!r}; expected train, val or test.")
    return plain
