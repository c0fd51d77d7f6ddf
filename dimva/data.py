"""The images of a run: a categorical set, a rated set, their splits, views and streams."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from common.cli import UserError
from common.data import cache, split_files, splits, views
from common.data.check import drop_unreadable
from common.data.manifest import Manifest
from common.data.streams import PassStream
from common.datasets.lexicon import Lexicon, read_lexicon
from common.datasets.readers.emotion6 import read_emotion6
from common.datasets.readers.folder import read_folders
from common.datasets.readers.ldl import read_votes
from common.datasets.readers.va import SETS, read_ratings
from common.flags import GivenFlags
from dimva import objective

log = logging.getLogger(__name__)

LEXICON = "NRC-VAD-Lexicon.txt"
DATANAMES = ("FI", "Flickr", "Instagram", "FlickrLDL", "TwitterLDL", "flickr", "instagram")
VA_SETS = {"emotion6": "Emotion6", "bass": "BASS", "oasis": "OASIS"}
TARGETS = ("va", "categorical")


@dataclass(frozen=True)
class Plan:
    """What a stage trains on and evaluates.

    Attributes:
        trained: sets whose images are trained on together.
        selection: the set whose valence r picks the checkpoint.
        evaluations: (set, kind) of every epoch in order; kind ``cls`` compares categories with the
            labels, ``reg`` with those that the true valence and arousal would give.
    """

    trained: tuple[str, ...]
    selection: str
    evaluations: tuple[tuple[str, str], ...]


def plan(mode: str, task: str) -> Plan:
    """The plan of a stage and task."""
    if task == "single":
        kind = "cat" if mode == "one_stage" else "va"
        return Plan((f"train_{kind}",), f"val_{kind}", ((f"val_{kind}", "reg"), ("test_va", "reg")))
    trained = ("train_cat",) if mode == "one_stage" else ("train_cat", "train_va")
    both = tuple(
        (f"{split}_{of}", kind)
        for split in ("val", "test")
        for of, kind in (("cat", "cls"), ("va", "reg"))
    )
    return Plan(trained, "val_va", both)


@dataclass(frozen=True)
class Converter:
    """From valence and arousal to the categories of a set.

    Attributes:
        points: valence and arousal of the classes, float32 [C, 2], in the converter's order.
        multilabel: see :func:`dimva.objective.convert`.
        folder_ids: int64 [C], the alphabetical id of each class in the converter's order.
    """

    points: Tensor
    multilabel: bool
    folder_ids: Tensor

    def categories(self, va: Tensor) -> Tensor:
        """int64 [n] in the converter's order, or float32 [n, C]."""
        return objective.convert(va, self.points, self.multilabel)

    def in_folder_order(self, ids: Tensor) -> Tensor:
        """Ids of the converter's order as ids of the folders'; 0/1 rows stay as they are."""
        return ids if self.multilabel else self.folder_ids[ids]


def build_converter(dataname: str, lexicon: Lexicon) -> Converter:
    """The converter of a set.

    Raises:
        UserError: a class's word is missing from the lexicon, or stands in it twice.
    """
    order = objective.label_order(dataname)
    points = torch.from_numpy(lexicon.points(order, unique=True)).float()
    ids = torch.tensor([sorted(order).index(word) for word in order])
    return Converter(points, objective.is_multilabel(dataname), ids)


def with_targets(
    manifest: Manifest, va: np.ndarray, categorical: bool, hot: np.ndarray | None = None
) -> Manifest:
    """Add the columns ``va`` (float64 [2]), ``categorical`` (1 or 0) and ``hot`` (0/1 [C])."""
    columns = {"va": list(va), "categorical": float(categorical)}
    if hot is not None:
        columns["hot"] = list(hot)
    manifest.table = manifest.table.assign(**columns)
    return manifest


def folder_classes(manifest: Manifest, lexicon: Lexicon) -> Manifest:
    """A set of class folders with the valence and arousal of its classes' names."""
    points = lexicon.points(manifest.classes)
    return with_targets(manifest, points[manifest.labels], True)


def voted(manifest: Manifest, lexicon: Lexicon) -> Manifest:
    """A set of votes: all the most voted classes, and the mean of their points."""
    hot = objective.voted_classes(np.stack(manifest.table["dist"].to_numpy()))
    va = objective.mean_point(hot, lexicon.points(manifest.classes))
    # The authors flag these sets like rated ones; see `read` for where it would matter.
    return with_targets(manifest, va, False, hot)


