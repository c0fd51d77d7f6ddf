"""Drawn stand-in for RAF-DB: its tree, its label file, its uneven class sizes, drawn faces.

A class is a set of facial actions (Ekman and Friesen's prototypes) at an intensity of its own,
down to barely visible. Every action varies, may be missing, and may come by chance where it does
not belong; identity, pose, light, background, blur and noise have nothing to do with the class.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image
from tqdm import tqdm

from common.datasets.catalogue import DATASETS
from common.datasets.standins.faces import ACTIONS, draw_face

VERSION = 1
"""Raised by any change that changes a byte of an image."""

CLASSES = DATASETS["rafdb"].classes
"""In the order of the official labels 1 to 7."""
FULL_COUNTS = DATASETS["rafdb"].published[0].classes
LEAST = {"train": 16, "test": 8}
SIDE = 100
LABEL_FILE = Path("EmoLabel/list_patition_label.txt")
IMAGE_FOLDER = Path("Image/aligned")
DIGITS = {"train": 5, "test": 4}
JPEG = {"quality": 92, "subsampling": 0}

EXPRESSIONS: dict[str, dict[str, float]] = {
    "surprise": {
        "inner_brow_raise": 0.9,
        "outer_brow_raise": 0.9,
        "lid_raise": 0.8,
        "lips_part": 0.7,
        "jaw_drop": 0.8,
    },
    "fear": {
        "inner_brow_raise": 0.9,
        "outer_brow_raise": 0.3,
        "brow_lower": 0.6,
        "lid_raise": 0.9,
        "lip_stretch": 0.9,
        "lips_part": 0.7,
        "jaw_drop": 0.25,
    },
    "disgust": {
        "brow_lower": 0.5,
        "nose_wrinkle": 0.9,
        "lip_raise": 0.9,
        "lid_tighten": 0.5,
        "cheek_raise": 0.3,
        "corner_depress": 0.4,
        "lips_part": 0.25,
    },
    "happiness": {
        "cheek_raise": 0.7,
        "corner_pull": 1.0,
        "lips_part": 0.6,
        "jaw_drop": 0.15,
        "lid_tighten": 0.2,
    },
    "sadness": {
        "inner_brow_raise": 0.8,
        "brow_lower": 0.35,
        "corner_depress": 0.9,
        "chin_raise": 0.5,
        "lid_droop": 0.45,
    },
    "anger": {
        "brow_lower": 1.0,
        "lid_raise": 0.3,
        "lid_tighten": 0.7,
        "lip_tighten": 0.8,
        "chin_raise": 0.3,
        "lips_part": 0.15,
    },
    "neutral": {},
}
INTENSITY = (0.55, 1.3)
"""Range of an expression's strength, drawn evenly."""
SPREAD = 0.2
"""Standard deviation of an action, times its mean."""
MISSING = 0.06
"""Probability that an action of the expression stays at rest."""
STRAY = 0.03
"""Probability that an action outside the expression is seen, at up to half its strength."""


def split_counts(scale: float) -> dict[str, dict[str, int]]:
    """Images per split and class: the official numbers times `scale`, never below `LEAST`."""
    return {
        split: {name: max(LEAST[split], round(number * scale)) for name, number in of_split.items()}
        for split, of_split in FULL_COUNTS.items()
    }


def actions_of(label: int, rng: Generator) -> dict[str, float]:
    """Draw the facial actions of one image of class `label` (index into `CLASSES`)."""
    return express(EXPRESSIONS[CLASSES[label]], rng)


def express(means: dict[str, float], rng: Generator) -> dict[str, float]:
    """Draw the facial actions of one face whose expression has the strengths `means`."""
    intensity = rng.uniform(*INTENSITY)
    drawn = {}
    for action in ACTIONS:  # the same number of draws whatever the class
        chance, noise, stray = rng.random(), rng.normal(0, SPREAD), rng.uniform(0, 0.5)
        if action in means:
            own = means[action] * intensity * (1 + noise)
            drawn[action] = 0.0 if chance < MISSING else max(0.0, own)
        else:
            drawn[action] = stray if chance < STRAY else 0.0
    return drawn


def draw(label: int, rng: Generator, size: int = SIDE) -> Image.Image:
    """Draw one aligned face of class `label`, `size` pixels square."""
    return draw_face(actions_of(label, rng), rng, size)


def order(counts: dict[str, int], split: int, seed: int) -> list[tuple[int, int]]:
    """(label, number in its class) of every image of a split, in the order of the file names.

    Shuffled, as the official files are not grouped by class.
    """
    jobs = [(label, k) for label, name in enumerate(CLASSES) for k in range(counts[name])]
    np.random.default_rng([seed, split]).shuffle(jobs)
    return [(int(label), int(k)) for label, k in jobs]


def write(folder: Path, scale: float, seed: int, size: int = SIDE) -> dict[str, dict[str, int]]:
    """Write ``Image/aligned/`` and ``EmoLabel/list_patition_label.txt`` into an empty folder.

    The label file has a line ``train_00001.jpg 5`` per image, train before test; the image is
    ``train_00001_aligned.jpg``. Image k of a class depends on (seed, split, class, k) and `size`
    only; its file number also depends on the scale.

    Returns:
        Images per split and class.
    """
    counts = split_counts(scale)
    (folder / IMAGE_FOLDER).mkdir(parents=True)
    (folder / LABEL_FILE).parent.mkdir(parents=True)
    lines = []
    jobs = [
        (split, number, place, label, k)
        for number, (split, of_split) in enumerate(counts.items())
        for place, (label, k) in enumerate(order(of_split, number, seed), start=1)
    ]
    for split, number, place, label, k in tqdm(
        jobs, desc="drawing rafdb", unit="image", disable=None
    ):
        name = f"{split}_{place:0{DIGITS[split]}d}"
        key = np.random.SeedSequence([seed, number, label, k])
        image = draw(label, np.random.default_rng(key), size)
        image.save(folder / IMAGE_FOLDER / f"{name}_aligned.jpg", **JPEG)
        lines.append(f"{name}.jpg {label + 1}\n")
    (folder / LABEL_FILE).write_text("".join(lines), encoding="utf-8")
    return counts
