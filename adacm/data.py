"""Ada-CM's images: which are labelled, under which views and channel order, in which streams."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision.transforms import v2

from common.cli import UserError
from common.data import cache, split_files, splits
from common.data.check import drop_unreadable, refuse_oblong
from common.data.dataset import ViewDataset, open_rgb
from common.data.manifest import Manifest
from common.data.randaugment import RandAugment
from common.data.streams import ShuffledStream, eval_loader
from common.data.views import swapped, to_normalised_tensor
from common.datasets.readers import affectnet, ferplus, rafdb, sfew
from common.datasets.readers.folder import read_class_folders, read_folders
from common.datasets.readers.lists import numbered_classes

log = logging.getLogger(__name__)

Views = dict[str, Callable]

DATASETS: dict[str, tuple[Callable[[Path], Manifest], tuple[str, ...]]] = {
    "rafdb": (rafdb.read, rafdb.CLASSES),
    "ferplus": (ferplus.read, ferplus.CLASSES),
    "sfew": (sfew.read, sfew.CLASSES),
    "affectnet7": (partial(affectnet.read, classes=7), affectnet.EXPRESSIONS[:7]),
    "affectnet8": (partial(affectnet.read, classes=8), affectnet.EXPRESSIONS),
}
"""``--dataset`` -> (reader of <data_dir>/<dataset>, class names)."""
RARE = "fear"
BUDGETS = {100: (10, 15), 400: (40, 60), 1000: (100, 150), 2000: (200, 300), 4000: (250, 625)}
"""Labelled images in all -> (of fear, of every other of seven classes)."""
PADDING = 8
OBLONG = "the published views need square images (RAF-DB's aligned ones)"
TEST_BATCH = 64


# --- images and views -----------------------------------------------------------------------------


def load_image(path: str, channel_order: str = "bgr") -> Image.Image:
    """An upright image of three channels, alpha dropped.

    Args:
        path: the file.
        channel_order: ``bgr`` as the authors' OpenCV call leaves it, though all that follows takes
            the first channel for red; or ``rgb``.
    """
    image = open_rgb(path, like_opencv=True)
    return image if channel_order == "rgb" else swapped(image)


def weak_view(size: int = 224, square: bool = False) -> v2.Compose:
    """Short side to `size`; with p = 0.5 a random crop after zero-padding by 8; random flip.

    Draws from torch's global generator: whether to crop, top, left, flip.

    Args:
        size: side in pixels.
        square: crop the middle first, for images that are not square.

    Returns:
        Transform to float32 [3, size, size], ImageNet-normalised.
    """
    crop = v2.RandomApply([v2.RandomCrop(size, padding=PADDING)], p=0.5)
    return v2.Compose(
        [*_resize(size, square), crop, v2.RandomHorizontalFlip(), *to_normalised_tensor()]
    )


def _resize(size: int, square: bool) -> list[Callable]:
    return [v2.Resize(size), *([v2.CenterCrop(size)] if square else [])]


def labelled_views(size: int = 224, square: bool = False) -> Views:
    """What a labelled image is seen as."""
    return {"weak": weak_view(size, square)}


def unlabelled_views(size: int = 224, square: bool = False) -> Views:
    """What an unlabelled image is seen as, in the order of the random draws."""
    return {
        "weak0": weak_view(size, square),
        "weak1": weak_view(size, square),
        "strong": v2.Compose([RandAugment(3), weak_view(size, square)]),
    }


def test_views(size: int = 224, square: bool = False) -> Views:
    """What a test image is seen as: resized and, without `square`, not cropped."""
    return {"image": v2.Compose([*_resize(size, square), *to_normalised_tensor()])}


test_views.__test__ = False  # its name makes pytest take it for a test


# --- labelled images ------------------------------------------------------------------------------


def quotas(num_labelled: int, classes: tuple[str, ...], budget: str = "table") -> list[int]:
    """Labelled images of every class.

    Args:
        num_labelled: labelled images in all.
        classes: class names.
        budget: ``table``: :data:`BUDGETS` where it has the number and the code's rule otherwise;
            ``code``: 250 of fear and int((n - 250) / 6) of the others, negative numbers included.
            Datasets that do not have seven classes with fear among them share equally instead.

    Raises:
        UserError: the number cannot be shared equally where it must be.
    """
    if len(classes) != 7 or RARE not in classes:
        if num_labelled % len(classes):
            raise UserError(
                f"--n-labeled {num_labelled} cannot be shared equally by {len(classes)} classes; "
                f"use a multiple of {len(classes)}."
            )
        return [num_labelled // len(classes)] * len(classes)
    rare, other = 250, int((num_labelled - 250) / 6)  # truncated toward zero
    if budget == "table":
        rare, other = BUDGETS.get(num_labelled, (rare, other))
    return [rare if name == RARE else other for name in classes]


def check_quotas(wanted: list[int], labels: np.ndarray, classes: tuple[str, ...]) -> None:
    """Refuse a budget that a class cannot fill.

    Raises:
        UserError: names the class, what it should give and what it has.
    """
    number = np.bincount(labels, minlength=len(classes))
    for name, asked, there in zip(classes, wanted, number, strict=True):
        if not 0 < asked <= there:
            raise UserError(
                f"--n-labeled asks for {asked} labelled images of {name}, which has {there} "
                "training images; use 100, 400, 1000, 2000 or 4000, fewer labels, or "
                "--label_budget code for the published rule."
            )


def largest_budget(labels: np.ndarray, classes: tuple[str, ...]) -> int | None:
    """The largest number of the table that these images can fill, if any."""
    for number in sorted(BUDGETS, reverse=True):
        try:
            check_quotas(quotas(number, classes), labels, classes)
        except UserError:
            continue
        return number
    return None


def draw_labelled(labels: np.ndarray, wanted: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The first images of every class after a shuffle are labelled, the others are not.

    Draws from NumPy's global generator: a shuffle a class in class order, one of the labelled and
    one of the unlabelled positions. A number is used as the end of a slice, as in the authors'
    code: -25 labels all but the last 25.

    Args:
        labels: int64 [n].
        wanted: per class.

    Returns:
        (labelled, unlabelled) int64 positions, disjoint, together all.
    """
    labelled, unlabelled = [], []
    for c, end in enumerate(wanted):
        members = np.flatnonzero(labels == c)
        np.random.shuffle(members)
        labelled.append(members[:end])
        unlabelled.append(members[end:])
    both = np.concatenate(labelled), np.concatenate(unlabelled)
    for positions in both:
        np.random.shuffle(positions)
    return both


