"""RAF-DB, basic expressions: the official tree, lists of files and labels, or class folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from common.cli import UserError
from common.data.manifest import Kind, Manifest, Note
from common.datasets.catalogue import DATASETS
from common.datasets.readers.folder import is_drawn, read_class_folders
from common.datasets.readers.lists import first_existing, listed_table, read_numbered

NAME = "rafdb"
CLASSES = DATASETS[NAME].classes
COUNTS = {s: tuple(of.values()) for s, of in DATASETS[NAME].published[0].classes.items()}
LABEL_FILE = "list_patition_label.txt"  # the official spelling
HELP = (
    f"expected Image/aligned/ and EmoLabel/{LABEL_FILE}, or train/ and test/ with a folder a class;"
    " `python -m common.datasets twin rafdb --out data/rafdb` draws a stand-in, and RAF-DB itself"
    " is to be asked for at http://www.whdeng.cn/RAF/model1.html"
)


def read(root: Path) -> Manifest:
    """Read RAF-DB from the folder it was unpacked in.

    Looks for the official tree (``EmoLabel/list_patition_label.txt`` with labels 1 to 7 and
    ``Image/aligned``, also one level down in ``basic/``), then for ``train/<class>/`` and
    ``test/<class>/``. Counts that differ from the published ones become notes.

    Raises:
        UserError: nothing of this is there, or the label file or the images are incomplete.
    """
    if not root.is_dir():
        raise UserError(f"there is no RAF-DB at {root}: {HELP}.")
    for base in (root, root / "basic"):
        file = first_existing([base / "EmoLabel" / LABEL_FILE, base / LABEL_FILE])
        if file is not None:
            return _noted(_official(base, file))
    for train, test in (("train", "test"), ("Train", "Test"), ("DATASET/train", "DATASET/test")):
        if (root / train).is_dir():
            return read_folders(root / train, root / test)
    raise UserError(f"{root} holds no RAF-DB: {HELP}.")


def read_folders(train: Path, test: Path) -> Manifest:
    """Read image folders, one a class: names, numbers 1 to 7, or 0 to 6."""
    return _noted(read_class_folders(NAME, {"train": train, "test": test}, CLASSES))


def read_lists(
    train_root: Path,
    test_root: Path,
    train_list: Path,
    test_list: Path,
    name: str = NAME,
    classes: Sequence[str] = CLASSES,
) -> Manifest:
    """Read two image folders with a list of labels each.

    A list has lines ``file label`` with labels from 0; further columns are not read.

    Args:
        train_root, test_root: folders the file names are relative to.
        train_list, test_list: the lists.
        name: dataset name.
        classes: class names in label order.
    """
    tables, notes = [], []
    lists = {"train": (train_root, train_list), "test": (test_root, test_list)}
    for split, (folder, file) in lists.items():
        if not folder.is_dir():
            raise UserError(f"no {split} images of {name}: there is no folder {folder}.")
        listed = read_list(file, classes)
        paths = locate(folder, listed["name"])
        table, missing = listed_table(name, file, paths, label=listed["label"], split=split)
        tables.append(table)
        notes += missing
    drawn = is_drawn(train_root) or is_drawn(test_root)
    table = pd.concat(tables, ignore_index=True)
    manifest = Manifest(name, Path("/"), tuple(classes), table, drawn, notes, "lists")
    return _noted(manifest) if name == NAME else manifest


def read_list(file: Path, classes: Sequence[str] = CLASSES, first: int = 0) -> pd.DataFrame:
    """See :func:`common.datasets.readers.lists.read_numbered`."""
    return read_numbered(file, classes, first)


def locate(folder: Path, names: Sequence[str]) -> list[Path]:
    """Where listed files are: as listed, or with (or without) ``_aligned`` before the ending."""
    found = []
    for name in names:
        plain = folder / name
        if not plain.is_file():
            stem = plain.stem.removesuffix("_aligned")
            for other in (f"{stem}_aligned{plain.suffix}", f"{stem}{plain.suffix}"):
                if plain.with_name(other).is_file():
                    plain = plain.with_name(other)
                    break
        found.append(plain)
    return found


def _official(base: Path, file: Path) -> Manifest:
    listed = read_list(file, first=1)
    split = listed["name"].str.partition("_")[0]
    odd = ~split.isin(["train", "test"])
    if odd.any():
        raise UserError(
            f"{file}: {listed['name'][odd].iloc[0]} begins with neither train_ nor test_, by which "
            "the official list tells the splits apart."
        )
    for wanted in ("train", "test"):
        if not (split == wanted).any():
            raise UserError(f"{file} lists no {wanted} images; copy the official file again.")
    places = [base / "Image" / "aligned", base / "aligned", base / "Image" / "original"]
    folder = first_existing(places)
    if folder is None:
        raise UserError(f"{file} is there, but not the images: there is no folder {places[0]}.")
    paths = locate(folder, listed["name"])
    table, notes = listed_table(NAME, file, paths, label=listed["label"], split=split)
    return Manifest(NAME, Path("/"), CLASSES, table, is_drawn(base), notes, "official")


def _noted(manifest: Manifest) -> Manifest:
    if not manifest.drawn:
        manifest.notes += differing_counts(manifest, COUNTS)
    return manifest


def differing_counts(manifest: Manifest, published: dict[str, Sequence[int]]) -> list[str]:
    """Sentences that say where the images a class differ from the published numbers.

    Args:
        manifest: a whole dataset.
        published: split -> images per class.
    """
    notes = []
    for split, expected in published.items():
        here = manifest.split(split).counts()
        differing = [
            f"{name} {have} instead of {want}"
            for (name, have), want in zip(here.items(), expected, strict=True)
            if have != want
        ]
        if differing:
            sentence = (
                f"{manifest.name}: {sum(here.values())} {split} images, published are "
                f"{sum(expected)} ({', '.join(differing)})"
            )
            notes.append(Note(sentence, Kind.COUNTS))
    return notes
