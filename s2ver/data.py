"""S2-VER's images: which rows are labelled, under which views, in which streams."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from common.cli import UserError
from common.data import cache, split_files, splits, views
from common.data.check import drop_unreadable
from common.data.dataset import ViewDataset
from common.data.manifest import Manifest
from common.data.streams import SampledStream, eval_loader
from common.datasets import catalogue
from common.datasets.readers.folder import read_folders, unknown_dataset

Views = dict[str, Callable]


def labelled_views(size: int) -> Views:
    """What a labelled image is seen as."""
    return {"weak": views.weak_view(size)}


def unlabelled_views(size: int) -> Views:
    """What an unlabelled image is seen as, in the order of the random draws."""
    return {
        "weak": views.weak_view(size),
        "strong0": views.strong_view(size),
        "strong1": views.strong_view(size),
    }


def test_views(size: int) -> Views:
    """What a test image is seen as."""
    return {"image": views.eval_view(size)}


test_views.__test__ = False  # its name makes pytest take it for a test


def read(args, workers: int) -> Manifest:
    """Read and check the train and test images that the flags name.

    Raises:
        UserError: unknown dataset, missing folders, another class count, too many bad images.
    """
    given = [args.train_data_dir, args.test_data_dir]
    if catalogue.describe(args.dataset) is None and not all(given):
        raise unknown_dataset(args.dataset)
    train, test = catalogue.default_folders(args.dataset, Path(args.data_dir))
    folders = {
        "train": Path(args.train_data_dir or train),
        "test": Path(args.test_data_dir or test),
    }
    return drop_unreadable(read_folders(args.dataset, folders, args.num_classes), workers)


def draw_split(train: Manifest, labels: float, seed: int) -> splits.Split:
    """The draw of the published code: as many labelled images of every class."""
    return splits.draw_balanced(train, labels, seed)


def split(manifest: Manifest, args, index_file: Path) -> splits.SplitImages:
    """Draw the labelled images, or take them from ``--split`` or `index_file`, and hold images out.

    Nothing is written: a run that is refused later leaves no trace.
    """
    train, test = manifest.split("train"), manifest.split("test")
    seed = args.seed if args.data_seed is None else args.data_seed
    if args.split:
        chosen = split_files.use(args.split, train, test)
    elif index_file.exists():
        chosen = splits.labelled_split(train.labels, 0, len(train.classes), index_file)
    else:
        chosen = draw_split(train, args.num_labels, seed)
    if len(chosen.labelled) != args.num_labels:
        raise UserError(
            f"{index_file} names {len(chosen.labelled)} images, but --num_labels is "
            f"{args.num_labels}; delete it to draw a new split."
        )
    chosen = splits.hold_out_validation(chosen, train.labels, args.val_fraction, seed)
    return splits.SplitImages(train, test, chosen)


def streams(
    data: splits.SplitImages, args, names: tuple[str, ...], pin_memory: bool
) -> dict[str, SampledStream]:
    """The streams called `names` of ``labelled`` and ``unlabelled``, drawn with replacement."""
    size = args.image_size
    kinds = {
        "labelled": (data.labelled, labelled_views(size), args.batch_size),
        "unlabelled": (data.unlabelled, unlabelled_views(size), args.batch_size * args.uratio),
    }
    return {
        name: SampledStream(
            ViewDataset(
                manifest, named_views, open_image=cache.opener(args, data.train, named_views)
            ),
            batch_size,
            args.num_train_iter,
            seed=2 * args.seed + number,
            workers=args.num_workers,
            pin_memory=pin_memory,
        )
        for number, (name, (manifest, named_views, batch_size)) in enumerate(kinds.items())
        if name in names
    }


def cached_as(args) -> str | None:
    """What a cache makes of the training images: see :func:`common.data.cache.kind`."""
    seen = (labelled_views(args.image_size), unlabelled_views(args.image_size))
    return cache.kind(args, *seen)


def loader(manifest: Manifest, args, pin_memory: bool, whole: Manifest | None = None):
    """Every image once, for evaluation.

    Args:
        whole: the images that share a cache with these; None: these alone.
    """
    shown = test_views(args.image_size)
    opener = cache.opener(args, manifest if whole is None else whole, shown)
    dataset = ViewDataset(manifest, shown, open_image=opener)
    return eval_loader(dataset, args.eval_batch_size, args.num_workers, pin_memory)
