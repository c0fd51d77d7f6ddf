"""Image lists as streams: what is read, under which views, with which targets."""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset, default_collate
from torchvision.transforms import v2

from common.cli import UserError
from common.data.cache import Opener
from common.data.dataset import open_rgb, seeded
from common.data.streams import PassStream, eval_loader
from common.data.views import crop_view, to_normalised_tensor
from webemotion.catalogue import Loader
from webemotion.lists import Entry
from webemotion.sentences import Sentence

log = logging.getLogger(__name__)


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


train_view = crop_view
"""A random part of the image, flipped or not: the published training view."""


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
        published: streams over it draw as the published scripts do, from the global generators.
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
        published: bool = False,
    ):
        self.entries, self.data_dir, self.view = list(entries), Path(data_dir), view
        self.loader, self.num_classes, self.sentence = loader, num_classes, sentence
        self.open_image, self.published = open_image, published

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, key: int | tuple[int, int]) -> dict | None:
        if isinstance(key, tuple):
            with seeded(key[1]):
                return self[key[0]]
        return self.load(self.entry(key))

    def entry(self, index: int) -> Entry:
        """The entry at a place."""
        return self.entries[index]

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
        entries, settings: as for :class:`ImageList`.
        sample_size: length of an epoch.
    """

    def __init__(self, entries: Sequence[Entry], *settings, sample_size: int):
        super().__init__(entries, *settings)
        self.sample_size = sample_size
        by_class: dict[int, list[Entry]] = defaultdict(list)
        for entry in entries:
            by_class[class_of(entry.label)].append(entry)
        self.by_class = [by_class[k] for k in sorted(by_class)]

    def __len__(self) -> int:
        return self.sample_size

    def entry(self, index: int) -> Entry:
        """An entry from two draws of Python's generator, whatever `index` is."""
        images = self.by_class[random.randint(0, len(self.by_class) - 1)]
        return images[random.randint(0, len(images) - 1)]


def collate(items: list[dict | None]) -> dict[str, torch.Tensor]:
    """A batch of the readable items; ``unreadable`` counts the others.

    Raises:
        UserError: there is no readable one.
    """
    kept = [item for item in items if item is not None]
    if not kept:
        raise UserError(f"none of the {len(items)} images of a batch can be read; see the log.")
    return {**default_collate(kept), "unreadable": torch.tensor(float(len(items) - len(kept)))}


# --- streams --------------------------------------------------------------------------------------


def stream(
    entries: Sequence[Entry],
    config,
    loader: Loader,
    sentence: Sentence | None,
    workers: int,
    pin_memory: bool,
    open_image: Opener = open_rgb,
    published: bool = False,
) -> PassStream:
    """One shuffled pass over the training list an epoch, its last, smaller batch included."""
    kind = ImageList
    if loader.balanced:
        kind = partial(BalancedList, sample_size=config.sample_size)
    view = train_view(config.image_size)
    settings = (config.data_dir, view, loader, config.num_classes, sentence, open_image)
    images = kind(entries, *settings, published)
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
    published: bool = False,
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
        published=published,
    )
    return eval_loader(images, config.batch_size, workers, pin_memory, collate)
