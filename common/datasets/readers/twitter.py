"""Twitter I (You et al. 2015) and Twitter II (Borth et al. 2013): positive and negative images."""

from __future__ import annotations

from pathlib import Path

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.readers.folder import Labels, read_tree
from common.datasets.readers.lists import find_lists, read_listed, read_one_list

LABELS = Labels.of_dataset("twitter1")
AGREE = {3: "three_agrees", 4: "four_agrees", 5: "five_agrees"}
FOLDERS = ("Agg_AMT_Candidates", "images", "image", ".")


def read_one(root: Path, agree: int = 3) -> Manifest:
    """Read Twitter I: images and ``twitter_three_agrees.txt`` with lines ``file 0`` or ``file 1``.

    The list is in `root` or in ``ground_truth/``, the images are in ``Agg_AMT_Candidates/`` or
    ``images/``. There is no official split: a fixed fifth of either class is the test split.
    Class folders and lists ``train*``, ``test*`` are read too.

    Args:
        root: its folder.
        agree: how many of five raters at least agreed: 3, 4 or 5.

    Raises:
        UserError: no list and no class folders, or a label that is neither 0 nor 1.
    """
    root, form = Path(root), AGREE[agree]
    for place in (root, root / "ground_truth"):
        file = place / f"twitter_{form}.txt"
        if file.is_file():
            base = next(root / f for f in FOLDERS if (root / f).is_dir())
            return read_one_list("twitter1", root, file, base, LABELS, form)
    if agree == 3:
        return _other("twitter1", root, f"Agg_AMT_Candidates/ and twitter_{form}.txt")
    raise UserError(
        f"there is no Twitter I at {root} with {agree} of five raters agreeing: expected the list "
        f"twitter_{form}.txt and the folder Agg_AMT_Candidates/ with the images."
    )


def read_two(root: Path) -> Manifest:
    """Read Twitter II: class folders ``positive``, ``negative``, or a list ``ground_truth.txt``.

    How the official archive is laid out is not known here; these are the forms its users read. A
    list has lines ``path label``, with 0 or ``negative`` and 1 or ``positive``.

    Raises:
        UserError: neither is there.
    """
    root = Path(root)
    file = root / "ground_truth.txt"
    if file.is_file():
        base = next(root / f for f in FOLDERS if (root / f).is_dir())
        return read_one_list("twitter2", root, file, base, LABELS, "list")
    return _other("twitter2", root, "images/ and ground_truth.txt")


def _other(name: str, root: Path, official: str) -> Manifest:
    files = find_lists(root, len(LABELS.choices[0])) if root.is_dir() else {}
    if files:
        return read_listed(name, root, files, LABELS)
    hint = (
        f"expected {official}, or negative/ and positive/, with or without train/ and test/ above."
    )
    return read_tree(name, root, LABELS, hint)
