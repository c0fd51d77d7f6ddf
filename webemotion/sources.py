"""Where a list's images come from: which of them a split file means, and what opens them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from common.cli import UserError
from common.data import cache, split_files
from common.data.check import decode_errors, drop_unreadable
from common.data.dataset import open_rgb
from common.data.manifest import Manifest
from common.data.splits import Split
from webemotion.lists import Entry, classes_of, is_vector
from webemotion.objective import IGNORED

# --- split files ----------------------------------------------------------------------------------


def parts_of(
    entries: Sequence[Entry], config, args
) -> tuple[list[Entry], list[Entry] | None, Split]:
    """The parts of ``train_file`` by a file of ``python -m common.datasets split``.

    The readers leave out entries without a class and images that cannot be read, so these are in
    no part. An entry with several classes counts as one of its first, or largest, class.

    Args:
        entries: all of ``train_file``.
        config: ``train_file`` and ``data_dir`` are read.
        args: ``split``, ``num_workers`` and ``val_fraction`` are read.

    Returns:
        (entries to train on, entries held out or None, the split).

    Raises:
        UserError: see :func:`common.data.split_files.use`; or both the file and ``--val_fraction``
            hold images out.
    """
    file = split_files.load(args.split)
    if len(file.split.validation) and args.val_fraction:
        raise UserError(
            f"{args.split} holds {len(file.split.validation)} images out for validation already; "
            "leave --val_fraction out."
        )
    first = [first_class(entry) for entry in entries]
    rows = [i for i, label in enumerate(first) if label is not None]
    table = pd.DataFrame(
        {
            "path": [entries[i].path for i in rows],
            "label": np.array([first[i] for i in rows], np.int64),
            "split": "train",
            "row": rows,
        }
    )
    train = Manifest(str(config.train_file), Path(config.data_dir), file.classes, table)
    train = drop_unreadable(train, args.num_workers)
    split = split_files.use(args.split, train, None)

    def entries_of(positions: np.ndarray) -> list[Entry]:
        return [entries[row] for row in train.table["row"].iloc[positions]]

    held = entries_of(split.validation) if len(split.validation) else None
    return entries_of(split.labelled), held, split


def first_class(entry: Entry) -> int | None:
    """The class that an entry counts as; None without any."""
    label = entry.label
    if is_vector(label):
        return int(np.argsort(label)[::-1][0]) if max(label) > 0 else None
    named = [number for number in classes_of(label) if number != IGNORED]
    return named[0] if named else None


# --- cache ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CachedList:
    """Opens images from a cache, and those that it could not take from their files.

    Attributes:
        images: path -> image.
    """

    images: cache.CachedImages

    def __call__(self, path: str) -> Image.Image:
        """The image; UserError where its file cannot be read."""
        return self.images(path) if path in self.images else open_rgb(path)


def opener(args, entries: Sequence[Entry], config, view: Callable) -> cache.Opener:
    """What opens the images of a list under a view: the files, or the cache of ``--cache``.

    The views begin with a random part of the image, which is kept at full size, or with the resize
    of its short side; either way nothing changes. Unreadable images are no part of a cache.

    Raises:
        UserError: the cache cannot be written, or is approximate for this view.
    """
    if args.cache is None:
        return open_rgb
    paths = [str(Path(config.data_dir) / e.path) for e in entries]
    paths = list(dict.fromkeys(paths))
    workers = max(1, args.num_workers)
    errors = decode_errors(paths, workers)
    readable = [path for path, error in zip(paths, errors, strict=True) if error is None]
    if not readable:
        raise UserError(f"none of the {len(paths)} images of {config.data_dir} can be read.")
    plan = cache.plan({"view": view}, args.cache_exact)
    return CachedList(cache.cached(args.cache, readable, plan, open_rgb, workers))
