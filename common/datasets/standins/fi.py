"""Drawn stand-in for FI: eight emotion classes, its folder tree and its uneven class sizes.

A class is a mixture of three modes; a mode is a palette, a texture and a glyph. Every palette,
texture and glyph occurs in several classes, so one cue alone leaves the class open, and a few
labelled images do not show all modes of their class. Which cue a mode has is a cyclic rule:
class c has the entries c + offset (modulo 8) of the three lists.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image
from tqdm import tqdm

from common.datasets.catalogue import ALL, DATASETS
from common.datasets.standins import drawing

VERSION = 2
"""Raised by any change that changes a byte of an image."""

SIDE = 96
CLASSES = DATASETS["fi"].classes
FULL_COUNTS = DATASETS["fi"].published[0].classes[ALL]
TRAIN_FRACTION = 0.8
LEAST = {"train": 16, "test": 8}

MODES = ((0, 0, 0), (0, 1, 3), (2, 0, 5))
"""Offsets (palette, texture, glyph) of a class's modes; the first entry is shared most."""
MODE_WEIGHTS = (0.45, 0.33, 0.22)
FAITHFUL = 0.97
"""Probability that a cue is the mode's own; otherwise it is drawn from the whole list."""
Cues = Callable[[int, Generator], tuple[float, int, int]]

HUE_SPREAD = 0.02
"""Standard deviation of a palette's hue; neighbouring palettes are 0.125 apart."""


def split_counts(scale: float) -> dict[str, dict[str, int]]:
    """Images per split and class: FI's numbers times `scale`, but never below `LEAST`."""
    train = {name: round(TRAIN_FRACTION * n) for name, n in FULL_COUNTS.items()}
    full = {"train": train, "test": {name: n - train[name] for name, n in FULL_COUNTS.items()}}
    return {
        split: {name: max(LEAST[split], round(n * scale)) for name, n in of_split.items()}
        for split, of_split in full.items()
    }


def own_cues(label: int, rng: Generator) -> tuple[float, int, int]:
    """Palette (eighths of the hue circle), texture and glyph of an image of class `label`."""
    mode = MODES[rng.choice(len(MODES), p=MODE_WEIGHTS)]
    own = [(label + offset) % 8 for offset in mode]
    stray = rng.integers(0, 8, size=3)
    palette, texture, glyph = (
        int(a if rng.random() < FAITHFUL else b) for a, b in zip(own, stray, strict=True)
    )
    return palette, texture, glyph


def draw(label: int, rng: Generator, size: int, cues: Cues = own_cues) -> Image.Image:
    """Draw one image of class `label`.

    Args:
        label: index into `CLASSES`, or whatever `cues` understands.
        rng: source of everything else.
        size: pixels of the long side; the other side is 0.67 to 1 of it.
        cues: what shows the class: palette, texture and glyph of `label`.
    """
    long_side, short_side = size, round(size * rng.choice((0.67, 0.75, 1.0)))
    width, height = (long_side, short_side) if rng.random() < 0.6 else (short_side, long_side)
    palette, texture, glyph = cues(label, rng)

    hue = palette / 8 + rng.normal(0, HUE_SPREAD)
    saturation, value = rng.uniform(0.35, 0.8), rng.uniform(0.45, 0.85)
    first = drawing.colour(hue, saturation, value)
    second = drawing.colour(hue + rng.normal(0, 0.06), saturation * 0.7, value + rng.normal(0, 0.2))
    blend = drawing.scene(str(rng.choice(drawing.SCENES)), rng, width, height)[..., None]
    pixels = first * (1 - blend) + second * blend

    pattern = drawing.texture(drawing.TEXTURES[texture], rng, width, height)
    # A texture may fade out towards one side, as it does on real surfaces.
    fade = 1 - rng.uniform(0, 0.6) * drawing.scene("slope", rng, width, height)
    pixels = pixels + (rng.uniform(0.12, 0.28) * pattern * fade)[..., None]

    pixels = _with_clutter(pixels, rng)
    pixels = _with_glyphs(pixels, drawing.GLYPHS[glyph], hue, value, rng)
    return drawing.photographed(pixels, rng)


def _with_clutter(pixels: np.ndarray, rng: Generator) -> np.ndarray:
    """Bars and boxes that have nothing to do with the class."""
    height, width = pixels.shape[:2]
    box = drawing.glyph("square")
    for _ in range(rng.integers(0, 4)):
        stretch = np.array([1.0, rng.uniform(0.08, 0.8)])
        centre = tuple(rng.uniform(-0.5, 0.5, size=2))
        shape = drawing.placed(box * stretch, centre, rng.uniform(0.06, 0.25), rng.uniform(0, 7))
        ink = drawing.colour(rng.random(), rng.uniform(0, 0.6), rng.uniform(0.15, 0.95))
        cover = drawing.cover([shape], width, height)[..., None] * rng.uniform(0.3, 0.8)
        pixels = pixels * (1 - cover) + ink * cover
    return pixels


def _with_glyphs(
    pixels: np.ndarray, kind: str, hue: float, value: float, rng: Generator
) -> np.ndarray:
    """One to five glyphs, the fewer the larger, lighter or darker than the ground."""
    height, width = pixels.shape[:2]
    number = int(rng.integers(1, 6))
    outline = drawing.glyph(kind)
    reach = 0.36 * np.array([width, height]) / max(width, height)
    shapes = [
        drawing.placed(
            outline,
            tuple(rng.uniform(-reach, reach)),
            rng.uniform(0.13, 0.24) / number**0.3,
            rng.uniform(0, 2 * np.pi),
        )
        for _ in range(number)
    ]
    step = 0.4 if value < 0.5 or (value < 0.7 and rng.random() < 0.5) else -0.4
    ink = drawing.colour(hue + rng.uniform(-0.5, 0.5), rng.uniform(0.1, 0.7), value + step)
    cover = drawing.cover(shapes, width, height)[..., None] * rng.uniform(0.7, 1.0)
    return pixels * (1 - cover) + ink * cover


def write(folder: Path, scale: float, seed: int, size: int) -> dict[str, dict[str, int]]:
    """Write ``train/<class>/`` and ``test/<class>/`` into an existing empty folder.

    Image k of a class depends on (seed, split, class, k) and `size` only, so the images of a
    small scale are the first images of a larger one.

    Returns:
        Images per split and class.
    """
    counts = split_counts(scale)
    jobs = [
        (split, name, number)
        for split, of_split in counts.items()
        for name, n in of_split.items()
        for number in range(n)
    ]
    for split, of_split in counts.items():
        for name in of_split:
            (folder / split / name).mkdir(parents=True)
    for split, name, number in tqdm(jobs, desc="drawing fi", unit="image", disable=None):
        label = CLASSES.index(name)
        key = np.random.SeedSequence([seed, list(counts).index(split), label, number])
        image = draw(label, np.random.default_rng(key), size)
        image.save(folder / split / name / f"drawn_{name}_{number:05d}.png", compress_level=1)
    return counts