def rated(manifest: Manifest, dataname: str, lexicon: Lexicon) -> Manifest:
    """A rated set, its categories by :func:`dimva.objective.category_of_rating`."""
    order, multilabel = objective.label_order(dataname), objective.is_multilabel(dataname)
    # The authors leave neutral out where there are three polarities.
    words = order if order == objective.MIKELS else order[:2]
    va = manifest.table[["valence", "arousal"]].to_numpy(np.float64)
    points = torch.from_numpy(lexicon.points(words)).float()
    category = objective.category_of_rating(torch.tensor(va).float(), points, multilabel)
    table = manifest.table.assign(label=0 if multilabel else category.numpy())
    manifest = Manifest(manifest.name, manifest.root, order, table, manifest.drawn, manifest.notes)
    return with_targets(manifest, va, False, category.numpy() if multilabel else None)


@dataclass(frozen=True, kw_only=True)
class Sets(splits.Images):
    """A run's images: the rated training images in `split` are trained on as its ``labelled``.

    Attributes:
        named: ``train_cat``, ``val_cat``, ``test_cat``, ``train_va``, ``val_va``, ``test_va`` and
            ``train``, what this stage trains on.
        augmented: names that are evaluated under the random training view.
        converter: of the categorical set.
        words: class name -> valence and arousal (1..9) by the lexicon.
    """

    named: dict[str, Manifest]
    augmented: frozenset[str]
    converter: Converter
    words: dict[str, np.ndarray]

    @property
    def drawn(self) -> bool:
        """Whether any image is a drawn stand-in."""
        return any(manifest.drawn for manifest in self.named.values())


