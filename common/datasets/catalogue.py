"""What is known of datasets, read from ``catalogue.yaml``: a row a dataset, and label sets.

Readers and stand-ins are named as ``module:function`` of :mod:`common.datasets.readers` and
:mod:`common.datasets.standins`; a module is imported when it is called.
"""

from __future__ import annotations

import difflib
import importlib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from common.cli import UserError
from common.data.manifest import Manifest

log = logging.getLogger(__name__)

CONTENT: dict[str, Any] = yaml.safe_load(
    Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
)
ALL = "all"  # every split together


@dataclass(frozen=True)
class LabelSet:
    """A set of labels.

    Attributes:
        name: of the set.
        classes: in label order.
        concepts: class -> concept where the name of the class is not that of its concept.
        polarity: class -> 1 positive, 0 negative; empty where it is not said.
    """

    name: str
    classes: tuple[str, ...]
    concepts: Mapping[str, str]
    polarity: Mapping[str, int]

    def concept(self, label: str) -> str:
        """The concept of a class."""
        return self.concepts.get(label, label)


@dataclass(frozen=True)
class Published:
    """Published numbers of one dataset.

    Attributes:
        source: publication or release the numbers are from.
        total: images in all; None: unknown.
        splits: split -> images.
        classes: split, or ``all``, -> class -> images. In the file one number for all classes, or
            numbers in the order of the classes, or class -> number.
        forms: forms of the download the numbers are for; empty: every form.
        remark: what else a reader should know, a sentence.
    """

    source: str
    total: int | None = None
    splits: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    forms: tuple[str, ...] = ()
    remark: str = ""


@dataclass(frozen=True)
class StandIn:
    """A drawn stand-in in the official tree of a dataset.

    Attributes:
        name: as ``python -m common.datasets twin NAME`` takes it.
        draw: ``module:function`` that writes it into an empty folder; the function takes folder,
            scale, seed, size and `arguments`, and returns images per split and class.
        arguments: of the function, by name.
        side: pixels of the long side; None: ``SIDE`` of the module.
    """

    name: str
    draw: str
    arguments: Mapping[str, Any]
    side: int | None = None

    @property
    def _module(self):
        return importlib.import_module(f"{__package__}.standins.{self.draw.partition(':')[0]}")

    @property
    def version(self) -> int:
        """Raised by any change that changes a byte of what is drawn."""
        return self._module.VERSION

    @property
    def usual_size(self) -> int:
        """Pixels of the long side where none are asked for."""
        return self.side or self._module.SIDE

    def write(self, folder: Path, scale: float, seed: int, size: int) -> dict[str, dict[str, int]]:
        """Draw into an existing empty folder; returns images per split and class."""
        function = getattr(self._module, self.draw.partition(":")[2])
        return function(folder, scale, seed, size, **self.arguments)


@dataclass(frozen=True)
class Dataset:
    """A row of the catalogue.

    Attributes:
        name: as commands take it; capitals, blanks, hyphens and underscores never matter.
        title: what people call it.
        reader: ``module:function``; the function takes the folder as ``root``.
        arguments: of the reader, by name.
        aliases: further names.
        source: where it is to be had, where the reader does not say so itself.
        labels: label set; empty: none that the label algebra knows.
        classes: in label order; empty: those of the folder.
        other_labels: label set that copies may have instead.
        spellings: other spelling -> class, lower case.
        polarity: label set whose signs :func:`polarity` gives, ``none`` where classes have none.
            Empty: no name that a training by class folders knows.
        twin: stand-in whose tree is ``train/<class>/`` and ``test/<class>/``.
        published: one entry a form where forms differ.
        standins: its stand-ins, by name.
    """

    name: str
    title: str
    reader: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    source: str = ""
    labels: str = ""
    classes: tuple[str, ...] = ()
    other_labels: str = ""
    spellings: Mapping[str, str] = field(default_factory=dict)
    polarity: str = ""
    twin: str = ""
    published: tuple[Published, ...] = ()
    standins: Mapping[str, StandIn] = field(default_factory=dict)

    def __call__(self, folder: Path | str) -> Manifest:
        """Read `folder`.

        Raises:
            UserError: it does not hold the dataset, or not all of it.
        """
        module, _, function = self.reader.partition(":")
        read: Callable[..., Manifest] = getattr(
            importlib.import_module(f"{__package__}.readers.{module}"), function
        )
        return read(root=Path(folder), **self.arguments)


def _label_set(name: str, row: dict) -> LabelSet:
    signs = row["classes"] if isinstance(row["classes"], dict) else {}
    return LabelSet(name, tuple(row["classes"]), row.get("concepts", {}), signs)


def _standins(rows: dict) -> dict[str, StandIn]:
    found = {}
    for name, row in rows.items():
        arguments = dict(row) if isinstance(row, dict) else {"draw": row}
        draw, side = arguments.pop("draw"), arguments.pop("side", None)
        found[name] = StandIn(name, draw, arguments, side)
    return found


def _published(row: dict, names: tuple[str, ...]) -> Published:
    classes = {}
    for split, numbers in row.pop("classes", {}).items():
        if isinstance(numbers, int):
            numbers = dict.fromkeys(names, numbers)
        elif isinstance(numbers, list):
            numbers = dict(zip(names, numbers, strict=True))
        classes[split] = numbers
    return Published(classes=classes, forms=tuple(row.pop("forms", ())), **row)


