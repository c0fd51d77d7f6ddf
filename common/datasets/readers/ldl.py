"""FlickrLDL and TwitterLDL: images with a vote count, or a share, for each of eight emotions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.catalogue import LABEL_SETS
from common.datasets.readers.folder import images_below, is_drawn
from common.datasets.readers.lists import listed_table
from common.datasets.readers.own_split import with_own_split
from common.datasets.readers.table import (
    match_images,
    numbers,
    read_delimited,
    stem_key,
    with_images,
)

IMAGE = ("image", "img", "image_name", "imagename", "filename", "file_name", "file", "name", "path")

EMOTIONS = LABEL_SETS["ldl8"].classes
"""In the order of the columns of the published files."""
TRUTHS = {"train": "train_ground_truth.txt", "test": "test_ground_truth.txt"}
TRUTH = "ground_truth.txt"


def read(root: Path, name: str) -> Manifest:
    """Read either form: see :func:`read_votes` and :func:`read_truths`.

    Raises:
        UserError: neither is there.
    """
    root = Path(root)
    if (root / TRUTH).is_file() or all((root / file).is_file() for file in TRUTHS.values()):
        return read_truths(name, root, EMOTIONS)
    return read_votes(name, root, EMOTIONS)


def read_truths(name: str, root: Path, emotions: tuple[str, ...]) -> Manifest:
    """Read ``images/`` with ``train_ground_truth.txt`` and ``test_ground_truth.txt``.

    The files have a header ``images-name Amusement Awe …`` and blanks between the fields, as the
    users of the download read them. A single ``ground_truth.txt`` has no split; a fixed fifth of
    the images is then the test split.

    Returns:
        As :func:`read_votes`; ``form`` is ``ground truth``.

    Raises:
        UserError: as :func:`read_votes`.
    """
    files = {split: root / file for split, file in TRUTHS.items()}
    if not all(file.is_file() for file in files.values()):
        files = {"all": root / TRUTH}
    folder = root / "images" if (root / "images").is_dir() else root
    tables, notes = [], []
    for split, path in files.items():
        frame = read_delimited(path, "a header, then an image's name and eight votes", blanks=True)
        lacking = [emotion for emotion in emotions if emotion not in frame.columns]
        if lacking:
            raise UserError(f"{path} has no column {', '.join(lacking)}; expected all eight.")
        names = frame[next(c for c in frame.columns if c not in emotions)]
        votes = _votes(frame, path, emotions)
        table, missing = listed_table(
            name,
            path,
            paths=[folder / image for image in names],
            label=votes.argmax(axis=1),
            split=split,
            dist=list(votes),
        )
        tables.append(table)
        notes += [*missing, *_without_votes(votes, path)]
    table = pd.concat(tables, ignore_index=True).sort_values("path", ignore_index=True)
    if "all" in files:
        table, note = with_own_split(table, name)
        notes.append(note)
    return Manifest(name, Path("/"), emotions, table, is_drawn(root), notes, "ground truth")


def read_votes(
    name: str,
    root: Path,
    emotions: tuple[str, ...],
    needed: tuple[str, ...] = ("train", "test"),
) -> Manifest:
    """Read ``<root>/{train,test}/**/<image>`` and the configuration CSV beside them.

    The CSV is ``*config*.csv``, or the only CSV there is. It has a header with the emotions in any
    order and an image column (the first other column where it has no usual name).

    Args:
        name: dataset name.
        root: its folder.
        emotions: column names, in the order of the distribution.
        needed: folders that must be there; of the others what is there is read.

    Returns:
        ``dist`` float64 [8] or int64 [8] as written; ``label`` is its first maximum.

    Raises:
        UserError: missing folder, CSV or column; an image without row; votes that are negative, no
            numbers. Rows without image are left out and counted; rows without votes are counted.
    """
    root = Path(root)
    hint = (
        f"expected {name} as {root}/train/<image>, {root}/test/<image> and a CSV file {root}/"
        f"*config*.csv with an image column and the columns {', '.join(emotions)}."
    )
    folders = {split: root / split for split in ("train", "test")}
    for split, folder in folders.items():
        if split in needed and not folder.is_dir():
            raise UserError(f"no {split} images of {name}: there is no folder {folder}; {hint}")
    path = _config(root, hint)
    frame = read_delimited(path, "a header with an image column and eight emotions")
    lacking = [emotion for emotion in emotions if emotion not in frame.columns]
    if lacking:
        raise UserError(f"{path} has no column {', '.join(lacking)}; {hint}")
    others = [c for c in frame.columns if c not in emotions]
    if not others:
        raise UserError(f"{path} has no column with the image's name; {hint}")
    split_of = {
        image: split
        for split, folder in folders.items()
        if folder.is_dir()
        for image in images_below(folder.absolute())
    }
    named = next((c for c in IMAGE if c in others), others[0])
    frame, notes = with_images(frame, named, split_of, path, stem_key)
    names = frame[named]
    votes = _votes(frame, path, emotions)
    notes += _without_votes(votes, path)
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
    drawn = any(map(is_drawn, folders.values()))
    return Manifest(name, Path("/"), emotions, table, drawn, notes, form="configuration")


def _votes(frame: pd.DataFrame, path: Path, emotions: tuple[str, ...]) -> np.ndarray:
    """int64 or float64 [n, 8]."""
    votes = np.stack([numbers(frame[e], path, 0, np.inf) for e in emotions], axis=1)
    return votes.astype(np.int64) if (votes == np.rint(votes)).all() else votes


def _without_votes(votes: np.ndarray, path: Path) -> list[str]:
    """A note on rows whose votes are all zero, which are read as equal votes for every emotion."""
    number = int((votes.sum(axis=1) == 0).sum())
    return [f"{path} has no vote for {number} image(s): all emotions count alike"] if number else []


def _config(root: Path, hint: str) -> Path:
    files = sorted(root.glob("*.csv"))
    chosen = [path for path in files if "config" in path.name.lower()] or files
    if len(chosen) != 1:
        names = ", ".join(path.name for path in chosen)
        what = f"{len(chosen)} of them ({names})" if chosen else "none"
        raise UserError(f"one configuration CSV is needed in {root}, found {what}; {hint}")
    return chosen[0]