class Halves:
    """Draws the splits in two of a run, one after another.

    Args:
        fraction: share of the second part.
        seed: of the run.
        published: torch's generator goes on from split to split as in the authors' code, and the
            parts stay in the order drawn; else every split has a seed of its own and is sorted.
    """

    def __init__(self, fraction: float, seed: int, published: bool):
        self.fraction, self.seed = fraction, seed
        self.generator = torch.Generator().manual_seed(seed) if published else None

    def draw(self, total: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Positions of both parts, int64; `number` says which split of the run this is."""
        if self.generator is None:
            return splits.random_halves(total, self.fraction, self.seed + number)
        order = torch.randperm(total, generator=self.generator).numpy()
        first = int(total * (1 - self.fraction) + 1e-9)
        return order[:first], order[first:]


def draw_split(train: Manifest, labels: float, seed: int) -> splits.Split:
    """Two parts of the rated training images: those trained on, called labelled, and validation.

    Args:
        labels: share of the first part.
        seed: of the run that would draw the same.

    Raises:
        UserError: `labels` is no share.
    """
    if not 0 < labels < 1:
        raise UserError(
            f"--labels {labels} is no share; give that of the images to train on, e.g. 0.8."
        )
    kept, held = splits.random_halves(len(train), 1 - labels, seed + 1)
    return splits.Split(kept, np.empty(0, np.int64), held)


def read(args, given_flags: GivenFlags = frozenset()) -> Sets:
    """Read, check and split the images that the flags name.

    Raises:
        UserError: whatever the readers refuse.
    """
    trained = plan(args.mode, args.task).trained
    lexicon = read_lexicon(args.lexicon or args.data_root / LEXICON)
    converter = build_converter(args.dataname, lexicon)
    seed = args.seed if args.data_seed is None else args.data_seed
    halves = Halves(args.val_fraction, seed, args.draws == "authors")
    named, augmented = _categorical(args, lexicon, halves)
    raw = read_rated(args)
    rated_set = rated(raw, args.dataname, lexicon)
    learn, named["test_va"] = rated_set.split("train"), rated_set.split("test")
    # The authors split twice in the two-stage multi task: they train on one and validate on the
    # other, so most validation images are trained on.
    twice = len(trained) > 1 and not args.split_once
    if args.split:
        split = split_files.use(args.split, raw.split("train"), raw.split("test"))
    else:
        kept, held = halves.draw(len(learn), 1)
        split = splits.Split(kept, np.empty(0, np.int64), held)
    held = halves.draw(len(learn), 2)[1] if twice else split.validation
    if twice and not converter.multilabel:  # labels that no loss reads: those of FI for all sets
        learn = rated(raw, "FI", lexicon).split("train")
    named["train_va"], named["val_va"] = (
        learn.take(split.labelled),
        rated_set.split("train").take(held),
    )
    augmented |= {"val_va"}
    empty = [name for name, manifest in named.items() if len(manifest) == 0]
    if empty:
        raise UserError(f"there is no image in {', '.join(empty)}; check the data folders.")
    parts = [named[name] for name in trained]
    if len(parts) > 1:  # rows are told apart by the flag, which the authors leave at 0 for LDL
        parts[0].table["categorical"] = 1.0
    named["train"] = joined(parts)
    augmented = set() if args.val_plain_view else augmented
    order = objective.label_order(args.dataname)
    words = dict(zip(order, lexicon.points(order), strict=True))
    views_of_all = train_views(args.image_size), eval_views(args.image_size)
    return Sets(
        train=named["train"],
        test=named["test_va"],
        split=split,
        cached_as=cache.kind(args, *views_of_all),
        named=named,
        augmented=frozenset(augmented),
        converter=converter,
        words=words,
    )


def read_rated(args) -> Manifest:
    root = args.va_root or args.data_root / VA_SETS[args.va_dataset]
    read_set = read_emotion6(root) if args.va_dataset not in SETS else None
    manifest = read_set or read_ratings(args.va_dataset, root)
    for note in manifest.notes:
        log.info("%s", note)
    return drop_unreadable(manifest, args.num_workers)


def _categorical(args, lexicon: Lexicon, halves: Halves) -> tuple[dict[str, Manifest], set[str]]:
    root = dataset_folder(args.data_root, args.dataname)
    if objective.is_multilabel(args.dataname):
        # The authors never open the test folder of these sets, unless a flag says otherwise.
        needed = ("train", "test") if args.ldl_test_split == "test" else ("train",)
        whole = voted(read_votes(args.dataname, root, objective.MIKELS, needed), lexicon)
    else:
        whole = folder_classes(_read_classes(args.dataname, root), lexicon)
    whole = drop_unreadable(whole, args.num_workers)
    train, test, val = (whole.split(split) for split in ("train", "test", "val"))
    if objective.is_multilabel(args.dataname) and args.ldl_test_split == "train":
        log.warning(
            "*** %s: the test images are read from the TRAIN folder, as in the authors' code: "
            "every test figure is of images that were trained on. --ldl_test_split test reads the "
            "test folder. ***",
            args.dataname,
        )
        test = train
    if len(val):
        return {"train_cat": train, "val_cat": val, "test_cat": test}, set()
    kept, held = halves.draw(len(train), 0)
    named = {"train_cat": train.take(kept), "val_cat": train.take(held), "test_cat": test}
    return named, {"val_cat"}


def dataset_folder(root: Path, dataname: str) -> Path:
    """``<root>/<dataname>``, or its other capitalisation where only that is there."""
    options = [root / name for name in (dataname, dataname.capitalize(), dataname.lower())]
    return next((path for path in options if path.is_dir()), root / dataname)


def _read_classes(dataname: str, root: Path) -> Manifest:
    order = sorted(objective.label_order(dataname))
    twin = "; `python -m common.datasets twin va --out data/va` draws a stand-in for data/va"
    hint = (
        f"expected {dataname} as {root}/<train, val, test>/<class>/<image> with the classes "
        f"{', '.join(order)}{twin if dataname == 'FI' else ''}. --data_root moves the tree."
    )
    folders = {split: root / split for split in ("train", "test")}
    if (root / "val").is_dir():
        folders["val"] = root / "val"
    manifest = read_folders(dataname, folders, hint=hint)
    if [name.lower() for name in manifest.classes] != order:
        raise UserError(f"{root} has the class folders {', '.join(manifest.classes)}; {hint}")
    return manifest


def joined(parts: list[Manifest]) -> Manifest:
    """Several sets as one, in order; the classes are those of the set that has most."""
    if len(parts) == 1:
        return parts[0]
    tables = [
        part.table.assign(path=[str(part.root / p) for p in part.table["path"]]) for part in parts
    ]
    notes = [note for part in parts for note in part.notes]
    table = pd.concat(tables, ignore_index=True)
    name, drawn = "+".join(part.name for part in parts), any(part.drawn for part in parts)
    classes = max((part.classes for part in parts), key=len)
    return Manifest(name, Path("/"), classes, table, drawn, notes)


def train_views(size: int) -> dict:
    """What a training image is seen as."""
    return {"image": views.crop_view(size)}


def eval_views(size: int) -> dict:
    """What an evaluated image is seen as."""
    return {"image": views.eval_view(size)}


def stream(sets: Sets, name: str, args, pin_memory: bool) -> PassStream:
    """One pass over a set: ``train`` for training, any other for evaluation.

    The authors shuffle and drop the last, incomplete batch in evaluation too, unless
    ``--eval_all``.
    """
    training = name == "train"
    manifest, whole = sets.named[name], args.eval_all and not training
    random_view = training or name in sets.augmented
    shown = train_views(args.image_size) if random_view else eval_views(args.image_size)
    targets = (*TARGETS, "hot") if sets.converter.multilabel else TARGETS
    try:
        return PassStream(
            cache.dataset(args, manifest, shown, targets=targets),
            args.batch_size,
            seed=10 * args.seed + sorted(sets.named).index(name),
            workers=args.num_workers,
            pin_memory=pin_memory,
            drop_last=not whole,
            shuffle=not whole,
        )
    except UserError as error:
        more = "" if training else " or --eval_all"
        raise UserError(f"{name}: {str(error).rstrip('.')}{more}.") from None
