"""What drawn web images have in common: twelve families of emotion, their words and their look.

A family is a mixture of three modes of (palette, texture, glyph), as in :mod:`fi`, so that images
of one family look alike in every dataset drawn from it, and its words stand near each other among
the drawn word vectors. Neutral words say nothing about the family.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from PIL import Image

from common.datasets.standins import fi
from common.datasets.standins.drawing import TABLES

WORDS: dict[str, str] = TABLES["families"]
"""Family -> its words beside its own name."""

FAMILIES = tuple(WORDS)
POSITIVE = ("amusement", "awe", "contentment", "excitement", "joy", "love")
OBJECTS = tuple(TABLES["objects"].split())
NEUTRAL = OBJECTS + tuple(f"{word} {k}" for word in OBJECTS[:40] for k in range(2, 5))
"""Tags that say nothing about emotion."""

VECTOR_DIM = 300
NEARNESS = 1.0
"""Length of a family's centre among word vectors of unit noise."""


def emotion_tags(number: int) -> dict[str, str]:
    """The first `number` emotion tags and their families, in alphabetical order of the tags.

    Real words come first, then numbered ones (``anger 2``), the families in turn.
    """
    ranked: list[tuple[str, str]] = []
    columns = {name: [name, *words.split()] for name, words in WORDS.items()}
    rank = 0
    while len(ranked) < max(number, 12):
        for name, words in columns.items():
            word = words[rank] if rank < len(words) else f"{name} {rank - len(words) + 2}"
            ranked.append((word, name))
        rank += 1
    return dict(sorted(ranked[:number]))


def family_of(word: str) -> str:
    """The family of a real word or a family's name.

    Raises:
        KeyError: no family has it.
    """
    for name, words in WORDS.items():
        if word == name or word in words.split():
            return name
    raise KeyError(word)


def cues(label: int, rng: Generator) -> tuple[float, int, int]:
    """Palette (eighths of the hue circle), texture and glyph of an image of family `label`."""
    mode = fi.MODES[rng.choice(len(fi.MODES), p=fi.MODE_WEIGHTS)]
    stray = rng.integers(0, len(FAMILIES), size=3)
    palette, texture, glyph = (
        int(label + offset if rng.random() < fi.FAITHFUL else other)
        for offset, other in zip(mode, stray, strict=True)
    )
    # Twelve hues, but eight textures and glyphs: families four apart differ in hue and pairing.
    shift = label // 8 * 3
    return 8 * palette / len(FAMILIES), texture % 8, (glyph + shift) % 8


def draw(family: str, rng: Generator, size: int) -> Image.Image:
    """One image of a family; `size` is the long side in pixels."""
    return fi.draw(FAMILIES.index(family), rng, size, cues)


def sentence(family: str, tags: dict[str, list[str]], rng: Generator) -> list[str]:
    """The tags that someone gives an image: two to five of its family, now and then a stray one.

    Args:
        family: of the image.
        tags: family -> its emotion tags, the most used first.
    """
    own = tags[family]
    weights = 1 / (np.arange(len(own)) + 2.0)
    number = min(len(own), int(rng.integers(2, 6)))
    chosen = list(rng.choice(own, size=number, replace=False, p=weights / weights.sum()))
    if rng.random() < 0.15:
        other = tags[str(rng.choice(list(tags)))]
        chosen.append(str(other[min(rng.geometric(0.4) - 1, len(other) - 1)]))
    chosen += list(rng.choice(NEUTRAL, size=int(rng.integers(4, 11)), replace=False))
    return [str(tag) for tag in dict.fromkeys(rng.permutation(chosen))]


def ranked_tags(number: int) -> dict[str, list[str]]:
    """Family -> those of :func:`emotion_tags` that it has, its own name first, then real words."""
    families = emotion_tags(number)
    out = {}
    for name, words in WORDS.items():
        first = [word for word in (name, *words.split()) if word in families]
        numbered = [tag for tag, family in families.items() if family == name and tag not in first]
        out[name] = first + sorted(numbered, key=lambda tag: int(tag.rpartition(" ")[2]))
    return out


def word_vectors(words: dict[str, str | None], seed: int) -> dict[str, np.ndarray]:
    """Drawn word vectors, float32 [300]: noise, for emotion words around their family's centre.

    Args:
        words: word -> family, or None for a neutral word.
        seed: of the vectors.
    """
    rng = np.random.default_rng([seed, 300])
    centres = {name: rng.normal(size=VECTOR_DIM) for name in FAMILIES}
    out = {}
    for word, family in words.items():
        vector = rng.normal(size=VECTOR_DIM)
        if family is not None:
            vector = vector + NEARNESS * centres[family]
        out[word] = (vector / 10).astype(np.float32)
    return out
