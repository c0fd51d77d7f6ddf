"""Sentences and their targets as a training reads them."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from common.cli import UserError
from common.data.splits import Images
from common.flags import GivenFlags
from webemotion import lists
from webemotion.data import target_of
from webemotion.images import Listed, train_val_split
from webemotion.lists import Entry, is_vector
from webemotion.text.dictionary import numbered, read_dictionary
from webemotion.text.tags import DROP, pad_tags, tag_dropout

log = logging.getLogger(__name__)

HELD_OUT = {690: 5000}
"""Classes -> sentences held out, as published; a tenth for any other number."""


def target(label, num_classes: int) -> np.ndarray:
    """What the text classifier learns: shares of emotions, or 1 for every class that holds.

    Args:
        label: see :mod:`webemotion.lists`. Counts become shares; class numbers become ones, which
            are not normalised.

    Returns:
        [C].
    """
    if is_vector(label):
        return target_of(label, "simple", num_classes)
    pairs = isinstance(label, list) and bool(label) and isinstance(label[0], list)
    return target_of(label, "idxcount" if pairs else "text_binary", num_classes)


class Sentences(Dataset):
    """Items ``{"tokens": int64 [L], "target": float32 [C]}``.

    Args:
        entries: with tags as numbers.
        num_classes: C.
        vocab_size: of the text model.
        max_len: L.
        drop: probability that a word is left out; the draws of a key ``(index, seed)`` follow from
            its seed.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        num_classes: int,
        vocab_size: int,
        max_len: int,
        drop: float = DROP,
    ):
        self.entries, self.num_classes = list(entries), num_classes
        self.vocab_size, self.max_len, self.drop = vocab_size, max_len, drop

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, key: int | tuple[int, int]) -> dict:
        index, seed = key if isinstance(key, tuple) else (key, None)
        entry, sizes = self.entries[index], (self.vocab_size, self.max_len)
        if seed is None or not self.drop:
            tokens = pad_tags([entry.tags], *sizes)
        else:
            tokens = tag_dropout([entry.tags], *sizes, self.drop, random.Random(seed))
        wanted = target(entry.label, self.num_classes).astype(np.float32)
        return {"tokens": torch.from_numpy(tokens[0]), "target": torch.from_numpy(wanted)}


def hold_out(
    entries: Sequence[Entry], num_classes: int, number: int | None, shuffled: bool = True
) -> tuple[list[Entry], list[Entry]]:
    """(train, validation): shuffled by Python's generator seeded 0, the first ones held out.

    Args:
        shuffled: False holds the list's first ones out, as the published loader of ``dan`` does.
        number: how many; None: as published, and a tenth where the list is too short for that.

    Raises:
        UserError: nothing is left for one of the two.
    """
    tenth = len(entries) // 10
    wanted = HELD_OUT.get(num_classes, tenth) if number is None else number
    if number is None and wanted > len(entries) // 2:
        log.warning(
            "the published %d held-out sentences are more than half of the %d there are: a tenth "
            "is held out",
            wanted,
            len(entries),
        )
        wanted = tenth
    if not 0 < wanted < len(entries):
        raise UserError(
            f"{wanted} of {len(entries)} sentences cannot be held out; give another --val_count or "
            "a longer list."
        )
    kept, held = train_val_split(len(entries), wanted, shuffled=shuffled)
    return [entries[k] for k in kept], [entries[k] for k in held]


@dataclass(frozen=True)
class Corpus(Images):
    """The sentences of a run; `train` and `test` are entries whose tags are numbers.

    Attributes:
        tag2idx: word -> number.
    """

    tag2idx: dict[str, int] | None = None


def read(args, given_flags: GivenFlags) -> Corpus:
    """The sentences to train on, those to judge by, and their dictionary."""
    train, tag2idx = _read(args.train_file, args, None)
    if args.val_file:
        val, _ = _read(args.val_file, args, tag2idx)
    else:
        train, val = hold_out(train, args.num_classes, args.val_count, args.family != "dan")
    drawn = lists.is_drawn(args.train_file)
    name, other = args.train_file.name, (args.val_file or args.train_file).name
    return Corpus(Listed(train, name, drawn), Listed(val, other, drawn), tag2idx=tag2idx)


def _read(path: Path, args, tag2idx: dict[str, int] | None) -> tuple[list, dict[str, int]]:
    entries = lists.read_list(path)
    lists.check_labels(entries, args.num_classes, path)
    tag2idx = tag2idx or read_dictionary(args.tag2idx, entries, path)
    entries = numbered(entries, tag2idx)
    lists.check_tags(entries, len(tag2idx), path)
    return entries, tag2idx
