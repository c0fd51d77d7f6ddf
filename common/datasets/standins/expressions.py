"""Drawn stand-ins of FERPlus, AffectNet and SFEW in the trees of their downloads.

Faces and expressions are those of :mod:`face_folders`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image
from tqdm import tqdm

from common.datasets.readers.affectnet import EXPRESSIONS as AFFECTNET
from common.datasets.readers.ferplus import CLASSES as FERPLUS
from common.datasets.readers.ferplus import USAGES
from common.datasets.standins import rafdb
from common.datasets.standins.face_folders import EXPRESSIONS
from common.datasets.standins.faces import draw_face
from common.datasets.standins.picture_lists import generator, scaled, write_lines

VERSION = 1
"""Raised by any change that changes a byte of an image or a list."""
SIDE = 100
NO_EXPRESSION = (8, 9, 10)  # none, uncertain, no face
SFEW = {
    **{"Angry": "anger", "Disgust": "disgust", "Fear": "fear", "Happy": "happiness"},
    **{"Neutral": "neutral", "Sad": "sadness", "Surprise": "surprise"},
}
VALENCE_AROUSAL = {
    **{"neutral": (0.0, 0.0), "happiness": (0.7, 0.3), "sadness": (-0.65, -0.25)},
    **{"surprise": (0.15, 0.7), "fear": (-0.3, 0.75), "disgust": (-0.6, 0.4)},
    **{"anger": (-0.5, 0.6), "contempt": (-0.5, 0.2)},
}
"""Where faces of an expression lie, -1..1; made up."""
VOTERS = 10
SIZES = {
    "ferplus": {"Training": 2000, "PublicTest": 240, "PrivateTest": 240},
    "affectnet": {"training": 2200, "validation": 220},
    "sfew": {"Train": 958, "Val": 436},
}
LEAST = 6


def draw(expression: str, rng: Generator, size: int) -> Image.Image:
    """Draw a face of an expression, `size` pixels square."""
    return draw_face(rafdb.express(EXPRESSIONS[expression], rng), rng, size)


def write_ferplus(folder: Path, scale: float, seed: int, size: int) -> dict[str, dict[str, int]]:
    """Write the three folders of PNGs with a ``label.csv`` each, and ``fer2013new.csv``.

    Most of ten votes are for the drawn expression; some faces have no majority, as in the release.
    """
    columns = (*FERPLUS, "unknown", "NF")
    table = [",".join(("Usage", "Image name", *columns))]
    counts: dict[str, dict[str, int]] = {}
    number = 0
    for usage, full in SIZES["ferplus"].items():
        each, place = scaled(full // len(FERPLUS), scale, LEAST), folder / USAGES[usage.lower()][1]
        place.mkdir()
        rows = []
        for label, name in _jobs(FERPLUS, each, f"ferplus {usage}"):
            file = f"fer{number:07d}.png"
            rng = generator(seed, "ferplus", file)
            draw(name, rng, size).convert("L").save(place / file, compress_level=1)
            votes = ",".join(map(str, _votes(label, rng)))
            rows.append(f'{file},"(0, 0, {size}, {size})",{votes}')
            table.append(f"{usage},{file},{votes}")
            number += 1
        write_lines(place / "label.csv", rows)
        counts[usage] = dict.fromkeys(FERPLUS, each)
    write_lines(folder / "fer2013new.csv", table)
    return counts


def _votes(label: int, rng: Generator) -> list[int]:
    """Ten votes for the ten columns, most of them for `label`, in one of twelve faces split."""
    votes = np.zeros(len(FERPLUS) + 2, dtype=np.int64)
    sure = 5 if rng.random() < 1 / 12 else int(rng.integers(7, VOTERS + 1))
    votes[label] = sure
    if sure == 5:
        votes[(label + 1) % len(FERPLUS)] = 5
        return votes.tolist()
    for _ in range(VOTERS - sure):
        votes[int(rng.integers(0, len(votes)))] += 1
    return votes.tolist()


def write_affectnet(folder: Path, scale: float, seed: int, size: int) -> dict[str, dict[str, int]]:
    """Write ``Manually_Annotated_Images/`` with ``training.csv`` and ``validation.csv``.

    Eight expressions and the three codes without one, whose valence and arousal are -2.
    """
    names = (*AFFECTNET, *(f"code {code}" for code in NO_EXPRESSION))
    head = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression"
    counts: dict[str, dict[str, int]] = {}
    for stem, full in SIZES["affectnet"].items():
        each = scaled(full // len(names), scale, LEAST)
        lines = [f"{head},valence,arousal"]
        for code, name in _jobs(names, each, f"affectnet {stem}"):
            path = f"{len(lines) % 7}/{stem}_{len(lines):06d}.jpg"
            rng = generator(seed, "affectnet", path)
            shown = name if name in AFFECTNET else str(rng.choice(AFFECTNET))
            place = folder / "Manually_Annotated_Images" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            draw(shown, rng, size).save(place, **rafdb.JPEG)
            v, a = -2.0, -2.0
            if name in AFFECTNET:
                v, a = np.clip(np.array(VALENCE_AROUSAL[name]) + rng.normal(0, 0.1, 2), -1, 1)
            lines.append(f"{path},0,0,{size},{size},0;0,{code},{v:.4f},{a:.4f}")
        write_lines(folder / f"{stem}.csv", lines)
        counts[stem] = dict.fromkeys(AFFECTNET, each)
    return counts


def write_sfew(folder: Path, scale: float, seed: int, size: int) -> dict[str, dict[str, int]]:
    """Write ``Train/<class>/`` and ``Val/<class>/``."""
    counts: dict[str, dict[str, int]] = {}
    for split, full in SIZES["sfew"].items():
        each = scaled(full // len(SFEW), scale, LEAST)
        for k, (_, name) in enumerate(_jobs(tuple(SFEW), each, f"sfew {split}")):
            path = f"{split}/{name}/drawn_{k:06d}.png"
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            image = draw(SFEW[name], generator(seed, "sfew", path), size)
            image.save(folder / path, compress_level=1)
        counts[split] = dict.fromkeys(SFEW, each)
    return counts


def _jobs(names: Sequence[str], each: int, what: str) -> tqdm:
    """(label, class) of every image, the classes in turn."""
    jobs = [(label, name) for _ in range(each) for label, name in enumerate(names)]
    return tqdm(jobs, desc=f"drawing {what}", unit="image", disable=None)
