"""WEBEmo: web images of 25 emotions, which its hierarchy joins to six and to two."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.labels import mapping
from common.datasets.readers.folder import (
    Labels,
    folders,
    of_splits,
    read_tree,
    split_folders,
)
from common.datasets.readers.lists import find_lists, read_listed


def read(root: Path, classes: int = 25) -> Manifest:
    """Read ``[images/]train25/<0..24>/`` and ``test25/<0..24>/``, lists, or class folders.

    The layout of the official archive is not known here for certain: folders ``test25/<number>``
    are what its users read, and ``train25`` is taken to go with them; ``train``, ``validation``
    and ``test`` with class names are read too.

    Args:
        root: its folder.
        classes: 25, 6 or 2. Where only the 25 are there, the others come from the hierarchy
            (:mod:`common.datasets.labels`); images of a class without counterpart are left out and
            counted.

    Raises:
        UserError: nothing of this is there.
    """
    root = Path(root)
    name = f"webemo{classes}"
    own = _read_as(name, root, classes)
    if own is not None:
        return own
    if classes != 25:
        finest = _read_as(name, root, 25)
        if finest is not None:
            return _joined(finest, name, classes)
    raise UserError(
        f"there is no WEBEmo at {root}: expected images/train{classes}/<class>/ and "
        f"images/test{classes}/<class>/, with numbers or names; it is to be asked for at "
        "https://rpand002.github.io/emotion.html."
    )


def _read_as(name: str, root: Path, number: int) -> Manifest | None:
    labels = Labels.of_dataset(f"webemo{number}")
    if not root.is_dir():
        return None
    files = find_lists(root, number)
    if files and (number == 25 or all(str(number) in file.stem for file in files.values())):
        return read_listed(name, root, files, labels)
    for base in (root, root / "images"):
        inside = {s: base / f"{s}{number}" for s in ("train", "test")}
        if all(folder.is_dir() for folder in inside.values()):
            return _of_folders(name, inside, labels)
        splits = split_folders(base)
        if "train" in splits and labels.fitting([f.name for f in folders(splits["train"])]):
            return read_tree(name, base, labels)
    return None


def _of_folders(name: str, splits: dict[str, Path], labels: Labels) -> Manifest:
    manifest = of_splits(name, next(iter(splits.values())).parent, splits, labels, "")
    manifest.form = "official"
    return manifest


def _joined(manifest: Manifest, name: str, classes: int) -> Manifest:
    joined = mapping("webemo25", name)
    index = np.array(joined.index)[manifest.labels]
    kept = manifest.take(np.flatnonzero(index >= 0))
    kept.table["label"] = index[index >= 0]
    note = f"{classes} classes joined from the 25 of WEBEmo"
    if joined.without:
        note += f"; {(index < 0).sum()} images of {', '.join(joined.without)} are left out"
    return Manifest(
        name,
        kept.root,
        joined.target_classes,
        kept.table,
        kept.drawn,
        [*kept.notes, note],
        kept.form,
    )
