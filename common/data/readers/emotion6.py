"""Emotion6: six class folders a split and ``ground_truth_v2.txt`` with valence and arousal."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from common.cli import UserError
from common.data.manifest import Manifest
from common.data.readers.folder import read_folders
from common.data.readers.table import class_key, column, match_images, numbers, read_delimited

GROUND_TRUTH = "ground_truth_v2.txt"
FILE = ("image_filename", "filename", "file_name", "file", "image", "img", "path", "name")
VALENCE = ("v", "valence", "valence_mean", "mean_valence")
AROUSAL = ("a", "arousal", "arousal_mean", "mean_arousal")


def read_emotion6(root: Path) -> Manifest:
    """Read ``<root>/{train,test}/<class>/<image>`` and ``<root>/ground_truth_v2.txt``.

    The table has a header with an image column and the columns v and a (1..9); images are written
    ``class/7.jpg``, ``class/class_7.jpg`` or ``class_7.jpg``.

    Returns:
        Labels are the class folders; ``valence`` and ``arousal`` 1..9.

    Raises:
        UserError: missing folders or table, a row without image, an image without row, a target
            that is no number from 1 to 9.
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
    names = frame[column(frame, path, FILE)]
    table = pd.DataFrame(
        {
            "valence": numbers(frame[column(frame, path, VALENCE)], path, 1, 9),
            "arousal": numbers(frame[column(frame, path, AROUSAL)], path, 1, 9),
            "path": map(
                str, match_images(names, map(Path, manifest.table["path"]), path, class_key)
            ),
        }
    )
    manifest.table = manifest.table.merge(table, on="path", how="left", validate="one_to_one")
    return manifest
