"""Drawn stand-ins of scene datasets in the trees of their downloads: a table and a few layouts.

An image shows a family of :mod:`emotions`. How many there are at scale 1 stands in the table; the
large sets are a small share of the official ones.
"""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from numpy.random import Generator

from common.datasets.labels import SPACES
from common.datasets.standins import emotions, picture_lists
from common.datasets.standins.fi import CLASSES as MIKELS
from common.datasets.standins.picture_lists import Job, draw_all, generator, scaled
from common.files import write_json

VERSION = 1
"""Raised by any change that changes a byte of an image or a list."""
SIDE = 96

EKMAN = SPACES["emotion6"].classes
PARROTT = SPACES["webemo6"].classes
WEBEMO = {
    **{"affection": "love", "cheerfullness": "joy", "confusion": "surprise"},
    **{"contentment": "contentment", "disappointment": "sadness", "disgust": "disgust"},
    **{"enthrallment": "awe", "envy": "disgust", "exasperation": "anger", "gratitude": "love"},
    **{"horror": "fear", "irritabilty": "anger", "lust": "love", "neglect": "sadness"},
    **{"nervousness": "fear", "optimism": "awe", "pride": "contentment", "rage": "anger"},
    **{"relief": "contentment", "sadness": "sadness", "shame": "sadness"},
    **{"suffering": "sadness", "surprise": "surprise", "sympathy": "love", "zest": "excitement"},
}
"""The 25 classes and the families that show them."""


class Sample(NamedTuple):
    """An image: its split, class, number within both, and file."""

    split: str
    name: str
    number: int
    path: str


Layout = Callable[[Path, list[Sample], int], None]
"""Writes what stands beside the images: (folder, samples, seed)."""