def read_manifest(args) -> Manifest:
    """Read and check the images that the flags name.

    Raises:
        UserError: missing folders or lists, too many bad images, or sides that differ.
    """
    reader, classes = DATASETS.get(args.dataset, (None, ()))
    roots, lists = (args.train_root, args.test_root), (args.label_train, args.label_test)
    if not any((*roots, *lists)):
        if reader is None:
            raise UserError(
                f"--dataset {args.dataset} is not known; known are {', '.join(DATASETS)}. For "
                "images of your own give --train-root and --test-root, one sub-folder a class, "
                "and, where they have none, the lists --label-train and --label-test."
            )
        manifest = reader(args.data_dir / args.dataset)
    elif not all(roots) or (any(lists) and not all(lists)):
        raise UserError(
            "--train-root and --test-root belong together, and so do --label-train and "
            "--label-test; give both of a pair."
        )
    elif all(lists):
        classes = classes or numbered_classes(*map(Path, lists))
        manifest = rafdb.read_lists(*map(Path, (*roots, *lists)), args.dataset, classes)
    else:
        folders = dict(zip(("train", "test"), map(Path, roots), strict=True))
        manifest = (
            read_class_folders(args.dataset, folders, classes)
            if classes
            else read_folders(args.dataset, folders, hint="give one sub-folder a class.")
        )
    manifest = drop_unreadable(manifest, args.num_workers)
    if args.dataset == "rafdb" and not args.square_crop:
        refuse_oblong(manifest, OBLONG, most=200)
    return manifest


def affordable(train: Manifest, num_labelled: int) -> int:
    """The default number of labelled images, or less where drawn stand-ins have too few images."""
    fits = largest_budget(train.labels, train.classes)
    if not train.drawn or fits is None or fits >= num_labelled:
        return num_labelled
    log.warning(
        "the drawn stand-in has too few images for the default --n-labeled %d: it is %d here.",
        num_labelled,
        fits,
    )
    return fits


