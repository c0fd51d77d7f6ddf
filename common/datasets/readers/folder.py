"""Image folders: one sub-folder a class, a folder a split."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from common.cli import UserError
from common.data.images import printable
from common.data.manifest import Manifest
from common.datasets.registry import DATASETS, describe

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
DRAWN_MARK = "DRAWN.json"
DRAWN_PREFIX = "drawn_"


def read_folders(
    name: str, splits: dict[str, Path], num_classes: int | None = None, hint: str | None = None
) -> Manifest:
    """Read ``<folder>/<class>/**/<image>`` for every split.

    Classes are the sub-folders of the first split in alphabetical order, images are sorted by
    path, and every split must have the same classes.

    Args:
        name: dataset name, for messages and the manifest.
        splits: split name -> its folder, e.g. ``{"train": …, "test": …}``.
        num_classes: class count that is expected; None accepts any.
        hint: what a user should do where images are missing; None: what the registry says.

    Raises:
        UserError: a folder is missing or empty, splits disagree, or the class count is another.
    """
    classes: tuple[str, ...] = ()
    rows = []
    for split, folder in splits.items():
        found = _class_folders(name, split, folder, hint or _help(name, folder))
        if not classes:
            classes = found
            if num_classes is not None and len(classes) != num_classes:
                raise UserError(
                    f"{folder} has {len(classes)} class folders ({_some(classes)}), but "
                    f"--num_classes is {num_classes}; give -nc {len(classes)} or another folder."
                )
        elif found != classes:
            raise UserError(
                f"{folder} has the classes {_some(found)}, but the {next(iter(splits))} images "
                f"have {_some(classes)}; both need the same class folders."
            )
        before = len(rows)
        for label, label_name in enumerate(classes):
            for path in images_below(folder / label_name):
                rows.append((str(path.absolute()), label, split))
        if len(rows) == before:
            raise UserError(
                f"{folder} has class folders but no image in them; {hint or _help(name, folder)}"
            )
    table = pd.DataFrame(rows, columns=["path", "label", "split"])
    present = table.groupby(["split", "label"]).size()
    notes = [
        f"no {split} images of class {name}"
        for split in splits
        for label, name in enumerate(classes)
        if (split, label) not in present.index
    ]
    drawn = any(is_drawn(folder) for folder in splits.values())
    return Manifest(name, Path("/"), classes, table, drawn, notes, "folders")


def is_drawn(folder: Path) -> bool:
    """True when a folder, or the one above it, is marked as a drawn stand-in."""
    folder = Path(folder).absolute()
    return any((place / DRAWN_MARK).is_file() for place in (folder, folder.parent))


def _class_folders(name: str, split: str, folder: Path, hint: str) -> tuple[str, ...]:
    if not folder.is_dir():
        raise UserError(f"no {split} images of {name}: there is no folder {folder}; {hint}")
    found = sorted(e.name for e in os.scandir(folder) if e.is_dir() and not e.name.startswith("."))
    if not found:
        raise UserError(f"the {split} folder {folder} has no class folders; {hint}")
    return tuple(found)


def images_below(folder: Path) -> list[Path]:
    """Every image file in a folder and its sub-folders, sorted by path.

    Raises:
        UserError: a name is no UTF-8 text, which no table could hold.
    """
    found = sorted(
        Path(place) / file
        for place, _, files in os.walk(folder)
        for file in files
        if file.lower().endswith(EXTENSIONS) and not file.startswith(".")
    )
    try:
        "".join(map(str, found)).encode()
    except UnicodeEncodeError:
        odd = next(p for p in found if printable(p) != str(p))
        raise UserError(
            f"the name of {printable(odd)} is no UTF-8 text; rename the file."
        ) from None
    return found


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _help(name: str, folder: Path) -> str:
    known, home = describe(name), folder.parent
    told = "`python -m common.datasets prepare --help` lists the downloads that can be laid out"
    if known and known.name == "bass":
        command = f"python -m common.datasets prepare bass --source BASS --out {home}"
        told = f"`{command}` lays out real images"
    if known and known.twin:
        command = f"python -m common.datasets twin {known.name} --out {home}"
        told = f"`{command}` draws a stand-in; {told}"
    return (
        f"expected {home}/train/<class>/<image> and {home}/test/<class>/<image>, or folders given "
        f"by --train_data_dir and --test_data_dir. {told}."
    )


def unknown_dataset(name: str) -> UserError:
    """The error for a dataset name that nobody registered and that came without folders."""
    known = ", ".join(d.name for d in DATASETS.values())
    return UserError(
        f"--dataset {name} is not known; known are {known}. For images of your own give both "
        "--train_data_dir and --test_data_dir, one sub-folder a class."
    )
