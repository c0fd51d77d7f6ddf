"""Label algebra: which class of one dataset is which of another, or that there is none.

Every class names a concept, and concepts form a tree that ends in ``positive`` and ``negative``. A
class maps to the class of the other label set whose concept is its own or, failing that, the
nearest one above it; it never maps to a narrower one. So FI's *amusement* is Emotion6's *joy*, and
*joy* has no counterpart in FI. What has no counterpart is told, never guessed.

Sources of the tree: the datasets' own hierarchies (WEBEmo: Parrott's 25, 6 and 2), Mikels' division
into four positive and four negative emotions, and the quadrants of Russell's circumplex.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from common.cli import UserError

PARENTS: dict[str, str | None] = {
    "positive": None,
    "negative": None,
    "neutral": None,
    "joy": "positive",
    "love": "positive",
    "awe": "positive",
    "surprise(positive)": "positive",
    "amusement": "joy",
    "contentment": "joy",
    "excitement": "joy",
    "cheerfulness": "joy",
    "enthrallment": "joy",
    "optimism": "joy",
    "pride": "joy",
    "relief": "joy",
    "zest": "joy",
    "affection": "love",
    "gratitude": "love",
    "lust": "love",
    "anger": "negative",
    "disgust": "negative",
    "contempt": "negative",
    "fear": "negative",
    "sadness": "negative",
    "surprise(negative)": "negative",
    "envy": "anger",
    "exasperation": "anger",
    "irritability": "anger",
    "rage": "anger",
    "horror": "fear",
    "nervousness": "fear",
    "sorrow": "sadness",
    "disappointment": "sadness",
    "neglect": "sadness",
    "shame": "sadness",
    "suffering": "sadness",
    "sympathy": "sadness",
    "confusion": None,
    # A surprise may be of either sign. In images that evoke it, binary protocols count it as
    # positive (Emotion6, EmotionROI, WEBEmo); a face that shows it says nothing of its sign.
    "surprise": None,
    "evoked surprise": "positive",
    "positive_aroused": "positive",
    "positive_calm": "positive",
    "negative_aroused": "negative",
    "negative_calm": "negative",
}
"""Concept -> the wider one it is part of."""

BROTHERS = {"evoked surprise": "surprise"}
"""A concept that may also stand for another of the same width."""

QUADRANTS = {
    "amusement": "positive_aroused",
    "cheerfulness": "positive_aroused",
    "enthrallment": "positive_aroused",
    "excitement": "positive_aroused",
    "zest": "positive_aroused",
    "contentment": "positive_calm",
    "relief": "positive_calm",
    "anger": "negative_aroused",
    "disgust": "negative_aroused",
    "fear": "negative_aroused",
    "sadness": "negative_calm",
}
"""Concept -> quadrant of Russell's circumplex; the nearest entry at or above a concept counts.

Joy holds excitement and contentment, which differ in arousal, and so has none; nor have awe, love,
pride, optimism, contempt and surprise, which Russell (1980) does not place clearly.
"""


@dataclass(frozen=True)
class Space:
    """A set of labels.

    Attributes:
        name: of the set.
        classes: in label order.
        concepts: class -> concept where the name of the class is not that of its concept.
    """

    name: str
    classes: tuple[str, ...]
    concepts: Mapping[str, str]

    def concept(self, label: str) -> str:
        """The concept of a class."""
        return self.concepts.get(label, label)


_HAPPY = {"happiness": "joy"}
_EVOKED = {"surprise": "evoked surprise"}
_MIKELS = "amusement anger awe contentment disgust excitement fear sadness"
_WEBEMO = (
    "affection cheerfullness confusion contentment disappointment disgust enthrallment envy "
    "exasperation gratitude horror irritabilty lust neglect nervousness optimism pride rage relief "
    "sadness shame suffering surprise sympathy zest"
)
_PARROTT = "anger fear joy love sadness surprise"
_EKMAN = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
_RAF = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
_FERPLUS = (
    *("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
)
_AFFECTNET = "neutral happiness sadness surprise fear disgust anger contempt"

SPACES = {
    s.name: s
    for s in (
        Space("fi8", tuple(_MIKELS.split()), {}),
        Space("emotion6", _EKMAN, _EVOKED),
        Space("unbiasedemo", tuple(_PARROTT.split()), _EVOKED),
        Space(
            "webemo25",
            tuple(_WEBEMO.split()),
            {
                "cheerfullness": "cheerfulness",
                "irritabilty": "irritability",
                "sadness": "sorrow",  # one of six kinds of sadness
                **_EVOKED,
            },
        ),
        Space("webemo6", tuple(_PARROTT.split()), _EVOKED),
        Space("webemo2", ("negative", "positive"), {}),
        Space(
            "se30k8",
            (
                *("anger", "disgust", "fear", "happiness", "neutral", "sadness"),
                *("surprise(negative)", "surprise(positive)"),
            ),
            _HAPPY,
        ),
        Space(
            "raf7",
            _RAF,
            _HAPPY,
        ),
        Space(
            "ferplus8",
            tuple(
                [
                    "neutral",
                    "happiness",
                    "surprise",
                    "sadness",
                    "anger",
                    "disgust",
                    "fear",
                    "contempt",
                ]
            ),
            _HAPPY,
        ),
        Space("affectnet7", tuple(_AFFECTNET.split()[:7]), _HAPPY),
        Space("affectnet8", tuple(_AFFECTNET.split()), _HAPPY),
        Space("polarity", ("negative", "positive"), {}),
        Space("polarity3", ("negative", "neutral", "positive"), {}),
        Space(
            "va",
            ("negative_aroused", "negative_calm", "positive_aroused", "positive_calm"),
            {},
        ),
    )
}
"""Label sets by name; ``va`` is the plane of valence and arousal cut into its quadrants."""

DATASETS = {
    "fi": "fi8",
    "deepemotion": "fi8",
    "emoset": "fi8",
    "flickrldl": "fi8",
    "twitterldl": "fi8",
    "emotionroi": "emotion6",
    "emotion6web": "unbiasedemo",
    "webemo": "webemo25",
    "rafdb": "raf7",
    "sfew": "raf7",
    "ferplus": "ferplus8",
    "affectnet": "affectnet8",
    "twitter1": "polarity",
    "twitter2": "polarity",
    "deepsentiment": "polarity",
    "flickr": "polarity3",
    "instagram": "polarity3",
    "twitterldlpolarity": "polarity3",
    "bass": "va",
}
"""Dataset, without blanks and hyphens -> its label set."""

OF_ITS_OWN = {
    ("webemo25", "webemo6"): {"disgust": "anger"},
}
"""Where a dataset's own hierarchy says otherwise than the tree: Parrott has disgust under anger.