def _dataset(name: str, row: dict) -> Dataset:
    labels = row.get("labels", "")
    classes = LABEL_SETS[labels].classes if labels else tuple(row.get("classes", ()))
    return Dataset(
        name,
        **row
        | {
            "classes": classes,
            "aliases": tuple(row.get("aliases", ())),
            "spellings": SPELLINGS.get(row.get("spellings"), {}),
            "published": tuple(_published(dict(p), classes) for p in row.get("published", ())),
            "standins": _standins(row.get("standins", {})),
        },
    )


LABEL_SETS = {name: _label_set(name, row) for name, row in CONTENT["label_sets"].items()}
SPELLINGS: dict[str, dict[str, str]] = CONTENT["spellings"]
DATASETS = {name: _dataset(name, row) for name, row in CONTENT["datasets"].items()}
"""Name as commands take it -> row."""
STANDINS = _standins(CONTENT["standins"])
STANDINS |= {name: s for row in DATASETS.values() for name, s in row.standins.items()}
"""Name of a stand-in -> what draws it."""


def plain(name: str) -> str:
    """A name without capitals, blanks, hyphens and underscores."""
    return re.sub(r"[\s_-]", "", name).lower()


_NAMES = {plain(alias): row.name for row in DATASETS.values() for alias in row.aliases}
_NAMES |= {plain(name): name for name in DATASETS}


def canonical(name: str) -> str:
    """The key of :data:`DATASETS` that `name` means, or `name` itself where there is none."""
    return _NAMES.get(plain(name), name)


def reader(name: str) -> Dataset:
    """The row of a dataset, which reads a folder when it is called.

    Raises:
        UserError: nothing of that name; says which names are near.
    """
    key = canonical(name)
    if key not in DATASETS:
        hint = did_you_mean(key.lower(), map(str.lower, DATASETS))
        raise UserError(
            f"no reader is known for '{name}'; known are {', '.join(sorted(DATASETS))}.{hint}"
        )
    return DATASETS[key]


def did_you_mean(name: str, names) -> str:
    """A question that names what is spelt nearly so, or nothing."""
    near = difflib.get_close_matches(name, list(names), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def standin(name: str) -> StandIn:
    """The stand-in of a name.

    Raises:
        UserError: there is none.
    """
    if name.lower() not in STANDINS:
        raise UserError(f"no twin is known for '{name}'; known are {', '.join(sorted(STANDINS))}.")
    return STANDINS[name.lower()]


# --- datasets that trainings name -----------------------------------------------------------------

TRAINABLE = {row.name.lower(): row for row in DATASETS.values() if row.polarity}
"""Lower-case name -> row, of the datasets that a training by class folders knows."""


def describe(name: str) -> Dataset | None:
    """The row of a dataset by its exact name, or None for one that no training knows."""
    return TRAINABLE.get(name.lower())


def polarity(name: str, classes: tuple[str, ...]) -> list[int]:
    """Polarity code of every class, in class order.

    All codes are 1 (every class agrees with every other) where the dataset is unknown, has no
    polarity, or its folders are named otherwise; the log says so.
    """
    row = describe(name)
    signs = LABEL_SETS[row.polarity].polarity if row and row.polarity in LABEL_SETS else {}
    if signs and all(c.lower() in signs for c in classes):
        return [signs[c.lower()] for c in classes]
    log.warning(
        "no polarity is known for the classes of %s (%s): all are taken as alike, so the "
        "same-polarity mass is 1 for every image.",
        name,
        ", ".join(classes[:8]) + (", …" if len(classes) > 8 else ""),
    )
    return [1] * len(classes)


def default_folders(name: str, data_dir: Path) -> tuple[Path, Path]:
    """Where train and test images lie when no folders are given: <data_dir>/<name>/train, /test."""
    return data_dir / name / "train", data_dir / name / "test"


# --- published counts -----------------------------------------------------------------------------


def published(name: str, form: str = "") -> Published | None:
    """The numbers published for `form` of a dataset, or None where none are known."""
    row = next((row for row in DATASETS.values() if row.name.lower() == name.lower()), None)
    entries = row.published if row else ()
    return next((entry for entry in entries if not entry.forms or form in entry.forms), None)


def differences(manifest: Manifest) -> list[str]:
    """Sentences that say where a manifest's counts differ from the published ones.

    Drawn stand-ins and datasets without published numbers have none.
    """
    known = published(manifest.name, manifest.form)
    if known is None or manifest.drawn:
        return []
    notes = []
    if known.total is not None and len(manifest) != known.total:
        notes.append(f"{len(manifest)} images, published are {known.total} ({known.source})")
    for split, number in known.splits.items():
        here = len(manifest.split(split))
        if here != number:
            notes.append(f"{here} {split} images, published are {number} ({known.source})")
    for split, of_class in known.classes.items():
        rows = manifest if split == ALL else manifest.split(split)
        numbers = np.bincount(rows.labels, minlength=len(manifest.classes)).tolist()
        here = dict(zip(manifest.classes, numbers, strict=True))
        odd = [
            f"{name} {here.get(name, 0)} instead of {number}"
            for name, number in of_class.items()
            if here.get(name, 0) != number
        ]
        if odd:
            where = "" if split == ALL else f"{split} "
            notes.append(f"{where}images of a class: {', '.join(odd)} ({known.source})")
    return [f"{manifest.name}: {note}" for note in notes]
