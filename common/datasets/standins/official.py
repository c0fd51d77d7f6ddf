"""Drawn stand-ins of scene datasets in the trees of their downloads, as the catalogue says.

An image shows a family of :mod:`emotions`. How many there are at scale 1 stands in the catalogue;
the large sets are a small share of the official ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from numpy.random import Generator

from common.datasets.catalogue import LABEL_SETS, reader
from common.datasets.standins import emotions, picture_lists
from common.datasets.standins.picture_lists import Job, draw_all, generator, scaled, write_lines
from common.files import write_json

VERSION = 1
"""Raised by any change that changes a byte of an image or a list."""
SIDE = 96


class Sample(NamedTuple):
    """An image: its split, class, number within both, and file."""

    split: str
    name: str
    number: int
    path: str


def write(
    folder: Path,
    scale: float,
    seed: int,
    size: int,
    name: str,
    sizes: Mapping[str, int],
    path: str,
    families: Mapping[str, str] | None = None,
    labels: str = "",
    beside: str = "",
    least: int = 4,
) -> dict[str, dict[str, int]]:
    """Write the tree of a dataset into an existing empty folder.

    Args:
        name: of the dataset.
        sizes: split -> images at scale 1.
        path: of an image, with the fields ``split``, ``name``, ``label`` and ``number`` (from 1).
        families: class -> family; ``+``, ``-``: any family of that sign. None: the classes of the
            dataset, or of the label set `labels`, show themselves.
        beside: what of :data:`BESIDE` writes lists and annotations.
        least: fewest images of a class and split.

    Returns:
        Images per split and class.
    """
    if families is None:
        classes = LABEL_SETS[labels].classes if labels else reader(name).classes
        families = {label: label for label in classes}
    samples = _samples(list(families), sizes, path, scale, least)
    jobs = []
    for sample in samples:
        rng = generator(seed, name, sample.path)
        jobs.append(Job(sample.path, _family(families[sample.name], rng)))
    draw_all(jobs, folder, seed, size, name)
    if beside:
        BESIDE[beside](folder, samples, seed)
    splits = dict.fromkeys(sample.split for sample in samples)
    return picture_lists.counts({s: [x.name for x in samples if x.split == s] for s in splits})


def _samples(
    names: list[str], sizes: Mapping[str, int], path: str, scale: float, least: int
) -> list[Sample]:
    """Every image, split by split and class by class; numbers go on through the splits."""
    out, number = [], dict.fromkeys(names, 0)
    for split, full in sizes.items():
        for label, name in enumerate(names):
            for _ in range(scaled(full // len(names), scale, least)):
                place = path.format(split=split, name=name, number=number[name] + 1, label=label)
                out.append(Sample(split, name, number[name], place))
                number[name] += 1
    return out


def _family(family: str, rng: Generator) -> str:
    """`family`, or one of the sign that ``+`` or ``-`` asks for."""
    if family not in "+-":
        return family
    positive = family == "+"
    fitting = [f for f in emotions.FAMILIES if f not in ("neutral", "surprise")]
    return str(rng.choice([f for f in fitting if (f in emotions.POSITIVE) == positive]))


def _emotionroi(folder: Path, samples: list[Sample], seed: int) -> None:
    """``training_testing_split/``: lines ``class/file``."""
    for split, file in (("train", "training.txt"), ("test", "testing.txt")):
        lines = [s.path.removeprefix("images/") for s in samples if s.split == split]
        write_lines(folder / "training_testing_split" / file, lines)


def _twitter1(folder: Path, samples: list[Sample], seed: int) -> None:
    """Lists of the images on which at least three, four and five raters agree."""
    agree = {s.path: int(generator(seed, "agree", s.path).integers(3, 6)) for s in samples}
    for least, word in ((3, "three"), (4, "four"), (5, "five")):
        write_lines(
            folder / f"twitter_{word}_agrees.txt",
            [
                f"{Path(s.path).name} {int(s.name == 'positive')}"
                for s in samples
                if agree[s.path] >= least or s.number < 2
            ],
        )


def _emoset(folder: Path, samples: list[Sample], seed: int) -> None:
    """Lists of ``[class, image, annotation]``, an annotation an image, and ``info.json``."""
    for split in ("train", "val", "test"):
        rows = []
        for sample in (s for s in samples if s.split == split):
            key = Path(sample.path).stem
            annotation = f"annotation/{sample.name}/{key}.json"
            (folder / annotation).parent.mkdir(parents=True, exist_ok=True)
            write_json(folder / annotation, {"image_id": key, "emotion": sample.name})
            rows.append([sample.name, sample.path, annotation])
        write_json(folder / f"{split}.json", rows)
    numbers = {name: k for k, name in enumerate(LABEL_SETS["ldl8"].classes)}
    write_json(folder / "info.json", {"label2idx": {"emotion": numbers}})


BESIDE: dict[str, Callable[[Path, list[Sample], int], None]] = {
    "emotionroi": _emotionroi,
    "twitter1": _twitter1,
    "emoset": _emoset,
}
"""Dataset -> writes what stands beside the images: (folder, samples, seed)."""
