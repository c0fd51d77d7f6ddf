"""EmoSet-118K: lists ``train.json``, ``val.json`` and ``test.json`` beside ``image/<class>/``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.catalogue import DATASETS
from common.datasets.readers.folder import Labels, is_drawn, read_tree
from common.datasets.readers.lists import listed_table
from common.files import read_json

NAME = "emoset"
MIKELS = DATASETS[NAME].classes
HELP = (
    "expected train.json, val.json and test.json beside image/<class>/, or <split>/<class>/; "
    "source: https://vcc.tech/EmoSet."
)


def read(root: Path) -> Manifest:
    """Read the lists ``[[class, (id,) image path, annotation path], …]``, or class folders.

    Classes are in alphabetical order, as for the other datasets of these eight emotions;
    ``info.json`` of the release numbers them otherwise. Its attributes (brightness, scene, …) are
    not read.

    Raises:
        UserError: lists or images are missing, or an entry is of another form.
    """
    root = Path(root)
    files = {split: root / f"{split}.json" for split in ("train", "val", "test")}
    if not any(file.is_file() for file in files.values()):
        return read_tree(NAME, root, Labels((MIKELS,)), HELP)
    tables, notes = [], []
    for split, file in files.items():
        rows = _entries(file)
        table, missing = listed_table(
            NAME,
            file,
            paths=[root / path for _, path in rows],
            label=np.array([MIKELS.index(name) for name, _ in rows], np.int64),
            split=split,
        )
        tables.append(table)
        notes += missing
    table = pd.concat(tables, ignore_index=True)
    return Manifest(NAME, Path("/"), MIKELS, table, is_drawn(root), notes, "official")


def _entries(file: Path) -> list[tuple[str, str]]:
    raw = read_json(file, HELP.rstrip("."))
    rows = []
    for number, entry in enumerate(raw if isinstance(raw, list) else [raw], start=1):
        words = entry if isinstance(entry, list) and all(isinstance(w, str) for w in entry) else []
        image = next((w for w in words[1:] if w.startswith("image/")), None)
        if image is None or words[0].lower() not in MIKELS:
            raise UserError(
                f"{file}, entry {number}: {str(entry)[:80]} is not [class, image/<class>/<file>, "
                f"annotation] with a class of {', '.join(MIKELS)}."
            )
        rows.append((words[0].lower(), image))
    if not rows:
        raise UserError(f"{file} is empty; copy EmoSet again.")
    return rows
