"""The unlabelled faces of pre-training: where they are, how they are read and shared out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from common.cli import UserError
from common.data import cache
from common.data.check import drop_unreadable
from common.data.dataset import open_rgb
from common.data.manifest import Manifest
from common.data.splits import Images
from common.data.streams import ShardedPassStream
from common.datasets.readers.folder import folders, images_below, is_drawn
from common.engine import distributed
from common.flags import GivenFlags
from ssfer.views import crop_view, square_eval_view

NAME = "faces"


def read(args, given_flags: GivenFlags = frozenset()) -> Images:
    """The images of the sub-folders of ``--train_dir``, or its own where they hold none.

    They are of one class; unreadable ones are left out and named.

    Raises:
        UserError: no folder, no image in it, or too many that cannot be decoded.
    """
    folder = args.train_dir.absolute()
    if not folder.is_dir():
        raise UserError(
            f"there is no folder {args.train_dir} with faces to pre-train on; give --train_dir, a "
            "folder of images in sub-folders or not, or draw a stand-in with `python -m "
            "common.datasets twin unlabelled_faces --out pretrain_dataset`."
        )
    # Sub-folder by sub-folder, as torchvision's ImageFolder does.
    paths = [path for inner in folders(folder) for path in images_below(inner)]
    paths = paths or images_below(folder)
    if not paths:
        raise UserError(
            f"{args.train_dir} holds no image; give a --train_dir with image files below it."
        )
    table = pd.DataFrame({"path": [str(path) for path in paths], "label": 0, "split": "train"})
    manifest = Manifest(NAME, Path("/"), (NAME,), table, is_drawn(folder))
    # Every view begins with a crop or the resize: a cache changes nothing.
    return Images(drop_unreadable(manifest, args.num_workers))


def stream(manifest: Manifest, args, pin_memory: bool) -> ShardedPassStream:
    """This process's share of the faces under the random crop.

    Raises:
        UserError: the cache that the flags ask for cannot be made.
    """
    view = {"image": crop_view(args.input_size)}
    return ShardedPassStream(
        cache.dataset(args, manifest, view),
        args.batch_size,
        seed=args.seed,
        replicas=distributed.size(),
        rank=distributed.rank(),
        reshuffle=args.reshuffle,
        workers=args.num_workers,
        pin_memory=pin_memory,
    )


def samples(manifest: Manifest, number: int, size: int) -> torch.Tensor:
    """`number` images spread over the faces, whole middle squares, [n, 3, size, size]."""
    step = max(1, len(manifest) // number)
    view = square_eval_view(size)
    paths = manifest.table["path"].iloc[::step].iloc[:number]
    return torch.stack([view(open_rgb(str(manifest.root / path))) for path in paths])
