"""Drawn stand-ins for the emotion datasets that come as lists of images and labels.

DeepEmotion (FI), UnBiasedEmo, DeepSentiment, Advertisement and SE30K8: images, the list files that
the published configurations name, and where the dataset publishes votes, these in its own form.
Class numbers count alphabetically from 0. At scale 1, UnBiasedEmo has its official number of
images; the others are as large as the catalogue says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from numpy.random import Generator

from common.data import pickles
from common.datasets.catalogue import LABEL_SETS, reader
from common.datasets.standins import emotions, picture_lists
from common.datasets.standins.picture_lists import Job, draw_all, generator, scaled
from common.datasets.standins.tagged import write_vocabulary
from common.files import write_json

VERSION = 1
SIDE = 96
POLARITY = LABEL_SETS["polarity"].classes
VOTED = {
    "anger": ("anger",),
    "disgust": ("disgust",),
    "fear": ("fear",),
    "happiness": ("joy", "amusement", "contentment", "excitement", "love"),
    "neutral": ("neutral",),
    "sadness": ("sadness",),
    "surprise(negative)": ("surprise",),
    "surprise(positive)": ("awe",),
}
"""SE30K8's classes and the families that show them."""
WORKERS, AGREEMENT = 5, 3
SE30K8_SIZES = {"train": 1600, "test": 400}
"""Images at scale 1."""


def write(
    folder: Path,
    scale: float,
    seed: int,
    size: int,
    name: str,
    sizes: Sequence[int],
    lists: Sequence[str],
    least: int = 4,
) -> dict[str, dict[str, int]]:
    """Write ``images/<class>/…`` and both lists of ``[path, class number]``.

    Args:
        name: of the dataset; an image has one of its classes.
        sizes: images of train and of test at scale 1.
        lists: list file of train and of test.
        least: fewest images of a class and split.
    """
    classes, shown = reader(name).classes, {}
    for split, full, target in zip(("train", "test"), sizes, lists, strict=True):
        each = scaled(full // len(classes), scale, least)
        entries, jobs = [], []
        for label, of_class in enumerate(classes):
            for k in range(each):
                path = f"{of_class}/{split}_{k:05d}.png"
                entries.append([path, label])
                jobs.append(Job(path, _family(of_class, generator(seed, name, path))))
        draw_all(jobs, folder / "images", seed, size, name)
        pickles.save(entries, folder / target)
        shown[split] = [classes[label] for _, label in entries]
    return picture_lists.counts(shown)


def _family(name: str, rng: Generator) -> str:
    """The family that an image of a class is drawn from."""
    if name in POLARITY:
        positive = name == "positive"
        fitting = [f for f in emotions.FAMILIES if f != "neutral"]
        return str(rng.choice([f for f in fitting if (f in emotions.POSITIVE) == positive]))
    return emotions.family_of(name)


def write_advertisement(folder: Path, scale: float, seed: int, size: int, **listed) -> dict:
    """The lists, and ``Sentiments.json``: image -> per worker the numbers from 1, as strings."""
    shown = write(folder, scale, seed, size, **listed)
    votes = {}
    for target in listed["lists"]:
        for path, label in pickles.load(folder / target):
            rng = generator(seed, "sentiments", path)
            drawn = [label if rng.random() < 0.8 else int(rng.integers(30)) for _ in range(3)]
            drawn[0] = drawn[1] = label
            votes[path] = [[str(k + 1)] for k in drawn]
    write_json(folder / "Sentiments.json", votes)
    return shown


def write_deepsentiment(folder: Path, scale: float, seed: int, size: int, **listed) -> dict:
    """The lists, and ``three_agrees.txt``: a line ``file label`` an image."""
    shown = write(folder, scale, seed, size, **listed)
    rows = [row for target in listed["lists"] for row in pickles.load(folder / target)]
    text = "".join(f"{path} {label}\n" for path, label in rows)
    pickles.write_bytes(text.encode(), folder / "three_agrees.txt")
    return shown


def write_se30k8(folder: Path, scale: float, seed: int, size: int) -> dict:
    """Images, every worker's votes, and the lists made of them.

    ``annotations.json``: image -> a list per worker of the emotions that this worker named.
    ``{train,test}.pkl``: ``[path, class]`` of the images that at least three votes agree on.
    ``{train,test}_multi.pkl``: ``[path, shares of the votes]`` of all images.
    ``{train,test}_text.pkl``: the same with tag numbers of ``vocabulary/tag2idx.pkl``.
    """
    tag2idx = write_vocabulary(folder / "vocabulary", seed)
    tags = emotions.ranked_tags(690)
    annotations, shown = {}, {}
    for split, full in SE30K8_SIZES.items():
        single, shares, jobs = [], [], []
        for k in range(scaled(full, scale, 8 * 4)):
            name = tuple(VOTED)[k % len(VOTED)]
            path = f"{split}/{k:05d}.png"
            rng = generator(seed, "se30k8", path)
            family = str(rng.choice(VOTED[name]))
            jobs.append(Job(path, family))
            annotations[path] = _votes(name, rng)
            counted = Counter(vote for worker in annotations[path] for vote in worker)
            share = [float(counted[c] / counted.total()) for c in VOTED]
            numbers = [tag2idx[tag] for tag in emotions.sentence(family, tags, rng)]
            shares.append([path, share, numbers])
            top, votes = counted.most_common(1)[0]
            if votes >= AGREEMENT:
                single.append([path, tuple(VOTED).index(top)])
        draw_all(jobs, folder / "images", seed, size, "se30k8")
        pickles.save(single, folder / f"{split}.pkl")
        pickles.save([row[:2] for row in shares], folder / f"{split}_multi.pkl")
        pickles.save(shares, folder / f"{split}_text.pkl")
        shown[split] = [tuple(VOTED)[label] for _, label in single]
    write_json(folder / "annotations.json", annotations)
    return picture_lists.counts(shown)


def _votes(name: str, rng: Generator) -> list[list[str]]:
    """What five workers named: mostly `name`, now and then another one, or two."""
    out = []
    for _ in range(WORKERS):
        named = [name if rng.random() < 0.75 else str(rng.choice(tuple(VOTED)))]
        if rng.random() < 0.1:
            named.append(str(rng.choice([c for c in VOTED if c != named[0]])))
        out.append(named)
    return out
