"""Image lists as streams: what is read, under which views, with which targets."""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset, default_collate
from torchvision.transforms import v2

from common.cli import UserError
from common.data import split_files
from common.data.cache import Opener
from common.data.dataset import open_rgb, seeded
from common.data.splits import Images
from common.data.streams import PassStream, eval_loader
from common.data.views import crop_view, to_normalised_tensor
from webemotion import sources
from webemotion.lists import Entry, check_images, check_labels, is_drawn, is_vector, read_list
from webemotion.loaders import Loader
from webemotion.objective import IGNORED
from webemotion.sentences import Sentence

log = logging.getLogger(__name__)

VALIDATION_SHARE = 10  # one in so many, where the authors split a list


def target_of(label, variant: str, num_classes: int) -> np.ndarray:
    """A label as the loss takes it, float32 [C]; computed in float64.

    Negative classes count from the end.

    Args:
        label: a class, a list of classes, a list of (class, count), or the vector itself.
        variant: ``normalised`` ones over the length of the list (NaN for an empty list); ``binary``
            ones; ``text_binary`` the same in float64; ``idxcount`` counts over their sum, a class
            that comes twice with its last one; ``simple`` the vector itself.
        num_classes: C.

    Raises:
        IndexError: a class that the vector does not have.
    """
    if variant == "simple":
        return np.asarray(label, np.float32)
    target = np.zeros(num_classes)
    label = label if isinstance(label, list) else [label]
    if variant == "idxcount":
        for number, count in label:
            target[number] = count
        total = target.sum()
        return (target / total if total else target).astype(np.float32)
    target[np.asarray(label, np.int64)] = 1
    if variant == "normalised":
        with np.errstate(invalid="ignore"):
            target = target / len(label)
    return target if variant == "text_binary" else target.astype(np.float32)


def class_of(label) -> int:
    """The class of a single label, which may come as a list whose first element counts."""
    return int(label[0] if isinstance(label, list) else label)


# --- views ----------------------------------------------------------------------------------------


def train_view(size: int = 224) -> v2.Compose:
    """A random part of the image at `size`, flipped or not; the published training view."""
    return crop_view(size)


def val_view(size: int = 224, resize: int = 256) -> v2.Compose:
    """Short side to `resize`, the middle `size`; no randomness."""
    return v2.Compose([v2.Resize(resize), v2.CenterCrop(size), *to_normalised_tensor()])


# --- datasets -------------------------------------------------------------------------------------


class ImageList(Dataset):
    """Items ``{"image", "target"}`` and what the sentence gives; None for an unreadable image.

    A key ``(index, seed)`` seeds the global generators for this item alone; a plain index draws
    from them as they stand.

    Args:
        entries: the list.
        data_dir: folder that its paths are relative to.
        view: RGB Pillow image -> tensor.
        loader: which targets.
        num_classes: C.
        sentence: for lists with tags.
        open_image: path -> RGB image.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        data_dir: str | Path,
        view: Callable,
        loader: Loader,
        num_classes: int,
        sentence: Sentence | None = None,
        open_image: Opener = open_rgb,
    ):
        self.entries, self.data_dir, self.view = list(entries), Path(data_dir), view
        self.loader, self.num_classes, self.sentence = loader, num_classes, sentence
        self.open_image = open_image

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, key: int | tuple[int, int]) -> dict | None:
        if isinstance(key, tuple):
            index, seed = key
            with seeded(seed):
                return self.item(index)
        return self.item(key)

    def item(self, index: int) -> dict | None:
        """The item at a place, drawn from the generators as they stand."""
        return self.load(self.entries[index])

    def load(self, entry: Entry) -> dict | None:
        """An entry's image and target."""
        try:
            image = self.open_image(str(self.data_dir / entry.path))
        except UserError as error:
            log.warning("left out: %s", error)
            return None
        if self.loader.target == "index":
            target = class_of(entry.label)
        else:
            target = target_of(entry.label, self.loader.target, self.num_classes)
        said = self.sentence(entry.tags) if self.sentence else {}
        return {"image": self.view(image), "target": target, **said}


