"""FlickrLDL and TwitterLDL: images with a vote count, or a share, for each of eight emotions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.manifest import Manifest
from common.data.readers.folder import images_below, is_drawn
from common.data.readers.table import match_images, numbers, read_delimited, stem_key

IMAGE = ("image", "img", "image_name", "imagename", "filename", "file_name", "file", "name", "path")


def read_votes(name: str, root: Path, emotions: tuple[str, ...]) -> Manifest:
    """Read ``<root>/{train,test}/**/<image>`` and the configuration CSV beside them.

    The CSV is ``*config*.csv``, or the only CSV there is. It has a header with the emotions in any
    order and an image column (the first other column where it has no usual name).

    Args:
        name: dataset name.
        root: its folder.
        emotions: column names, in the order of the distribution.

    Returns:
        ``dist`` float64 [8] or int64 [8] as written; ``label`` is its first maximum.

    Raises:
        UserError: missing folder, CSV or column; a row without image, an image without row; votes
            that are negative, no numbers, or all zero.
    """
    root = Path(root)
    hint = (
        f"expected {name} as {root}/train/<image>, {root}/test/<image> and a CSV file {root}/"
        f"*config*.csv with an image column and the columns {', '.join(emotions)}."
    )
    folders = {split: root / split for split in ("train", "test")}
    for split, folder in folders.items():
        if not folder.is_dir():
            raise UserError(f"no {split} images of {name}: there is no folder {folder}; {hint}")
    path = _config(root, hint)
    frame = read_delimited(path, "a header with an image column and eight emotions")
    lacking = [emotion for emotion in emotions if emotion not in frame.columns]
    if lacking:
        raise UserError(f"{path} has no column {', '.join(lacking)}; {hint}")
    others = [c for c in frame.columns if c not in emotions]
    if not others:
        raise UserError(f"{path} has no column with the image's name; {hint}")
    names = frame[next((c for c in IMAGE if c in others), others[0])]
    votes = np.stack([numbers(frame[e], path, 0, np.inf) for e in emotions], axis=1)
    empty = np.flatnonzero(votes.sum(axis=1) == 0)
    if len(empty):
        raise UserError(
            f"{path}, line {frame.index[empty[0]]}: all votes of {names.iloc[empty[0]]!r} are "
            "zero, so it has no emotion; remove the line and its image."
        )
    if (votes == np.rint(votes)).all():
        votes = votes.astype(np.int64)
    split_of = {
        image: split for split, f in folders.items() for image in images_below(f.absolute())
    }
    images = match_images(names, split_of, path, stem_key)
    table = pd.DataFrame(
        {
            "path": [str(image) for image in images],
            "label": votes.argmax(axis=1),
            "split": [split_of[image] for image in images],
            "dist": list(votes),
        }
    )
    table = table.sort_values("path", ignore_index=True)
    return Manifest(name, Path("/"), emotions, table, any(map(is_drawn, folders.values())))


def _config(root: Path, hint: str) -> Path:
    found = sorted(root.glob("*.csv"))
    named = [path for path in found if "config" in path.name.lower()]
    chosen = named or found
    if len(chosen) != 1:
        told = f"{len(chosen)} of them ({', '.join(p.name for p in chosen)})" if chosen else "none"
        raise UserError(f"one configuration CSV is needed in {root}, found {told}; {hint}")
    return chosen[0]
