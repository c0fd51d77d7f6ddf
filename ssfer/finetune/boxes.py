"""Files of face boxes: a row an image, found once on the images as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.readers.table import numbers, read_delimited
from common.files import replacing
from ssfer.finetune import faces

CORNERS = ("x1", "y1", "x2", "y2")
COLUMNS = ("path", "detector", "faces", *CORNERS, "confidence")
EXPECTED = f"the columns {', '.join(COLUMNS)}, as `python -m ssfer.detect_faces` writes them"
FAR = 1e6  # pixels; no corner is further out


def row_of(path: str, detector: str, detections: np.ndarray) -> tuple:
    """A row of the table: corners and confidence of the only face, else empty."""
    single = len(detections) == 1
    values = [float(value) for value in detections[0][:5]] if single else [""] * 5
    return (path, detector, len(detections), *values)


def read(path: Path) -> dict[str, np.ndarray]:
    """Path of an image -> its box, int64 [4]: see :func:`ssfer.finetune.faces.box_of`.

    Raises:
        UserError: missing or damaged file, a path that stands twice, or a cell that is no number.
    """
    frame = read_delimited(path, EXPECTED)
    if lacking := [name for name in COLUMNS if name not in frame.columns]:
        raise UserError(f"{path} lacks the column {lacking[0]}; expected {EXPECTED}.")
    if (twice := frame["path"].duplicated()).any():
        line = frame.index[twice][0]
        raise UserError(f"{path}, line {line}: {frame['path'][line]!r} stands twice; keep one row.")
    single = numbers(frame["faces"], path, 0, FAR) == 1
    corners = np.full((len(frame), 4), np.nan, np.float32)
    for i, name in enumerate(CORNERS):
        corners[single, i] = numbers(frame.loc[single, name], path, -FAR, FAR)
    return {
        name: faces.box_of(corners[i : i + 1] if single[i] else corners[:0])
        for i, name in enumerate(frame["path"])
    }


def attach(labelled: Manifest, folder: Path, boxes: dict[str, np.ndarray], path: Path) -> Manifest:
    """A copy of a manifest with the column ``box``.

    Args:
        folder: that the paths of the file are relative to.
        boxes: see :func:`read`.
        path: of the file, for messages.

    Raises:
        UserError: the file misses images; says how many and names the first.
    """
    root = folder.absolute()
    names = [(labelled.root / p).relative_to(root).as_posix() for p in labelled.table["path"]]
    if missing := [name for name in names if name not in boxes]:
        raise UserError(
            f"{path} misses {len(missing)} of the {len(labelled)} images in {folder}, the first "
            f"{missing[0]}; run `python -m ssfer.detect_faces --images {folder} --out {path}` "
            "again."
        )
    copy = labelled.take(np.arange(len(labelled)))
    copy.table = copy.table.assign(box=[boxes[name] for name in names])
    return copy


def write(rows: list[tuple], path: Path) -> None:
    """Write a file of boxes in one step.

    Raises:
        UserError: the place cannot be written.
    """
    try:
        with replacing(path) as part:
            pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(part, index=False)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}).") from None