class BalancedList(ImageList):
    """A class by chance, then an image of it by chance, whatever place is asked for.

    Args:
        by_class: entries of each class.
        sample_size: length of an epoch.
        settings: as for :class:`ImageList`.
    """

    def __init__(self, by_class: Sequence[Sequence[Entry]], sample_size: int, *settings):
        super().__init__([], *settings)
        self.by_class, self.sample_size = by_class, sample_size

    def __len__(self) -> int:
        return self.sample_size

    def draw(self) -> Entry:
        """The next entry, from two draws of Python's generator."""
        images = self.by_class[random.randint(0, len(self.by_class) - 1)]
        return images[random.randint(0, len(images) - 1)]

    def item(self, index: int) -> dict | None:
        """An entry that does not depend on `index`."""
        return self.load(self.draw())


def collate(items: list[dict | None]) -> dict[str, torch.Tensor]:
    """A batch of the readable items; ``unreadable`` counts the others.

    Raises:
        UserError: there is no readable one.
    """
    kept = [item for item in items if item is not None]
    if not kept:
        raise UserError(f"none of the {len(items)} images of a batch can be read; see the log.")
    return {**default_collate(kept), "unreadable": torch.tensor(float(len(items) - len(kept)))}


def train_val_split(
    number: int, held_out: int | None = None, seed: int = 0
) -> tuple[list[int], list[int]]:
    """Positions of a list's training and validation part, in shuffled order.

    Args:
        number: length of the list.
        held_out: length of the validation part; None: one in ten, rounded down.

    Returns:
        (training, validation).
    """
    order = list(range(number))
    random.Random(seed).shuffle(order)
    held_out = number // VALIDATION_SHARE if held_out is None else held_out
    return order[held_out:], order[:held_out]


# --- lists and streams ----------------------------------------------------------------------------


class Listed(list):
    """The entries of a list, and what a run's records say of it.

    Args:
        entries: of the list.
        name: of the list.
        drawn: whether the images are drawn stand-ins.
    """

    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __init__(self, entries: Iterable[Entry] = (), name: str = "", drawn: bool = False):
        super().__init__(entries)
        self.name, self.drawn = name, drawn

    def counts(self) -> dict[str, int]:
        """How many images there are."""
        return {"images": len(self)}

    def fingerprint(self) -> str:
        """SHA-256 over path, label and tags of every entry, in order."""
        return hashlib.sha256("\n".join(map(str, self)).encode()).hexdigest()


@dataclass(frozen=True)
class Lists(Images):
    """The images of a run.

    Attributes:
        train: entries to train on; empty where nothing is trained.
        test: entries of ``val_file``.
        val: entries held out of ``train_file``, where asked for.
        listed: all entries of ``train_file``, whatever part they are in.
    """

    train: Listed
    test: Listed
    val: list[Entry] | None = None
    listed: Sequence[Entry] = ()

    def record(self) -> dict:
        """What ``config.json`` says of them."""
        counts = {"test": len(self.test)}
        if self.train:
            counts |= {"train": len(self.train), "val": len(self.val or [])}
        split = {"split": split_files.record(self.split)} if self.split else {}
        return {"name": self.train.name, "images": counts, "drawn": self.drawn, **split}


def tested(entries: Sequence[Entry], config) -> Lists:
    """The images of a run that trains nothing."""
    name, drawn = config.train_file or config.val_file, is_drawn(config.data_dir)
    return Lists(Listed((), _short(name), drawn), Listed(entries, _short(config.val_file), drawn))


def _short(path: str) -> str:
    return "/".join(Path(path).parts[-3:])


def checked(path: str, config, loader: Loader, skip_missing: bool = False) -> list[Entry]:
    """A list whose images are there and whose labels fit.

    Raises:
        UserError: see :func:`webemotion.lists.read_list` and the checks there; or entries without
            any class where the target would be NaN, or labels of another kind than the loader's.
    """
    entries = read_list(path)
    if loader.target != "simple":  # whose label is a vector, whatever its numbers are
        check_labels(entries, config.num_classes, path)
    _check_kind(entries, loader, config.num_classes, path)
    if skip_missing:
        there = [e for e in entries if (Path(config.data_dir) / e.path).is_file()]
        if len(there) < len(entries):
            log.warning("%s: %d images are not there", path, len(entries) - len(there))
        entries = there or entries
    check_images(entries, config.data_dir, path)
    return entries


