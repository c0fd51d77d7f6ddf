"""What is known of a dataset by its name: classes, polarity, where it lives."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_MIKELS = {
    "amusement": 1,
    "anger": 0,
    "awe": 1,
    "contentment": 1,
    "disgust": 0,
    "excitement": 1,
    "fear": 0,
    "sadness": 0,
}


@dataclass(frozen=True)
class Description:
    """A dataset in words.

    Attributes:
        name: as given on the command line.
        title: what people call it.
        polarity: class name -> 1 positive, 0 negative; empty where the classes have none.
        twin: whether ``python -m common.datasets twin NAME`` draws a stand-in.
    """

    name: str
    title: str
    polarity: dict[str, int]
    twin: bool = False


DATASETS = {
    d.name.lower(): d
    for d in (
        Description("fi", "Flickr & Instagram (FI, DeepEmotion)", _MIKELS, twin=True),
        Description("SE30K8", "StockEmotion SE30K8", _MIKELS),
        Description("emoset", "EmoSet-118K", _MIKELS),
        Description(
            "emotion6",
            "Emotion6",
            {"anger": 0, "disgust": 0, "fear": 0, "joy": 1, "sadness": 0, "surprise": 1},
        ),
        Description("twitter1", "Twitter I", {"negative": 0, "positive": 1}),
        Description("twitter2", "Twitter II", {"negative": 0, "positive": 1}),
        Description(
            "twitterldl_polarity",
            "Twitter, three classes",
            {"negative": 0, "neutral": 1, "positive": 1},
            twin=True,
        ),
        Description(
            "bass",
            "BASS silhouettes in valence-arousal quadrants",
            {
                "negative_aroused": 0,
                "negative_calm": 0,
                "positive_aroused": 1,
                "positive_calm": 1,
            },
        ),
        Description("cifar10", "CIFAR-10 as image folders", {}),
        Description("imagenet", "ImageNet as image folders", {}),
    )
}


def describe(name: str) -> Description | None:
    """The description of a dataset, or None for a name nobody registered."""
    return DATASETS.get(name.lower())


def polarity(name: str, classes: tuple[str, ...]) -> list[int]:
    """Polarity code of every class, in class order.

    All codes are 1 (every class agrees with every other) where the dataset is unknown, has no
    polarity, or its folders are named otherwise; the log says so.
    """
    known = describe(name)
    codes = known.polarity if known else {}
    if codes and all(c.lower() in codes for c in classes):
        return [codes[c.lower()] for c in classes]
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
