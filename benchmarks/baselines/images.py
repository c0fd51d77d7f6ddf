"""The images of a baseline's run: any dataset that one of the papers' commands reads."""

from __future__ import annotations

from pathlib import Path

from adacm.data import DATASETS
from common.cli import UserError
from common.data.check import drop_unreadable
from common.data.manifest import Manifest
from s2ver import data


def read(args) -> Manifest:
    """Read ``<data_dir>/<dataset>``.

    RAF-DB, FERPlus, SFEW and AffectNet are read in their official trees, everything else, and
    whatever is named by ``--train_data_dir`` and ``--test_data_dir``, as class folders.

    Raises:
        UserError: unknown dataset, missing images, another class count, too many bad images.
    """
    official = DATASETS.get(args.dataset.lower())
    if official is None or args.train_data_dir or args.test_data_dir:
        return data.read_manifest(args)
    read_tree, classes = official
    if args.num_classes != len(classes):
        raise UserError(
            f"{args.dataset} has {len(classes)} classes ({', '.join(classes)}), but --num_classes "
            f"is {args.num_classes}; give -nc {len(classes)}."
        )
    return drop_unreadable(read_tree(Path(args.data_dir) / args.dataset.lower()), args.num_workers)