@dataclass(frozen=True)
class Official:
    """A dataset's stand-in.

    Attributes:
        name: of the dataset.
        families: class -> family; ``+``, ``-``: any family of that sign.
        sizes: split -> images at scale 1.
        path: of an image, with the fields ``split``, ``name``, ``label`` and ``number`` (from 1).
        beside: writes lists and annotations.
        least: fewest images of a class and split.
    """

    name: str
    families: Mapping[str, str]
    sizes: Mapping[str, int]
    path: str
    beside: Layout | None = None
    least: int = 4

    def write(self, folder: Path, scale: float, seed: int, size: int) -> dict[str, dict[str, int]]:
        """Write the tree into an existing empty folder; returns images per split and class."""
        samples = self.samples(scale)
        jobs = []
        for sample in samples:
            rng = generator(seed, self.name, sample.path)
            jobs.append(Job(sample.path, _family(self.families[sample.name], rng)))
        draw_all(jobs, folder, seed, size, self.name)
        if self.beside:
            self.beside(folder, samples, seed)
        splits = dict.fromkeys(sample.split for sample in samples)
        shown = {s: [x.name for x in samples if x.split == s] for s in splits}
        return picture_lists.counts(shown)

    def samples(self, scale: float) -> list[Sample]:
        """Every image, split by split and class by class; numbers go on through the splits."""
        out, number = [], dict.fromkeys(self.families, 0)
        for split, full in self.sizes.items():
            for label, name in enumerate(self.families):
                for _ in range(scaled(full // len(self.families), scale, self.least)):
                    fields = {"split": split, "name": name, "number": number[name] + 1}
                    path = self.path.format(**fields, label=label)
                    out.append(Sample(split, name, number[name], path))
                    number[name] += 1
        return out


def _family(family: str, rng: Generator) -> str:
    """`family`, or one of the sign that ``+`` or ``-`` asks for."""
    if family not in "+-":
        return family
    positive = family == "+"
    fitting = [f for f in emotions.FAMILIES if f not in ("neutral", "surprise")]
    return str(rng.choice([f for f in fitting if (f in emotions.POSITIVE) == positive]))


def _lines(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _emotionroi(folder: Path, samples: list[Sample], seed: int) -> None:
    """``training_testing_split/``: lines ``class/file``."""
    for split, file in (("train", "training.txt"), ("test", "testing.txt")):
        lines = [s.path.removeprefix("images/") for s in samples if s.split == split]
        _lines(folder / "training_testing_split" / file, lines)


def _twitter1(folder: Path, samples: list[Sample], seed: int) -> None:
    """Lists of the images on which at least three, four and five raters agree."""
    agree = {s.path: int(generator(seed, "agree", s.path).integers(3, 6)) for s in samples}
    for least, word in ((3, "three"), (4, "four"), (5, "five")):
        _lines(
            folder / f"twitter_{word}_agrees.txt",
            [
                f"{Path(s.path).name} {int(s.name == 'positive')}"
                for s in samples
                if agree[s.path] >= least or s.number < 2
            ],
        )


def _emoset(folder: Path, samples: list[Sample], seed: int) -> None:
    """Lists of ``[class, image, annotation]``, an annotation an image, and ``info.json``."""
    order = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
    for split in ("train", "val", "test"):
        rows = []
        for sample in (s for s in samples if s.split == split):
            key = Path(sample.path).stem
            annotation = f"annotation/{sample.name}/{key}.json"
            (folder / annotation).parent.mkdir(parents=True, exist_ok=True)
            write_json(folder / annotation, {"image_id": key, "emotion": sample.name})
            rows.append([sample.name, sample.path, annotation])
        write_json(folder / f"{split}.json", rows)
    numbers = {name: k for k, name in enumerate(order)}
    write_json(folder / "info.json", {"label2idx": {"emotion": numbers}})


def _table(folder: Path, samples: list[Sample], seed: int) -> None:
    """``index.csv`` with path, label and split."""
    rows = [f"{s.path},{s.name},{s.split}" for s in samples]
    _lines(folder / "index.csv", ["path,label,split", *rows])


def _shards(folder: Path, samples: list[Sample], seed: int) -> None:
    """``<split>-000000.tar`` of image and class number; the images themselves are removed."""
    names = sorted({s.name for s in samples})
    _lines(folder / "classnames.txt", names)
    for split in dict.fromkeys(s.split for s in samples):
        with tarfile.open(folder / f"{split}-000000.tar", "w") as tar:
            for k, sample in enumerate(s for s in samples if s.split == split):
                label = str(names.index(sample.name)).encode()
                for ending, content in (
                    ("png", (folder / sample.path).read_bytes()),
                    ("cls", label),
                ):
                    entry = tarfile.TarInfo(f"{k:06d}.{ending}")
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))
    for split in dict.fromkeys(s.split for s in samples):
        shutil.rmtree(folder / split)


def _alike(names: tuple[str, ...]) -> dict[str, str]:
    return {name: name for name in names}


SPLIT_FOLDERS = "{split}/{name}/drawn_{name}_{number:05d}.png"
POLAR = {"negative": "-", "positive": "+"}
THREE = {"negative": "-", "neutral": "neutral", "positive": "+"}
SETS = {
    d.name: d
    for d in (
        Official("flickr", THREE, {"train": 900, "val": 90, "test": 300}, SPLIT_FOLDERS),
        Official("instagram", THREE, {"train": 900, "val": 90, "test": 300}, SPLIT_FOLDERS),
        Official("twitterldl_polarity", THREE, {"train": 900, "test": 300}, SPLIT_FOLDERS),
        Official(
            "emotion6_web", _alike(PARROTT), {"all": 1200}, "images/{name}/{name}_{number:05d}.jpg"
        ),
        Official(
            "emotionroi",
            _alike(EKMAN),
            {"train": 1386, "test": 594},
            "images/{name}/{number}.jpg",
            _emotionroi,
        ),
        Official(
            "twitter1",
            POLAR,
            {"all": 1269},
            "Agg_AMT_Candidates/{name}_{number:04d}.jpg",
            _twitter1,
            8,
        ),
        Official("twitter2", POLAR, {"all": 603}, "{name}/{number:04d}.jpg", None, 8),
        Official(
            "webemo",
            WEBEMO,
            {"train": 2000, "test": 500},
            "images/{split}25/{label}/{number:06d}.jpg",
            None,
            2,
        ),
        Official(
            "emoset",
            _alike(MIKELS),
            {"train": 1600, "val": 96, "test": 304},
            "image/{name}/{name}_{number:05d}.jpg",
            _emoset,
        ),
        Official("folders", _alike(EKMAN), {"train": 600, "test": 240}, SPLIT_FOLDERS),
        Official("table", _alike(EKMAN), {"train": 600, "test": 240}, SPLIT_FOLDERS, _table),
        Official("shards", _alike(EKMAN), {"train": 600, "test": 240}, SPLIT_FOLDERS, _shards),
    )
}
"""Name -> stand-in."""
