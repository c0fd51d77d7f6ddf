"""Emotion6: six class folders and a table with valence, arousal and shares of votes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.catalogue import DATASETS
from common.datasets.readers.folder import Labels, read_folders, read_tree
from common.datasets.readers.table import (
    class_key,
    column,
    match_images,
    numbers,
    read_delimited,
    with_images,
)

CLASSES = DATASETS["emotion6"].classes
GROUND_TRUTH = "ground_truth_v2.txt"
PUBLISHED_TRUTH = "ground_truth.txt"
FILE = ("image_filename", "filename", "file_name", "file", "image", "img", "path", "name")
VALENCE = ("v", "valence", "valence_mean", "mean_valence")
AROUSAL = ("a", "arousal", "arousal_mean", "mean_arousal")


def read(root: Path) -> Manifest:
    """Read Emotion6 in the form it is published in, or split in two by its users.

    The publication has ``images/<class>/<number>.jpg`` and a table ``ground_truth.txt`` whose
    columns are the image, valence, arousal and the shares of seven votes. It has no split: a fixed
    fifth of every class is the test split. For the other form see :func:`read_emotion6`.

    Returns:
        Labels are the class folders, the keyword an image was found by; ``valence``, ``arousal``
        1..9 and ``dist`` float64 [7], the shares in class order and of no emotion.

    Raises:
        UserError: see :func:`read_emotion6`.
    """
    root = Path(root)
    table = root / PUBLISHED_TRUTH
    if not table.is_file() or (root / GROUND_TRUTH).is_file():
        return read_emotion6(root)
    hint = f"expected Emotion6 as {root}/images/<class>/<image> and {table}."
    manifest = read_tree("Emotion6", root, Labels((CLASSES,)), hint)
    frame = read_delimited(table, "a header, then an image, valence, arousal and seven shares")
    frame, notes = _with_images(frame, table, manifest)
    rated = _rated(frame, table, manifest.table["path"])
    shares = [column(frame, table, (f"prob. {name}",)) for name in (*CLASSES, "neutral")]
    rated["dist"] = list(np.stack([numbers(frame[c], table, 0, 1) for c in shares], axis=1))
    manifest.table = manifest.table.merge(rated, on="path", how="left", validate="one_to_one")
    manifest.form, manifest.notes = "published", [*manifest.notes, *notes]
    return manifest


def read_emotion6(root: Path) -> Manifest:
    """Read ``<root>/{train,test}/<class>/<image>`` and ``<root>/ground_truth_v2.txt``.

    The table has a header with an image column and the columns v and a (1..9); images are written
    ``class/7.jpg``, ``class/class_7.jpg`` or ``class_7.jpg``.

    Returns:
        Labels are the class folders; ``valence`` and ``arousal`` 1..9.

    Raises:
        UserError: missing folders or table, an image without row, a target that is no number from
            1 to 9. Rows without image are left out and counted.
    """
    root = Path(root)
    hint = (
        f"expected Emotion6 as {root}/train/<class>/<image>, {root}/test/<class>/<image> and "
        f"{root}/{GROUND_TRUTH}."
    )
    manifest = read_folders("Emotion6", {s: root / s for s in ("train", "test")}, hint=hint)
    path = root / GROUND_TRUTH
    if not path.is_file():
        raise UserError(f"there is no {path}; {hint}")
    frame = read_delimited(path, "a header with an image column, v and a, then a line an image")
    frame, notes = _with_images(frame, path, manifest)
    table = _rated(frame, path, manifest.table["path"])
    manifest.table = manifest.table.merge(table, on="path", how="left", validate="one_to_one")
    manifest.form, manifest.notes = "split", [*manifest.notes, *notes]
    return manifest


def _with_images(frame: pd.DataFrame, path: Path, manifest: Manifest):
    """See :func:`common.datasets.readers.table.with_images`."""
    images = map(Path, manifest.table["path"])
    return with_images(frame, column(frame, path, FILE), images, path, class_key)


def _rated(frame: pd.DataFrame, path: Path, images: pd.Series) -> pd.DataFrame:
    """Columns ``path``, ``valence`` and ``arousal``, a row an image."""
    names = frame[column(frame, path, FILE)]
    return pd.DataFrame(
        {
            "valence": numbers(frame[column(frame, path, VALENCE)], path, 1, 9),
            "arousal": numbers(frame[column(frame, path, AROUSAL)], path, 1, 9),
            "path": map(str, match_images(names, map(Path, images), path, class_key)),
        }
    )
