"""The images of a run: lists read, checked, and split where a part is held out."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from common.cli import UserError
from common.data import split_files
from common.data.splits import Images
from webemotion import sources
from webemotion.catalogue import Loader
from webemotion.data import class_of
from webemotion.lists import Entry, check_images, check_labels, is_drawn, is_vector, read_list
from webemotion.objective import IGNORED

VALIDATION_SHARE = 10  # one in so many, where the authors split a list


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


def checked(path: str, config, loader: Loader) -> list[Entry]:
    """A list whose labels fit.

    Raises:
        UserError: see :func:`webemotion.lists.read_list` and the checks there; or entries without
            any class where the target would be NaN, or labels of another kind than the loader's.
    """
    entries = read_list(path)
    if loader.target != "simple":  # whose label is a vector, whatever its numbers are
        check_labels(entries, config.num_classes, path)
    _check_kind(entries, loader, config.num_classes, path)
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
            "idxcount": pairs or label == [],
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
        args: flags ``val_fraction``, ``data_seed``, ``split`` and ``num_workers`` are read.

    Raises:
        UserError: see :func:`checked` and :func:`webemotion.sources.parts_of`; or the flags leave a
            part empty or ask for two validation parts.
    """
    lists = tested(checked(config.val_file, config, val), config)
    if train is None:
        return lists
    listed = checked(config.train_file, config, train)
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


def train_val_split(
    number: int, held_out: int | None = None, seed: int = 0, shuffled: bool = True
) -> tuple[list[int], list[int]]:
    """Positions of a list's training and validation part, in shuffled order.

    Args:
        number: length of the list.
        held_out: length of the validation part; None: one in ten, rounded down.
        shuffled: False keeps the list's order.

    Returns:
        (training, validation).
    """
    order = list(range(number))
    if shuffled:
        random.Random(seed).shuffle(order)
    held_out = number // VALIDATION_SHARE if held_out is None else held_out
    return order[held_out:], order[:held_out]
