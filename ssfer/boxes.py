"""Files of face boxes: made once per image, found again by the content of the image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.readers.table import numbers, read_delimited
from common.files import replacing
from ssfer import faces
from ssfer.faces import Detector

CORNERS = ("x1", "y1", "x2", "y2")
COLUMNS = ("path", "sha256", "detector", "faces", *CORNERS, "confidence")
EXPECTED = f"the columns {', '.join(COLUMNS)}, as `python -m ssfer.detect_faces` writes them"
FAR = 1e6  # pixels; no corner is further out


@dataclass(frozen=True)
class Found:
    """What a detector saw in one image.

    Attributes:
        faces: how many.
        corners: of the only one, in the frame of :mod:`ssfer.faces`; None for none or several.
        confidence: of the only one.
    """

    faces: int
    corners: tuple[float, float, float, float] | None = None
    confidence: float | None = None

    @classmethod
    def of(cls, detections: np.ndarray) -> Found:
        """From float [k, 6]."""
        if len(detections) != 1:
            return cls(len(detections))
        row = [float(value) for value in detections[0]]
        return cls(1, tuple(row[:4]), row[4])

    @property
    def box(self) -> np.ndarray:
        """int64 [4], see :func:`ssfer.faces.box_of`."""
        rows = [] if self.corners is None else [self.corners]
        return faces.box_of(np.array(rows, np.float32).reshape(-1, 4))


def detector_tag(name: str, weights: Path | None) -> str:
    """``name`` or ``name:<start of the weights' hash>``: boxes of different ones do not mix."""
    return name if name == "none" else f"{name}:{faces.content_hash(weights)[:12]}"


def read(path: Path) -> pd.DataFrame:
    """A file of boxes, indexed by path; ``faces`` int, corners and confidence float or NaN.

    Raises:
        UserError: missing or damaged file, a path that stands twice, or a cell that is no number.
    """
    frame = read_delimited(path, EXPECTED)
    if lacking := [name for name in COLUMNS if name not in frame.columns]:
        raise UserError(f"{path} lacks the column {lacking[0]}; expected {EXPECTED}.")
    if (twice := frame["path"].duplicated()).any():
        line = frame.index[twice][0]
        raise UserError(f"{path}, line {line}: {frame['path'][line]!r} stands twice; keep one row.")
    frame["faces"] = numbers(frame["faces"], path, 0, FAR).astype(int)
    single = frame["faces"] == 1
    for name in (*CORNERS, "confidence"):
        values = np.full(len(frame), np.nan)
        values[single.to_numpy()] = numbers(frame.loc[single, name], path, -FAR, FAR)
        frame[name] = values
    return frame.set_index("path")


def write(rows: dict[str, tuple[str, Found]], detector: str, path: Path) -> None:
    """Write a file of boxes in one step.

    Args:
        rows: path relative to the images' folder -> (content hash, what was found).
        detector: see :func:`detector_tag`.

    Raises:
        UserError: the place cannot be written.
    """
    lines = [
        (name, digest, detector, found.faces, *(found.corners or [""] * 4), found.confidence)
        for name, (digest, found) in rows.items()
    ]
    table = pd.DataFrame(lines, columns=list(COLUMNS))
    try:
        with replacing(path) as part:
            table.to_csv(part, index=False)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}).") from None


def known(table: pd.DataFrame, detector: str) -> dict[str, Found]:
    """Content hash -> what this detector found, from an earlier file."""
    own = table[table["detector"] == detector]
    return {row.sha256: _found(row) for row in own.itertuples()}


def _found(row) -> Found:
    if row.faces != 1:
        return Found(row.faces)
    return Found(1, tuple(float(getattr(row, name)) for name in CORNERS), float(row.confidence))


def detect(
    folder: Path, names: Iterable[str], detector: Detector, earlier: dict[str, Found]
) -> tuple[dict[str, tuple[str, Found]], int]:
    """Boxes of every image; an image whose content was seen before is not looked at again.

    Args:
        folder: the images' folder.
        names: paths relative to it.
        detector: see :mod:`ssfer.faces`.
        earlier: see :func:`known`.

    Returns:
        (rows for :func:`write`, number of images that were looked at).
    """
    seen, rows, fresh = dict(earlier), {}, 0
    for name in tqdm(list(names), desc="finding faces", unit="image", disable=None):
        digest = faces.content_hash(folder / name)
        if digest not in seen:
            seen[digest] = Found.of(detector(faces.framed(folder / name)))
            fresh += 1
        rows[name] = (digest, seen[digest])
    return rows, fresh


def relative_names(manifest: Manifest, folder: Path) -> list[str]:
    """Paths of a manifest relative to `folder`, with forward slashes."""
    root = folder.absolute()
    return [(manifest.root / p).relative_to(root).as_posix() for p in manifest.table["path"]]


def check_complete(manifest: Manifest, folder: Path, table: pd.DataFrame, path: Path) -> None:
    """Refuse a file of boxes that misses images.

    Raises:
        UserError: says how many and names the first.
    """
    missing = [name for name in relative_names(manifest, folder) if name not in table.index]
    if missing:
        raise UserError(
            f"{path} misses {len(missing)} of the {len(manifest)} images in {folder}, the first "
            f"{missing[0]}; run `python -m ssfer.detect_faces --images {folder} --out {path}` with "
            "its detector again."
        )


def from_file(
    manifest: Manifest, folder: Path, table: pd.DataFrame, path: Path
) -> list[np.ndarray]:
    """The box of every image of a manifest.

    Raises:
        UserError: an image is not the one that the file describes.
    """
    boxes = []
    for name in relative_names(manifest, folder):
        row = table.loc[name]
        if row["sha256"] != faces.content_hash(folder / name):
            raise UserError(
                f"{folder / name} has changed since {path} was made; run `python -m "
                f"ssfer.detect_faces --images {folder} --out {path}` with its detector again."
            )
        boxes.append(_found(row).box)
    return boxes
