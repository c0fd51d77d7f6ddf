"""Images labelled with the emotion they evoke, as class folders or lists: a table of datasets.

None of these has one official layout that is known here for certain; the forms read are those the
published code of their users reads: ``<split>/<class>/``, class folders without a split (a fixed
fifth is then the test split), and lists ``train*``, ``test*`` beside ``images/``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common.data.manifest import Manifest
from common.datasets.readers.lists import find_lists, read_listed
from common.datasets.readers.tree import Labels, has_class_folders, read_tree

MIKELS = (
    *("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness"),
)
PARROTT = ("anger", "fear", "joy", "love", "sadness", "surprise")
POLAR = ("negative", "positive")
SE30K8 = (
    *("anger", "disgust", "fear", "happiness", "neutral", "sadness"),
    *("surprise(negative)", "surprise(positive)"),
)
SAD = {"sad": "sadness", "content": "contentment"}
HAPPY = SAD | {"happy": "joy", "happiness": "joy"}
SIGNS = {"neg": "negative", "pos": "positive", "neu": "neutral"}
SURPRISES = {
    "happy": "happiness",
    "sad": "sadness",
    "surprise_negative": "surprise(negative)",
    "surprise_positive": "surprise(positive)",
    "surprise-negative": "surprise(negative)",
    "surprise-positive": "surprise(positive)",
    "negative_surprise": "surprise(negative)",
    "positive_surprise": "surprise(positive)",
}


@dataclass(frozen=True)
class Scenes:
    """A dataset of this family.

    Attributes:
        title: what people call it, with its authors.
        labels: class names and their spellings.
        source: where it is to be had.
        number: of classes, where they have no names.
    """

    title: str
    labels: Labels
    source: str
    number: int | None = None


SETS = {
    "fi": Scenes(
        "FI (Flickr and Instagram, DeepEmotion)",
        Labels((MIKELS,), SAD),
        "its authors on request, https://qzyou.github.io",
    ),
    "flickr": Scenes(
        "Flickr (CrossSentiment)",
        Labels((("negative", "neutral", "positive"), POLAR), SIGNS),
        "https://mm.doshisha.ac.jp/senti/CrossSentiment.html",
    ),
    "instagram": Scenes(
        "Instagram (CrossSentiment)",
        Labels((("negative", "neutral", "positive"), POLAR), SIGNS),
        "https://mm.doshisha.ac.jp/senti/CrossSentiment.html",
    ),
    "twitterldl_polarity": Scenes(
        "Twitter LDL in three classes",
        Labels((("negative", "neutral", "positive"),), SIGNS),
        "made from Twitter LDL by its users",
    ),
    "unbiasedemo": Scenes(
        "UnBiasedEmo", Labels((PARROTT,), HAPPY), "https://rpand002.github.io/emotion.html"
    ),
    "emotion6_web": Scenes(
        "Emotion-6 of Panda et al.",
        Labels((PARROTT,), HAPPY),
        "https://rpand002.github.io/emotion.html",
    ),
    "deepsentiment": Scenes(
        "DeepSentiment (Twitter images)",
        Labels((POLAR,), SIGNS),
        "its authors on request, https://qzyou.github.io",
    ),
    "stockemotion": Scenes(
        "StockEmotion",
        Labels(),
        "the URL lists beside the published code of its authors",
        number=690,
    ),
    "cifar10": Scenes("CIFAR-10 as image folders", Labels(), "torchvision, laid out as folders"),
    "imagenet": Scenes("ImageNet as image folders", Labels(), "https://image-net.org"),
    "folders": Scenes("images in class folders", Labels(), "your own"),
}


def read(name: str, root: Path) -> Manifest:
    """Read a dataset of :data:`SETS`: its folders a split, else its lists, else its class folders.

    Raises:
        UserError: neither is there, or not all of it.
    """
    known, root = SETS[name], Path(root)
    of = known.labels.choices[0] if known.labels.choices else ()
    hint = (
        f"expected {known.title} as train/<class>/<image> and test/<class>/<image>, as "
        f"<class>/<image>, or as images/ with lists of 'path label'; source: {known.source}."
    )
    if has_class_folders(root):
        return read_tree(name, root, known.labels, hint)
    if root.is_dir() and (files := find_lists(root, len(of) or known.number)):
        return read_listed(name, root, files, known.labels, known.number)
    return read_tree(name, root, known.labels, hint)
