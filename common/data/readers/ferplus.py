"""FERPlus: FER2013's faces with the votes of ten people, the majority deciding."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.manifest import Manifest
from common.data.readers.expressions import drop_missing, first_existing
from common.data.readers.folder import is_drawn
from common.data.readers.table import column, numbers, read_delimited

NAME = "ferplus"
CLASSES = (
    *("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
)
OTHER = ("unknown", "nf")  # "not a face"
VOTES = "fer2013new.csv"
USAGES = {
    "training": ("train", "FER2013Train"),
    "publictest": ("val", "FER2013Valid"),
    "privatetest": ("test", "FER2013Test"),
}
HELP = (
    f"expected {VOTES} (https://github.com/microsoft/FERPlus) and the folders FER2013Train, "
    "FER2013Valid and FER2013Test with its images"
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

    Faces without a majority are left out and counted in a note, and so are test images whose bytes
    stand in the dataset twice (they stay in).

    Raises:
        UserError: the votes or the image folders are missing or incomplete.
    """
    votes = first_existing([root / VOTES, root / "data" / VOTES, root / "labels" / VOTES])
    if votes is None:
        raise UserError(f"there is no FERPlus at {root}: {HELP}.")
    frame = read_delimited(votes, "Usage, Image name and ten columns of votes")
    usage = frame[column(frame, votes, ("usage",))].str.lower()
    names = frame[column(frame, votes, ("image name", "image"))]
    columns = [column(frame, votes, (name,)) for name in (*CLASSES, *OTHER)]
    label = majority(np.stack([numbers(frame[c], votes, 0, 1000) for c in columns], axis=1))
    odd = ~usage.isin(USAGES)
    if odd.any():
        raise UserError(
            f"{votes}, line {frame.index[odd][0]}: the usage {usage[odd].iloc[0]!r} is none of "
            "Training, PublicTest and PrivateTest."
        )
    kept = (label >= 0) & (names != "").to_numpy()
    folders = {use: _folder(root, votes, of_use) for use, (_, of_use) in USAGES.items()}
    paths = [folders[u] / name for u, name in zip(usage[kept], names[kept], strict=True)]
    there, notes = drop_missing(NAME, paths, votes)
    table = pd.DataFrame(
        {
            "path": [str(p.absolute()) for p in paths],
            "label": label[kept],
            "split": [USAGES[u][0] for u in usage[kept]],
        }
    )[there].reset_index(drop=True)
    for split in ("train", "test"):
        if not (table["split"] == split).any():
            raise UserError(f"{votes} names no {split} image with a majority; copy it again.")
    notes = [f"{(~kept).sum()} faces without a majority for a class are left out", *notes]
    manifest = Manifest(NAME, Path("/"), CLASSES, table, is_drawn(root), notes)
    manifest.notes += repeated_test_images(manifest)
    return manifest


def _folder(root: Path, votes: Path, name: str) -> Path:
    bases = (root, votes.parent, root / "data", root / "Images", root / "images")
    found = first_existing([base / name for base in bases])
    if found is None:
        raise UserError(f"FERPlus at {root} lacks the folder {name}: {HELP}.")
    return found


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
    return [
        f"of {test.sum()} test images {leaked} are also training or validation images and {twice} "
        "repeat another test image, byte for byte; they stay in, as in published results"
    ]
