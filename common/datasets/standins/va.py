"""Drawn stand-in for FI and Emotion6 with a made-up lexicon: valence and arousal that can be seen.

Valence shows in brightness and the roundness of shapes, arousal in saturation, contrast and number
of shapes. A class is a wide cloud around a point of the plane; the hue (cold to warm) shows the
valence of that point. So the hue tells all that categories can teach, and what lies within a class
is for those to learn who have ratings.

Every value of the lexicon is made up. It holds the word ``made_up_stand_in_lexicon`` to say so.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image
from tqdm import tqdm

from common.datasets.lexicon import MADE_UP
from common.datasets.readers.folder import DRAWN_MARK
from common.datasets.standins import drawing
from common.datasets.standins.fi import FULL_COUNTS
from common.files import write_json

VERSION = 1
"""Raised by any change that changes a byte of an image or a rating."""
SIDE = 96

WORDS = {  # made up: valence, arousal, dominance in 0..1
    "amusement": (0.88, 0.72, 0.7),
    "awe": (0.74, 0.56, 0.4),
    "contentment": (0.84, 0.24, 0.6),
    "excitement": (0.82, 0.9, 0.65),
    "anger": (0.16, 0.86, 0.6),
    "disgust": (0.1, 0.66, 0.4),
    "fear": (0.14, 0.78, 0.2),
    "sadness": (0.12, 0.3, 0.2),
    "joy": (0.94, 0.66, 0.7),
    "surprise": (0.64, 0.8, 0.45),
    "positive": (0.9, 0.5, 0.6),
    "negative": (0.1, 0.52, 0.35),
    "neutral": (0.5, 0.26, 0.5),
    MADE_UP: (0.5, 0.5, 0.5),
}
FI_SHARES = {"train": 0.8, "val": 0.05, "test": 0.15}
RATED = ("anger", "disgust", "fear", "joy", "sadness", "surprise")
RATED_COUNTS = {"train": 231, "test": 99}  # 1,980 images, 330 a class
LEAST = {"train": 16, "val": 4, "test": 8}
LEAST_RATED = {"train": 32, "test": 16}
MILDNESS = 0.5
"""How far from the middle of the scale the images of a class are, relative to its word."""
SPREAD = 1.6
"""Standard deviation of an image's valence and arousal around its class's, on the scale 1..9."""
RATER_NOISE = 0.25


def split_counts(scale: float) -> dict[str, dict[str, int]]:
    """Images per set/split and class: the official numbers times `scale`, and never too few."""
    counts = {
        f"FI/{split}": {
            name: max(LEAST[split], round(share * FULL_COUNTS[name] * scale))
            for name in sorted(FULL_COUNTS)
        }
        for split, share in FI_SHARES.items()
    }
    for split, number in RATED_COUNTS.items():
        least = LEAST_RATED[split]
        counts[f"Emotion6/{split}"] = {n: max(least, round(number * scale)) for n in RATED}
    return counts


def place(word: str, rng: Generator) -> tuple[float, float]:
    """Valence and arousal (1..9) of an image of a class."""
    centre = 5 + MILDNESS * (np.array(WORDS[word][:2]) * 8 - 4)
    valence, arousal = np.clip(centre + rng.normal(0, SPREAD, 2), 1.2, 8.8)
    return float(valence), float(arousal)


def draw(valence: float, arousal: float, warmth: float, rng: Generator, size: int) -> Image.Image:
    """Draw an image.

    Args:
        valence, arousal: of the image, 1..9.
        warmth: of its hue, 0..1: the valence of its class's word.
        rng: source of everything else.
        size: pixels of the long side.
    """
    v, a = (valence - 1) / 8, (arousal - 1) / 8
    short = round(size * rng.choice((0.67, 0.75, 1.0)))
    width, height = (size, short) if rng.random() < 0.6 else (short, size)
    hue = 0.62 - 0.5 * warmth + rng.normal(0, 0.03)
    saturation = np.clip(0.15 + 0.75 * a + rng.normal(0, 0.05), 0.05, 1)
    value = np.clip(0.15 + 0.75 * v + rng.normal(0, 0.05), 0.1, 1)
    first = drawing.colour(hue, saturation, value)
    second = drawing.colour(hue + rng.normal(0, 0.04), saturation * 0.8, value + rng.normal(0, 0.1))
    blend = drawing.scene(str(rng.choice(drawing.SCENES)), rng, width, height)[..., None]
    pixels = first * (1 - blend) + second * blend
    pattern = drawing.texture(str(rng.choice(drawing.TEXTURES)), rng, width, height)
    pixels = pixels + (rng.uniform(0.02, 0.12) * pattern)[..., None]

    number = int(np.clip(round(1 + 5 * a + rng.normal(0, 0.7)), 1, 7))
    reach = 0.36 * np.array([width, height]) / size
    shapes = [
        drawing.placed(
            outline(v, int(rng.integers(5, 9))),
            tuple(rng.uniform(-reach, reach)),
            rng.uniform(0.14, 0.24) / number**0.3,
            rng.uniform(0, 2 * np.pi),
        )
        for _ in range(number)
    ]
    step = (0.15 + 0.35 * a) * (1 if value < 0.5 else -1)
    ink = drawing.colour(hue + rng.uniform(-0.08, 0.08), saturation, value + step)
    cover = drawing.cover(shapes, width, height)[..., None] * rng.uniform(0.75, 1.0)
    return drawing.photographed(pixels * (1 - cover) + ink * cover, rng)


def outline(roundness: float, lobes: int) -> np.ndarray:
    """A closed outline (float64 [n, 2]): spikes at roundness 0, soft lobes at 1."""
    angle = np.linspace(0, 2 * np.pi, 24 * lobes)
    spikes = np.arccos(np.clip(np.cos(lobes * angle), -1, 1)) / np.pi
    soft = 0.5 - 0.5 * np.cos(lobes * angle)
    dent = (1 - roundness) * 0.65 * spikes + roundness * 0.15 * soft
    return (1 - dent)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def write(folder: Path, scale: float, seed: int, size: int) -> dict[str, dict[str, int]]:
    """Write ``FI/``, ``Emotion6/`` and ``NRC-VAD-Lexicon.txt`` into an existing empty folder.

    Image k of a class depends on (seed, set, split, class, k) and `size` only.

    Returns:
        Images per set/split and class.
    """
    counts = split_counts(scale)
    lines = ["\t".join((word, *(f"{x:.3f}" for x in vad))) for word, vad in WORDS.items()]
    (folder / "NRC-VAD-Lexicon.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    jobs = [
        (part, name, k) for part, of in counts.items() for name, n in of.items() for k in range(n)
    ]
    for part, of in counts.items():
        for name in of:
            (folder / part / name).mkdir(parents=True)
    rated = ["image_filename\tv\ta"]
    for part, name, number in tqdm(jobs, desc="drawing va", unit="image", disable=None):
        key = [seed, list(counts).index(part), list(WORDS).index(name), number]
        rng = np.random.default_rng(np.random.SeedSequence(key))
        valence, arousal = place(name, rng)
        # Names go on through the splits, as the table of ratings does not tell splits apart.
        first = counts["Emotion6/train"].get(name, 0) if part == "Emotion6/test" else 0
        file = f"drawn_{name}_{first + number:05d}.png"
        image = draw(valence, arousal, WORDS[name][0], rng, size)
        image.save(folder / part / name / file, compress_level=1)
        if part.startswith("Emotion6"):
            v, a = np.clip(np.array([valence, arousal]) + rng.normal(0, RATER_NOISE, 2), 1, 9)
            rated.append(f"{name}/{file}\t{v:.3f}\t{a:.3f}")
    table = folder / "Emotion6" / "ground_truth_v2.txt"
    table.write_text("\n".join(rated) + "\n", encoding="utf-8")
    for name in ("FI", "Emotion6"):
        write_json(folder / name / DRAWN_MARK, {"drawn": True, "of": "va", "generator": VERSION})
    return counts
