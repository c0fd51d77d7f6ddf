"""Drawn stand-ins of datasets with ratings or votes: Emotion6, FlickrLDL, TwitterLDL, BASS, OASIS.

Valence and arousal show as :mod:`va` draws them; votes fall on an image's family and, now and then,
on others of its sign.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.random import Generator
from tqdm import tqdm

from common.datasets.catalogue import LABEL_SETS
from common.datasets.standins import va
from common.datasets.standins.picture_lists import (
    Job,
    draw_all,
    generator,
    scaled,
    write_lines,
)

VERSION = 1
SIDE = 96
MIKELS = LABEL_SETS["ldl8"].classes
LDL_SIZES = {"train": 1200, "test": 300}
EACH = {"emotion6": 330, "bass": 146, "oasis": 225}
"""Images of a class, or of a quarter of the plane, at scale 1."""
QUARTERS = ("excitement", "contentment", "anger", "sadness")
LEAST = 8


def write_emotion6(folder: Path, scale: float, seed: int, size: int) -> dict[str, dict[str, int]]:
    """Write ``images/<class>/<number>.jpg`` and ``ground_truth.txt``, as published.

    The table has the image, valence, arousal and the shares of seven votes, the last for none.
    """
    head = ["valence", "arousal", *(f"prob. {name}" for name in (*va.RATED, "neutral"))]
    lines = ["\t".join(f"[{word}]" for word in ("image_filename", *head))]
    each = scaled(EACH["emotion6"], scale, LEAST)
    jobs = [(name, k) for name in va.RATED for k in range(1, each + 1)]
    for name, k in tqdm(jobs, desc="drawing emotion6", unit="image", disable=None):
        path = f"{name}/{k}.jpg"
        rng = generator(seed, "emotion6", path)
        valence, arousal = _draw(folder / "images" / path, name, rng, size)
        votes = rng.multinomial(15, _near(va.RATED.index(name), len(va.RATED) + 1)) / 15
        row = [path, f"{valence:.3f}", f"{arousal:.3f}", *(f"{v:.4f}" for v in votes)]
        lines.append("\t".join(row))
    write_lines(folder / "ground_truth.txt", lines)
    return {"all": dict.fromkeys(va.RATED, each)}


def write_votes(
    folder: Path, scale: float, seed: int, size: int, name: str, voters: int
) -> dict[str, dict[str, int]]:
    """Write ``train/``, ``test/`` and ``config.csv`` with a vote count an emotion."""
    lines, jobs = [",".join(("image", *MIKELS))], []
    counts: dict[str, dict[str, int]] = {}
    for split, full in LDL_SIZES.items():
        each = scaled(full // len(MIKELS), scale, LEAST)
        for label, family in enumerate(MIKELS):
            for k in range(each):
                path = f"{split}/{split}_{family}_{k:05d}.jpg"
                rng = generator(seed, name, path)
                votes = rng.multinomial(voters, _near(label, len(MIKELS)))
                lines.append(",".join((Path(path).name, *map(str, votes))))
                jobs.append(Job(path, family))
        counts[split] = dict.fromkeys(MIKELS, each)
    draw_all(jobs, folder, seed, size, name)
    write_lines(folder / "config.csv", lines)
    return counts


def write_bass(folder: Path, scale: float, seed: int, size: int) -> dict[str, dict[str, int]]:
    """Write ``images/`` and ``BASS_data.csv`` with the means of the first sample, 1..9."""
    lines = ["file_name,val_mean_us,aro_mean_us"]
    rated = _quarters("bass", folder / "images", "png", scale, seed, size)
    lines += [f"{Path(path).name},{v:.4f},{a:.4f}" for path, v, a in rated]
    write_lines(folder / "BASS_data.csv", lines)
    return {"all": {"image": len(rated)}}


def write_oasis(folder: Path, scale: float, seed: int, size: int) -> dict[str, dict[str, int]]:
    """Write ``images/`` and ``OASIS.csv`` with the columns that are read, 1..7."""
    lines = [",Theme,Category,Source,Valence_mean,Arousal_mean"]
    rated = _quarters("oasis", folder / "images", "jpg", scale, seed, size)
    for k, (path, v, a) in enumerate(rated, start=1):
        v, a = ((x - 1) * 6 / 8 + 1 for x in (v, a))
        lines.append(f"I{k},{Path(path).stem},Drawn,drawn,{v:.4f},{a:.4f}")
    write_lines(folder / "OASIS.csv", lines)
    return {"all": {"image": len(rated)}}


def _quarters(
    name: str, folder: Path, ending: str, scale: float, seed: int, size: int
) -> list[tuple[str, float, float]]:
    """Draw motifs of one to three variants; returns (file, valence, arousal)."""
    out = []
    each = scaled(EACH[name], scale, LEAST)
    for word in tqdm(QUARTERS, desc=f"drawing {name}", unit="quarter", disable=None):
        for k in range(each):
            variant = k % 3 + 1
            motif = f"{word}{chr(97 + k // 3 % 26)}{chr(97 + k // 78)}"
            file = f"{motif}{'' if variant == 1 else variant}.{ending}"
            rng = generator(seed, name, file)
            out.append((file, *_draw(folder / file, word, rng, size)))
    return out


def _draw(path: Path, word: str, rng: Generator, size: int) -> tuple[float, float]:
    """Draw an image of a class; returns its rated valence and arousal."""
    valence, arousal = va.place(word, rng)
    path.parent.mkdir(parents=True, exist_ok=True)
    va.draw(valence, arousal, va.WORDS[word][0], rng, size).save(path)
    rated = np.clip(np.array([valence, arousal]) + rng.normal(0, va.RATER_NOISE, 2), 1, 9)
    return float(rated[0]), float(rated[1])


def _near(label: int, number: int) -> np.ndarray:
    """Chances of a vote for every class, most of them for `label`."""
    chances = np.full(number, 0.4 / (number - 1))
    chances[label] = 0.6
    return chances