def draw_split(train: Manifest, labels: float, seed: int, budget: str = "table") -> splits.Split:
    """The draw of the published code: the first images of every class after a shuffle.

    Raises:
        UserError: a class cannot fill its part of `labels`; not with ``budget="code"``.
    """
    wanted = quotas(splits.whole_number(labels), train.classes, budget)
    each = ", ".join(f"{n} of {c}" for n, c in zip(wanted, train.classes, strict=True))
    log.info("labelled images asked for: %s", each)
    if budget == "table":
        check_quotas(wanted, train.labels, train.classes)
    np.random.seed(seed)
    labelled, unlabelled = draw_labelled(train.labels, wanted)
    return splits.Split(labelled, unlabelled, np.empty(0, np.int64))


def read(args, given_flags: set[str]) -> splits.Images:
    """Read the images, and draw the labelled ones or take them from ``--split``.

    Raises:
        UserError: see :func:`read_manifest`; or too few images for the labels or for a batch.
    """
    seed = args.manualSeed if args.data_seed is None else args.data_seed

    def draw(train: Manifest) -> splits.Split:
        if "num_labelled" not in given_flags:
            args.num_labelled = affordable(train, args.num_labelled)
        return draw_split(train, args.num_labelled, seed, args.label_budget)

    images = split_files.read_images(args, read_manifest(args), seed, draw)
    for kind, positions in (
        ("labelled", images.split.labelled),
        ("unlabelled", images.split.unlabelled),
    ):
        if len(positions) < args.batch_size:
            raise UserError(
                f"there are {len(positions)} {kind} images, too few for one batch of "
                f"{args.batch_size}; change --n-labeled or give a smaller --batch-size."
            )
    return replace(images, cached_as=cache.kind(args, *train_views(args)))


# --- streams --------------------------------------------------------------------------------------


def dataset(
    args, manifest: Manifest, views: Views, cached_with: Manifest, hide: bool = False
) -> ViewDataset:
    """Images of `manifest` under `views`; with `hide` their labels read -1.

    Args:
        cached_with: the images that share a cache with these.
    """
    opener = partial(load_image, channel_order=args.channel_order)
    return cache.dataset(args, manifest, views, cached_with, opener, hide_labels=hide)


def train_views(args) -> tuple[Views, Views]:
    """What labelled and unlabelled images are seen as."""
    sides = args.image_size, _square(args)
    return labelled_views(*sides), unlabelled_views(*sides)


def _square(args) -> bool:
    return args.square_crop or args.dataset != "rafdb"


def streams(images: splits.Images, args, pin_memory: bool) -> dict[str, ShuffledStream]:
    """The labelled and the unlabelled stream, in shuffled passes, of equal batch size."""
    kinds = {"labelled": (images.labelled, False), "unlabelled": (images.unlabelled, True)}
    return {
        name: ShuffledStream(
            dataset(args, manifest, views, images.train, hide),
            args.batch_size,
            args.train_iteration,
            seed=3 * args.manualSeed + number,
            workers=args.num_workers,
            pin_memory=pin_memory,
        )
        for number, ((name, (manifest, hide)), views) in enumerate(
            zip(kinds.items(), train_views(args), strict=True)
        )
    }


def margin_batches(images: splits.Images, args, pin_memory: bool) -> Callable[[int], object]:
    """Epoch (from 0) -> the batches of labelled images that the margins come from.

    ``--margin_view train``: one shuffled pass under the training view, its incomplete last batch
    dropped. ``eval``: every image once under the test view.
    """
    if args.margin_view == "eval":
        batches = loader(args, pin_memory, images.labelled, images.train, "weak")
        return lambda epoch: batches
    stream = ShuffledStream(
        dataset(args, images.labelled, train_views(args)[0], images.train),
        args.batch_size,
        len(images.split.labelled) // args.batch_size,
        seed=3 * args.manualSeed + 2,
        workers=args.num_workers,
        pin_memory=pin_memory,
    )
    return stream.batches


def loader(args, pin_memory: bool, manifest: Manifest, cached_with: Manifest, view: str = "image"):
    """Every image of `manifest` once under the test view, which is called `view` in the batches.

    Args:
        cached_with: the images that share a cache with these.
    """
    views = {view: test_views(args.image_size, _square(args))["image"]}
    images = dataset(args, manifest, views, cached_with)
    return eval_loader(images, TEST_BATCH, args.num_workers, pin_memory)