This is the one place where two steps differ from one: by way of ``webemo6``, disgust becomes anger.
"""


@dataclass(frozen=True)
class ClassMap:
    """A total map between two label sets.

    Attributes:
        source, target: names of the sets.
        target_classes: in label order.
        classes: every class of the source -> a class of the target, or None.
    """

    source: str
    target: str
    target_classes: tuple[str, ...]
    classes: Mapping[str, str | None]

    @property
    def index(self) -> tuple[int, ...]:
        """Label of the target for every label of the source; -1: none."""
        order = {name: k for k, name in enumerate(self.target_classes)}
        return tuple(-1 if to is None else order[to] for to in self.classes.values())

    @property
    def without(self) -> tuple[str, ...]:
        """Classes of the source without counterpart."""
        return tuple(name for name, to in self.classes.items() if to is None)

    def sentence(self) -> str:
        """The map in words, for a log."""
        pairs = ", ".join(f"{a} as {b}" for a, b in self.classes.items() if b is not None)
        told = f"labels of {self.source} read as {self.target}: {pairs}"
        return told + (f"; without counterpart: {', '.join(self.without)}" if self.without else "")


def space(name: str) -> Space:
    """A label set by its name or a dataset's.

    Raises:
        UserError: there is none of that name.
    """
    plain = re.sub(r"[\s_-]", "", name).lower()
    key = plain if plain in SPACES else DATASETS.get(plain)
    if key is None:
        known = sorted({*SPACES, *DATASETS})
        near = difflib.get_close_matches(plain, known, n=3, cutoff=0.5)
        told = f" Did you mean {' or '.join(near)}?" if near else ""
        raise UserError(f"no label set is known for '{name}'; known are {', '.join(known)}.{told}")
    return SPACES[key]


def mapping(source: str, target: str) -> ClassMap:
    """Which class of `target` every class of `source` is.

    Args:
        source, target: label sets or datasets.

    Raises:
        UserError: an unknown name, or two sets of which no class has a counterpart.
    """
    a, b = space(source), space(target)
    if a.name == b.name:
        classes: dict[str, str | None] = {name: name for name in a.classes}
    else:
        own = OF_ITS_OWN.get((a.name, b.name), {})
        classes = {name: own.get(name, _counterpart(a.concept(name), b)) for name in a.classes}
    if not any(classes.values()):
        raise UserError(
            f"no class of {a.name} has a counterpart in {b.name}: {', '.join(a.classes)} say too "
            f"little to be one of {', '.join(b.classes)}."
        )
    return ClassMap(a.name, b.name, b.classes, classes)


def _counterpart(concept: str, target: Space) -> str | None:
    """The class of `target` that means `concept` or the nearest wider one."""
    names = {target.concept(label): label for label in target.classes}
    names |= {BROTHERS[c]: label for c, label in list(names.items()) if c in BROTHERS}
    chain = _chain(concept)
    if target.name == "va":
        chain = chain[:1] if chain[0] in names else [_quadrant(chain)]
    for wider in chain:
        for candidate in (wider, BROTHERS.get(wider)):
            if candidate in names:
                return names[candidate]
    return None


def _chain(concept: str) -> list[str]:
    chain = [concept]
    while (wider := PARENTS[chain[-1]]) is not None:
        chain.append(wider)
    return chain


def _quadrant(chain: list[str]) -> str:
    return next((QUADRANTS[concept] for concept in chain if concept in QUADRANTS), "")


def table(source: str, target: str) -> pd.DataFrame:
    """A map as a table with the columns ``label``, ``source`` and ``target``."""
    found = mapping(source, target)
    rows = [(k, a, b or "(none)") for k, (a, b) in enumerate(found.classes.items())]
    return pd.DataFrame(rows, columns=["label", found.source, found.target])
