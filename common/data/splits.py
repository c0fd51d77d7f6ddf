"""Which training images carry a label."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from common.cli import UserError
from common.data.manifest import Manifest


@dataclass(frozen=True)
class Split:
    """Positions in the training set.

    Attributes:
        labelled: int64 [L], in the order drawn.
        unlabelled: int64 [U].
        validation: int64 [V]; empty unless images were held out.
        reused: True when `labelled` came from an existing index file.
        file: hash of the split file that all of it came from, if one was given.
    """

    labelled: np.ndarray
    unlabelled: np.ndarray
    validation: np.ndarray
    reused: bool = False
    file: str | None = None


@dataclass(frozen=True)
class Images:
    """A run's images, read and checked, and what is done with them.

    Attributes:
        train: all training images.
        test: all test images; None where nothing is tested.
        split: positions in `train`; None where every image is labelled.
        cached_as: None without a cache, else ``exact`` or ``approximate``.
    """

    train: Manifest
    test: Manifest | None = None
    split: Split | None = None
    cached_as: str | None = None

    @property
    def labelled(self) -> Manifest:
        """Rows whose label is used."""
        return self.train.take(self.split.labelled)

    @property
    def unlabelled(self) -> Manifest:
        """Rows of the unlabelled pool, with or without the labelled images as `split` says."""
        return self.train.take(self.split.unlabelled)

    @property
    def validation(self) -> Manifest | None:
        """Rows held out to choose the epoch, if any."""
        held_out = self.split is not None and len(self.split.validation) > 0
        return self.train.take(self.split.validation) if held_out else None

    def fingerprint(self) -> str:
        """SHA-256 over every training image's class folder, file name and label, in order."""
        return self.train.fingerprint()

    @property
    def drawn(self) -> bool:
        """Whether any of the images are drawn stand-ins."""
        return any(side.drawn for side in (self.train, self.test) if side is not None)


def sample_balanced(
    labels: np.ndarray, num_labels: int, num_classes: int, names: tuple[str, ...] = ()
) -> np.ndarray:
    """Draw num_labels / num_classes positions of every class without replacement.

    Draws from NumPy's global generator, one ``np.random.choice`` a class in class order.

    Args:
        labels: int64 [n].
        names: class names, for messages.

    Returns:
        int64 [num_labels], grouped by class.

    Raises:
        UserError: `num_labels` is not a positive multiple of `num_classes`, or a class has too few.
    """
    check_share(num_labels, num_classes)
    each = num_labels // num_classes
    drawn = []
    for c in range(num_classes):
        members = np.flatnonzero(labels == c)
        if len(members) < each:
            raise UserError(
                f"--num_labels {num_labels} needs {each} labelled images of every class, but class "
                f"{names[c] if names else f'number {c}'} has only {len(members)} training images; "
                "ask for fewer."
            )
        drawn.append(np.random.choice(members, each, replace=False))
    return np.concatenate(drawn).astype(np.int64)


def check_share(num_labels: int, num_classes: int) -> None:
    """Refuse a number of labels that the classes cannot share equally.

    Raises:
        UserError: `num_labels` is not a positive multiple of `num_classes`.
    """
    if num_labels <= 0 or num_labels % num_classes:
        raise UserError(
            f"--num_labels {num_labels} cannot be shared equally by {num_classes} classes; "
            f"use a multiple of {num_classes}."
        )


def labelled_split(
    labels: np.ndarray,
    num_labels: int,
    num_classes: int,
    index_file: Path | None = None,
    given: np.ndarray | None = None,
    include_labelled: bool = True,
    names: tuple[str, ...] = (),
) -> Split:
    """Choose the labelled images: given ones, those of an index file, or a fresh balanced draw.

    Args:
        labels: int64 [n].
        index_file: ``.npy`` of positions; read when it exists, else the draw is written to it, so
            a rerun in the same folder keeps its split whatever the seed.
        given: int64 positions that win over everything; nothing is drawn or written.
        include_labelled: whether the unlabelled pool is all images, labelled ones included.
        names: class names, for messages.

    Raises:
        UserError: see :func:`sample_balanced`; or the index file does not fit these images.
    """
    labels = np.asarray(labels)
    reused = False
    if given is not None:
        labelled = np.asarray(given, np.int64)
    elif index_file is not None and index_file.exists():
        labelled, reused = _read_index(index_file, len(labels)), True
    else:
        labelled = sample_balanced(labels, num_labels, num_classes, names)
        if index_file is not None:
            np.save(index_file, labelled)
    everything = np.arange(len(labels), dtype=np.int64)
    unlabelled = everything if include_labelled else np.setdiff1d(everything, labelled)
    return Split(labelled, unlabelled, np.empty(0, np.int64), reused)


def hold_out_validation(split: Split, labels: np.ndarray, fraction: float, seed: int) -> Split:
    """Set a share of the images without a label aside, the same share of every class.

    The draw has a generator of its own, so that the labelled images are those of a run without
    validation. At least one image a class that has any left.
    """
    if fraction == 0:
        return split
    free = np.setdiff1d(split.unlabelled, split.labelled)
    generator = np.random.default_rng([seed, len(labels)])
    chosen = []
    for c in np.unique(labels[free]):
        members = free[labels[free] == c]
        number = max(1, round(fraction * len(members)))
        chosen.append(generator.choice(members, number, replace=False))
    if not chosen:
        raise UserError(
            f"--val_fraction {fraction} finds no images to hold out: all of them are labelled."
        )
    validation = np.sort(np.concatenate(chosen))
    rest = np.setdiff1d(split.unlabelled, validation)
    return replace(split, unlabelled=rest, validation=validation)


def draw_balanced(train: Manifest, labels: float, seed: int) -> Split:
    """The same number of labelled images of every class; all images are in the unlabelled pool.

    Seeds NumPy's global generator, see :func:`sample_balanced`.

    Raises:
        UserError: `labels` is no multiple of the number of classes, or a class has too few.
    """
    number = whole_number(labels)
    np.random.seed(seed)
    return labelled_split(train.labels, number, len(train.classes), names=train.classes)


def whole_number(labels: float) -> int:
    """`labels` as a number of images.

    Raises:
        UserError: it is a share.
    """
    if labels < 1:
        raise UserError(f"--labels {labels} is a share, but this protocol takes a number.")
    return int(labels)


def random_halves(total: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two parts of ``range(total)`` drawn at random, classes ignored.

    Args:
        total: n.
        fraction: share of the second part.
        seed: of the draw.

    Returns:
        Sorted int64 positions: floor(n · (1 − fraction)) of them, and the others.
    """
    order = np.random.default_rng(seed).permutation(total)
    first = int(total * (1 - fraction) + 1e-9)
    return np.sort(order[:first]), np.sort(order[first:])


def _read_index(file: Path, total: int) -> np.ndarray:
    try:
        index = np.load(file, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UserError(
            f"{file} is no readable index file ({error}); delete it to draw a new split."
        ) from None
    if index.ndim != 1 or not np.issubdtype(index.dtype, np.integer):
        raise UserError(
            f"{file} holds {index.dtype} of shape {index.shape}, expected a list of image numbers; "
            "delete it to draw a new split."
        )
    if len(index) and (index.min() < 0 or index.max() >= total):
        raise UserError(
            f"{file} names image {index.max()}, but there are {total} training images; it "
            "belongs to other data. Delete it to draw a new split."
        )
    return index.astype(np.int64)
