"""Named split files: which images of a dataset are labelled, fixed once, checked at every use."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.cli import UserError
from common.data.images import content_digests
from common.data.manifest import Manifest
from common.data.splits import Images, Split, hold_out_validation
from common.files import read_json, replacing

FORMAT = 1
PARTS = ("labelled", "unlabelled", "validation")


@dataclass(frozen=True)
class SplitFile:
    """A split with all that is needed to recognise the images it is of.

    Attributes:
        name: ``<dataset>.<protocol>.<labels>.s<seed>``.
        labels: what was asked for, a number of images or a share below 1.
        content: split -> see :func:`content_hash`.
        classes: class names in label order.
        split: positions among the training images.
        hash: SHA-256 of all that the file says.
    """

    name: str
    labels: float
    content: dict[str, str]
    classes: tuple[str, ...]
    split: Split
    hash: str


def content_hash(images: Manifest) -> tuple[str, list[str]]:
    """SHA-256 over the label and the bytes of every image, in the order of the table.

    Returns:
        (the hash, digests of the images).

    Raises:
        UserError: an image cannot be read.
    """
    paths = [str(images.root / p) for p in images.table["path"]]
    try:
        digests = content_digests(paths)
    except OSError as error:
        raise UserError(
            f"the image {error.filename} cannot be read ({error.strerror}); put it back."
        ) from None
    rows = zip(images.labels, digests, strict=True)
    text = "".join(f"{label} {digest}\n" for label, digest in rows)
    return hashlib.sha256(text.encode()).hexdigest(), digests


def describe(
    name: str, manifest: Manifest, split: Split, asked: dict[str, str | float | int]
) -> dict:
    """What a split file says, without its hash.

    Args:
        name: of the split.
        manifest: with the splits ``train`` and ``test``.
        split: positions among the training images.
        asked: ``protocol``, ``labels`` and ``seed``.
    """
    train, test = manifest.split("train"), manifest.split("test")
    (train_hash, of_train), (test_hash, of_test) = content_hash(train), content_hash(test)
    of_train = np.array(of_train)
    bytes_of = {part: set(of_train[getattr(split, part)].tolist()) for part in PARTS}
    return {
        "format": FORMAT,
        "name": name,
        "dataset": manifest.name,
        **asked,
        "classes": list(manifest.classes),
        "content": {"train": train_hash, "test": test_hash},
        "images": {"train": len(train), "test": len(test)},
        "counts": {
            **{part: train.take(getattr(split, part)).counts() for part in PARTS},
            "test": test.counts(),
        },
        "overlap": _overlap({**bytes_of, "test": set(of_test)}),
        **{part: getattr(split, part).tolist() for part in PARTS},
    }


def _overlap(digests: dict[str, set[str]]) -> dict[str, int]:
    """Different images, by the bytes of their files, that two parts share."""
    names = list(digests)
    return {
        f"{a}_{b}": len(digests[a] & digests[b])
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    }


def hash_of(content: dict) -> str:
    """SHA-256 of what a split file says, its own hash left out."""
    said = {key: value for key, value in content.items() if key != "hash"}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write(content: dict, path: Path) -> str:
    """Write a split file, one line a key; an equal one that is there is left alone.

    Returns:
        Its hash.

    Raises:
        UserError: another file is there, or the folder cannot be written to.
    """
    content = {**content, "hash": hash_of(content)}
    if path.exists():
        if load(path).hash == content["hash"]:
            return content["hash"]
        raise UserError(f"{path} holds another split; choose another --out or delete it.")
    lines = [f"  {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in content.items()]
    try:
        with replacing(path) as part:
            part.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); choose another --out."
        ) from None
    return content["hash"]


def load(path: Path) -> SplitFile:
    """Read a split file.

    Raises:
        UserError: missing, of another kind, or changed since it was written.
    """
    try:
        content = read_json(path, "a file of `python -m common.datasets split`")
        positions = {part: np.array(content[part], np.int64) for part in PARTS}
        said, kind = content["hash"], content["format"]
        name, labels, classes = content["name"], content["labels"], tuple(content["classes"])
        images = dict(content["content"])
    except (ValueError, KeyError, TypeError, OverflowError):
        raise UserError(
            f"{path} is no split file; draw one with `python -m common.datasets split`."
        ) from None
    if kind != FORMAT:
        raise UserError(f"{path} has the format {kind}, expected {FORMAT}; draw the split anew.")
    if said != hash_of(content):
        raise UserError(
            f"{path} was changed after it was written: its hash is another; draw the split anew."
        )
    return SplitFile(name, labels, images, classes, Split(**positions, file=said), said)


def use(path: Path, train: Manifest, test: Manifest | None) -> Split:
    """The split of a file, for images that are those it was drawn from.

    Args:
        test: None where a training reads no test images.

    Raises:
        UserError: see :func:`load`; or the images are others.
    """
    file = load(path)
    if file.classes != tuple(train.classes):
        raise UserError(
            f"{path} is of the classes {', '.join(file.classes)}, but the images have "
            f"{', '.join(train.classes)}; give the split file of this dataset."
        )
    for name, images in (("train", train), ("test", test)):
        if images is not None and file.content.get(name) != content_hash(images)[0]:
            raise UserError(
                f"{path} was drawn from other images than these {len(images)} {name} images (their "
                "bytes, labels or order differ); draw a split of this copy with `python -m "
                "common.datasets split`."
            )
    parts = (file.split.labelled, file.split.unlabelled, file.split.validation)
    if any(len(part) and not 0 <= part.min() <= part.max() < len(train) for part in parts):
        raise UserError(
            f"{path} names positions that are not among the {len(train)} training images; draw the "
            "split anew."
        )
    return file.split


def resolve(
    args: argparse.Namespace, given_flags: Iterable[str], labels: str, share: bool = False
) -> None:
    """Make the labels asked for those of ``--split``, in place, where a split file is given.

    Args:
        given_flags: names of the arguments that the user gave.
        labels: name of the argument that says how many images are labelled.
        share: it says so as a share of the images.

    Raises:
        UserError: the user gave another number, or a share of held-out images for a file that
            holds some out already; see also :func:`load`.
    """
    if args.split is None:
        return
    file = load(args.split)
    asked, there = getattr(args, labels), file.labels if share else len(file.split.labelled)
    if labels in given_flags and asked != there:
        raise UserError(
            f"{asked:g} of the images are to be labelled, but {args.split} labels {there:g}; leave "
            "the flag that says so out."
            if share
            else f"{asked} images are to be labelled, but {args.split} labels {there}; leave the "
            "flag that says so out."
        )
    if len(file.split.validation) and getattr(args, "val_fraction", 0):
        raise UserError(
            f"{args.split} holds {len(file.split.validation)} images out for validation already; "
            "leave --val_fraction out."
        )
    setattr(args, labels, there)


def add_flag(group, what: str = "labelled images") -> None:
    """Add ``--split``; `what` is what a file decides."""
    told = f"take the {what} from a file of `python -m common.datasets split`"
    group.add_argument("--split", type=Path, metavar="FILE", neutral=True, help=told)


def record(split: Split) -> dict:
    """What ``config.json`` says of a split."""
    return {
        "file_hash": split.file,
        "labelled_hash": hashlib.sha256(split.labelled.tobytes()).hexdigest(),
        **{part: len(getattr(split, part)) for part in PARTS},
    }


def read_images(
    args: argparse.Namespace, manifest: Manifest, seed: int, draw: Callable[[Manifest], Split]
) -> Images:
    """Train and test images of a run, and which of them are labelled, unlabelled, held out.

    Args:
        args: ``split`` and ``val_fraction``.
        manifest: with the splits ``train`` and ``test``.
        seed: of the held-out images.
        draw: training images -> the split, where no file gives it.

    Raises:
        UserError: see :func:`use`; or too few images are left to hold any out.
    """
    train, test = manifest.split("train"), manifest.split("test")
    split = use(args.split, train, test) if args.split else draw(train)
    return Images(train, test, hold_out_validation(split, train.labels, args.val_fraction, seed))
