"""FERPlus: FER2013's faces with the votes of ten people, the majority deciding."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.manifest import Kind, Manifest, Note
from common.datasets.catalogue import DATASETS
from common.datasets.readers.affectnet import EXPRESSIONS
from common.datasets.readers.folder import (
    folders,
    is_drawn,
    read_class_folders,
    split_folders,
)
from common.datasets.readers.lists import drop_missing, first_existing
from common.datasets.readers.table import column, numbers, read_delimited

NAME = "ferplus"
CLASSES = DATASETS[NAME].classes
NUMBERED = EXPRESSIONS
"""What numbered class folders stand for where published checkpoints use them; not the order of
the columns of votes."""
OTHER = ("unknown", "nf")  # "not a face"
VOTES = "fer2013new.csv"
LABELS = "label.csv"
USAGES = {
    "training": ("train", "FER2013Train"),
    "publictest": ("val", "FER2013Valid"),
    "privatetest": ("test", "FER2013Test"),
}
HELP = (
    f"expected {VOTES} (https://github.com/microsoft/FERPlus) and the folders FER2013Train, "
    f"FER2013Valid and FER2013Test with its images, or a {LABELS} of votes in each folder"
)


def majority(votes: np.ndarray) -> np.ndarray:
    """The class that more than half of the votes are for.

    Single votes are struck out first, and the half is of what then remains.

    Args:
        votes: [n, 10], the eight classes, then "unknown" and "not a face".

    Returns:
        int64 [n]; -1 where there is no majority, or one for the last two columns.
    """
    kept = np.where(votes > 1, votes, 0)
    winner = kept.argmax(axis=1)
    decided = kept.max(axis=1) > 0.5 * kept.sum(axis=1)
    return np.where(decided & (winner < len(CLASSES)), winner, -1).astype(np.int64)


def read(root: Path) -> Manifest:
    """Read FERPlus: splits ``train``, ``val`` and ``test``.

    The votes are those of ``fer2013new.csv``; where it is not there, those of the ``label.csv`` in
    each image folder (no header: file, box, ten votes), as the release has them too.

    Faces without a majority are left out and counted in a note, and so are test images whose bytes
    stand in the dataset twice (they stay in).

    Raises:
        UserError: the votes or the image folders are missing or incomplete.
    """
    votes = votes_table(root)
    if votes is not None:
        table, form = _from_table(root, votes), "votes"
    elif label_files(root):
        table, form = _from_labels(root), LABELS
    elif splits := split_folders(root):
        return _from_folders(splits)
    else:
        raise UserError(f"there is no FERPlus at {root}: {HELP}.")
    label = majority(np.stack(table["votes"].to_list()))
    kept = (label >= 0) & (table["path"] != "").to_numpy()
    source = votes if votes is not None else root
    paths = [Path(p) for p in table["path"][kept]]
    there, notes = drop_missing(NAME, paths, source)
    table = table.assign(label=label)[["path", "label", "split"]][kept][there]
    table = table.reset_index(drop=True)
    for split in ("train", "test"):
        if not (table["split"] == split).any():
            raise UserError(f"{source} names no {split} image with a majority; copy it again.")
    notes = [f"{(~kept).sum()} faces without a majority for a class are left out", *notes]
    manifest = Manifest(NAME, Path("/"), CLASSES, table, is_drawn(root), notes, form)
    manifest.notes += repeated_test_images(manifest)
    return manifest


def _from_table(root: Path, votes: Path) -> pd.DataFrame:
    """Columns ``path`` (empty: no image), ``split`` and ``votes`` of ``fer2013new.csv``."""
    frame = read_delimited(votes, "Usage, Image name and ten columns of votes")
    usage = frame[column(frame, votes, ("usage",))].str.lower()
    names = frame[column(frame, votes, ("image name", "image"))]
    columns = [column(frame, votes, (name,)) for name in (*CLASSES, *OTHER)]
    cast = np.stack([numbers(frame[c], votes, 0, 1000) for c in columns], axis=1)
    odd = ~usage.isin(USAGES)
    if odd.any():
        raise UserError(
            f"{votes}, line {frame.index[odd][0]}: the usage {usage[odd].iloc[0]!r} is none of "
            "Training, PublicTest and PrivateTest."
        )
    folders = {use: _folder(root, votes, of_use) for use, (_, of_use) in USAGES.items()}
    paths = [
        str((folders[u] / n).absolute()) if n else "" for u, n in zip(usage, names, strict=True)
    ]
    splits = [USAGES[u][0] for u in usage]
    return pd.DataFrame({"path": paths, "split": splits, "votes": list(cast)})


def _from_labels(root: Path) -> pd.DataFrame:
    """The same of the ``label.csv`` in every image folder."""
    tables = []
    for split, of_split in USAGES.values():
        folder = _folder(root, root, of_split)
        file = folder / LABELS
        frame = read_delimited(file, "lines of file, box and ten votes", header=False)
        if frame.shape[1] < 1 + len(CLASSES) + len(OTHER):  # some copies have no box
            raise UserError(
                f"{file} has {frame.shape[1]} columns; expected file, box and ten votes."
            )
        if not frame.iloc[0, -1].strip().lstrip("-").replace(".", "", 1).isdecimal():
            frame = frame.iloc[1:]  # some copies have a header
        cast = frame.iloc[:, -(len(CLASSES) + len(OTHER)) :]
        cast = np.stack([numbers(cast[c], file, 0, 1000) for c in cast], axis=1)
        paths = [str((folder / name).absolute()) for name in frame[0]]
        tables.append(pd.DataFrame({"path": paths, "split": split, "votes": list(cast)}))
    return pd.concat(tables, ignore_index=True)


def _from_folders(splits: dict[str, Path]) -> Manifest:
    """Class folders by name, or by the numbers of :data:`NUMBERED`."""
    if "train" not in splits or not all(f.name.isdecimal() for f in folders(splits["train"])):
        return read_class_folders(NAME, splits, CLASSES)
    manifest = read_class_folders(NAME, splits, NUMBERED)
    manifest.notes.append(f"folders 0 to 7 of FERPlus are taken for {', '.join(NUMBERED)}")
    return manifest


def votes_table(root: Path) -> Path | None:
    """``fer2013new.csv``, where it is there."""
    return first_existing(root / base / VOTES for base in ("", "data", "labels"))


def label_files(root: Path) -> dict[str, Path]:
    """Image folder -> its own list of votes, where it has one."""
    files = {}
    for _, folder in USAGES.values():
        file = first_existing(base / folder / LABELS for base in _bases(root))
        if file is not None:
            files[folder] = file
    return files


def _bases(root: Path) -> tuple[Path, ...]:
    return (root, root / "data", root / "Images", root / "images")


def _folder(root: Path, votes: Path, name: str) -> Path:
    folder = first_existing([base / name for base in (*_bases(root), votes.parent)])
    if folder is None:
        raise UserError(f"FERPlus at {root} lacks the folder {name}: {HELP}.")
    return folder


def repeated_test_images(manifest: Manifest) -> list[str]:
    """A note on the test images whose bytes stand in the dataset more than once, if any."""
    digests = pd.Series(
        [hashlib.sha1((manifest.root / p).read_bytes()).digest() for p in manifest.table["path"]]
    )
    test = (manifest.table["split"] == "test").to_numpy()
    leaked = digests[test].isin(set(digests[~test])).sum()
    twice = digests[test].duplicated().sum()
    if not leaked and not twice:
        return []
    sentence = (
        f"of {test.sum()} test images {leaked} are also training or validation images and {twice} "
        "repeat another test image, byte for byte; they stay in, as in published results"
    )
    return [Note(sentence, Kind.REPEATED)]
