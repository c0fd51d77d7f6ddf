"""Which copy of a dataset a folder holds, and checks that only one release allows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.catalogue import published
from common.datasets.readers import ferplus
from common.datasets.readers.table import read_delimited

SPLIT_WORDS = {"test": "test", "valid": "val", "val": "val", "train": "train"}


def form(manifest: Manifest, root: Path) -> str:
    """Which copy it is, in words: the layout, and whose counts its own agree with."""
    layout = manifest.form or "class folders or lists as the reader knows them"
    if manifest.name == ferplus.NAME:
        layout = _ferplus_layout(root)
    numbers = None if manifest.drawn else published(manifest.name, manifest.form)
    return f"{layout}; compared with {numbers.source}" if numbers else layout


def _ferplus_layout(root: Path) -> str:
    lists = ferplus.label_files(root)
    votes = [ferplus.VOTES] if ferplus.votes_table(root) else []
    votes += [f"{len(lists)} × {ferplus.LABELS}"] if lists else []
    folders = "/".join(folder for _, folder in ferplus.USAGES.values())
    return f"FER+ release ({folders} with {' and '.join(votes)})"


def split_of(path: Path) -> str:
    """The split that a path's folders tell, ``train`` where they tell none."""
    for part in path.parts[:-1]:
        for word, split in SPLIT_WORDS.items():
            if word in part.lower():
                return split
    return "train"


def contradictions(name: str, root: Path) -> list[str]:
    """Sentences on label files of one release that do not agree with each other."""
    return _ferplus_contradictions(root) if name == ferplus.NAME else []


def _ferplus_contradictions(root: Path) -> list[str]:
    """The votes stand in one table for all and in a list a folder; both must say the same."""
    table, lists = ferplus.votes_table(root), ferplus.label_files(root)
    if table is None or not lists:
        return []
    sentences = []
    try:
        whole = read_delimited(table, "Usage, Image name and ten columns of votes")
        use, image = whole.iloc[:, 0].str.lower(), whole.iloc[:, 1]
        votes = whole.iloc[:, 2:12].apply(lambda c: c.astype(float)).to_numpy()
        for usage, (_, folder) in ferplus.USAGES.items():
            if folder not in lists:
                continue
            mine = ((use == usage) & (image != "")).to_numpy()
            wanted = dict(zip(image[mine], votes[mine], strict=True))
            sentences += _compare(wanted, lists[folder], table)
    except (UserError, ValueError) as error:
        sentences.append(str(error))
    return sentences


def _compare(wanted: dict[str, np.ndarray], file: Path, table: Path) -> list[str]:
    frame = read_delimited(file, "lines of file, box and ten votes", header=False)
    listed = {}
    for row in frame.itertuples(index=False):
        cells = row[-10:]
        if all(cell.replace(".", "", 1).isdecimal() for cell in cells):  # else a header
            listed[row[0]] = np.array(cells, float)
    other = [n for n in wanted.keys() & listed.keys() if not np.array_equal(wanted[n], listed[n])]
    sentences = []
    if other:
        sentences.append(
            f"{file} gives {len(other)} images other votes than {table}, e.g. {min(other)}; copy "
            "both files again."
        )
    alone = wanted.keys() ^ listed.keys()
    if alone:
        sentences.append(
            f"{len(alone)} images stand in only one of {file} and {table}, e.g. {min(alone)}; copy "
            "both files again."
        )
    return sentences