def _check_kind(entries: list[Entry], loader: Loader, num_classes: int, path: str) -> None:
    expected = {
        "index": "one class",
        "idxcount": "pairs of class and count",
        "simple": f"a target vector of {num_classes} numbers",
    }
    for entry in entries:
        label = entry.label
        pairs = isinstance(label, list) and bool(label) and isinstance(label[0], list)
        fits = {
            "index": isinstance(label, int) or (len(label) > 0 and isinstance(label[0], int)),
            "idxcount": pairs,
            "simple": isinstance(label, list) and not pairs and len(label) == num_classes,
        }.get(loader.target, not pairs and not is_vector(label))
        if not fits:
            raise UserError(
                f"{path}: the label of {entry.path} is {str(label)[:60]}, but this loader takes "
                f"{expected.get(loader.target, 'a list of classes')}."
            )
        if loader.target == "index" and class_of(label) < IGNORED:
            raise UserError(
                f"{path}: the class of {entry.path} is {class_of(label)}; expected 0 to "
                f"{num_classes - 1}, or {IGNORED} for an image that the loss ignores."
            )
    empty = [e.path for e in entries if e.label == [] and loader.target == "normalised"]
    if empty:
        raise UserError(
            f"{path}: {len(empty)} images have no class (the first is {empty[0]}); their target is "
            "0/0 and the loss would be NaN. Take them out of the list."
        )


def read(config, train: Loader | None, val: Loader, args) -> Lists:
    """Both lists of a configuration, checked, and the part that is held out.

    Args:
        train: loader of ``train_file``; None where the run only evaluates.
        val: loader of ``val_file``.
        args: flags ``val_fraction``, ``data_seed``, ``split``, ``num_workers`` and
            ``skip_missing`` are read.

    Raises:
        UserError: see :func:`checked` and :func:`webemotion.sources.parts_of`; or the flags leave a
            part empty or ask for two validation parts.
    """
    lists = tested(checked(config.val_file, config, val, args.skip_missing), config)
    if train is None:
        return lists
    listed = checked(config.train_file, config, train, args.skip_missing)
    entries, held, split = listed, None, None
    if args.split:
        entries, held, split = sources.parts_of(listed, config, args)
    if args.val_fraction:
        seed = args.data_seed if args.data_seed is not None else config.seed or 0
        parts = train_val_split(len(entries), round(args.val_fraction * len(entries)), seed)
        entries, held = ([entries[i] for i in part] for part in parts)
        if not entries or not held:
            raise UserError(
                f"--val_fraction {args.val_fraction} leaves one part of the list empty."
            )
    train_part = Listed(entries, lists.train.name, lists.drawn)
    return replace(lists, train=train_part, split=split, val=held, listed=listed)


def stream(
    entries: Sequence[Entry],
    config,
    loader: Loader,
    sentence: Sentence | None,
    workers: int,
    pin_memory: bool,
    open_image: Opener = open_rgb,
) -> PassStream:
    """One shuffled pass over the training list an epoch, its last, smaller batch included."""
    view = train_view(config.image_size)
    settings = (config.data_dir, view, loader, config.num_classes, sentence, open_image)
    if loader.balanced:
        by_class: dict[int, list[Entry]] = {}
        for entry in entries:
            by_class.setdefault(class_of(entry.label), []).append(entry)
        images = BalancedList(
            [by_class[k] for k in sorted(by_class)], config.sample_size, *settings
        )
    else:
        images = ImageList(entries, *settings)
    return PassStream(
        images,
        config.batch_size,
        seed=config.seed or 0,
        workers=workers,
        pin_memory=pin_memory,
        drop_last=False,
        collate=collate,
    )


def validation_batches(
    entries: Sequence[Entry],
    config,
    loader: Loader,
    workers: int,
    pin_memory: bool,
    open_image: Opener = open_rgb,
    num_classes: int | None = None,
):
    """Every image of a list once, in order, under the validation view.

    Args:
        num_classes: length of the targets where it is another than the configuration's.
    """
    images = ImageList(
        entries,
        config.data_dir,
        val_view(config.image_size, config.resize),
        loader,
        num_classes or config.num_classes,
        open_image=open_image,
    )
    return eval_loader(images, config.batch_size, workers, pin_memory, collate)
