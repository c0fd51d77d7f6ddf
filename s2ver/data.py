"""S2-VER's images: which rows are labelled, under which views, in which streams."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from common.cli import UserError
from common.data import cache, split_files, splits, views
from common.data.check import drop_unreadable
from common.data.manifest import Manifest
from common.data.streams import SampledStream, eval_loader
from common.datasets import catalogue
from common.datasets.readers.folder import read_folders, unknown_dataset
from s2ver.authors_files import index_to_read

log = logging.getLogger(__name__)

Views = dict[str, Callable]
EIGHT = [1, 0, 1, 1, 0, 1, 0, 0]
"""The published polarities of eight classes: amusement, anger, awe, contentment, disgust, …"""


STATISTICS: dict[str, views.Statistics] = {
    "cifar10": ((125.3 / 255, 123.0 / 255, 113.9 / 255), (63.0 / 255, 62.1 / 255, 66.7 / 255)),
    "cifar100": ((129.3 / 255, 124.1 / 255, 112.4 / 255), (68.2 / 255, 65.4 / 255, 70.4 / 255)),
    "svhn": ((0.4380, 0.4440, 0.4730), (0.1751, 0.1771, 0.1744)),
    "stl10": ((112.4 / 255, 109.1 / 255, 98.6 / 255), (68.4 / 255, 66.6 / 255, 68.5 / 255)),
}
"""``--dataset`` -> what images are normalised by; every other name: ImageNet's. From TorchSSL."""


def labelled_views(size: int, statistics: views.Statistics = views.IMAGENET) -> Views:
    """What a labelled image is seen as."""
    return {"weak": views.weak_view(size, statistics)}


def unlabelled_views(size: int, statistics: views.Statistics = views.IMAGENET) -> Views:
    """What an unlabelled image is seen as, in the order of the random draws."""
    strong = views.strong_view(size, statistics)
    return {"weak": views.weak_view(size, statistics), "strong0": strong, "strong1": strong}


def test_views(size: int, statistics: views.Statistics = views.IMAGENET) -> Views:
    """What a test image is seen as."""
    return {"image": views.eval_view(size, statistics)}


def shown(args) -> tuple[int, views.Statistics]:
    """Size and normalisation of the images under `--dataset`."""
    return args.image_size, STATISTICS.get(args.dataset, views.IMAGENET)


test_views.__test__ = False  # its name makes pytest take it for a test


def read_manifest(args) -> Manifest:
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
    manifest = read_folders(args.dataset, folders, args.num_classes)
    return drop_unreadable(manifest, args.num_workers)


def draw_split(train: Manifest, labels: float, seed: int) -> splits.Split:
    """The draw of the published code: as many labelled images of every class."""
    return splits.draw_balanced(train, labels, seed)


def read(
    args,
    given_flags: set[str] = frozenset(),
    manifest_of: Callable[[object], Manifest] = read_manifest,
) -> splits.Images:
    """Read the images and say which are labelled: drawn, read back, or those of ``--split``.

    Args:
        manifest_of: reads the images that the flags name.

    Raises:
        UserError: see :func:`read_manifest`; or the labelled images are not to be had.
    """
    seed, index = args.seed if args.data_seed is None else args.data_seed, index_to_read(args)

    def draw(train: Manifest) -> splits.Split:
        if index.exists():
            return splits.labelled_split(train.labels, 0, len(train.classes), index)
        return draw_split(train, args.num_labels, seed)

    images = split_files.read_images(args, manifest_of(args), seed, draw)
    if len(images.split.labelled) != args.num_labels:
        raise UserError(
            f"{index} names {len(images.split.labelled)} images, but --num_labels is "
            f"{args.num_labels}; delete it to draw a new split."
        )
    train_views = labelled_views(*shown(args)), unlabelled_views(*shown(args))
    return replace(images, cached_as=cache.kind(args, *train_views))


def mikels(classes: tuple[str, ...]) -> bool:
    """Whether the folders are called by Mikels' eight emotions."""
    return {name.lower() for name in classes} == set(catalogue.DATASETS["fi"].classes)


def polarity(args, classes: tuple[str, ...]) -> list[int]:
    """A code per class, equal for classes of one polarity, as ``--polarity`` says.

    Raises:
        UserError: codes that do not fit the classes.
    """
    if args.polarity == "dataset" and len(classes) == len(EIGHT) and not mikels(classes):
        log.warning(
            "the published code gives any eight classes the polarities of Mikels' eight in "
            "alphabetical order (%s), whatever they are called (%s); --polarity equal, or a code "
            "per class, says otherwise.",
            ",".join(map(str, EIGHT)),
            ", ".join(classes),
        )
        return EIGHT
    if args.polarity == "dataset":
        return catalogue.polarity(args.dataset, classes)
    if args.polarity == "equal":
        return [1] * args.num_classes
    try:
        codes = [int(word) for word in args.polarity.split(",")]
    except ValueError:
        codes = []
    if len(codes) != args.num_classes:
        raise UserError(
            f"--polarity {args.polarity} is neither dataset, equal, nor {args.num_classes} integer "
            "codes separated by commas."
        )
    return codes


def streams(
    images: splits.Images, args, names: tuple[str, ...], pin_memory: bool
) -> dict[str, SampledStream]:
    """The streams called `names` of ``labelled`` and ``unlabelled``, drawn with replacement."""
    labelled, unlabelled = labelled_views(*shown(args)), unlabelled_views(*shown(args))
    kinds = {
        "labelled": (images.labelled, labelled, args.batch_size),
        "unlabelled": (images.unlabelled, unlabelled, args.batch_size * args.uratio),
    }
    return {
        name: SampledStream(
            cache.dataset(args, kinds[name][0], kinds[name][1], images.train),
            kinds[name][2],
            args.num_train_iter,
            seed=2 * args.seed + list(kinds).index(name),
            workers=args.num_workers,
            pin_memory=pin_memory,
        )
        for name in names
    }


def loader(args, pin_memory: bool, manifest: Manifest, cached_with: Manifest):
    """Every image of `manifest` once, for evaluation.

    Args:
        cached_with: the images that share a cache with these.
    """
    images = cache.dataset(args, manifest, test_views(*shown(args)), cached_with)
    return eval_loader(images, args.eval_batch_size, args.num_workers, pin_memory)
