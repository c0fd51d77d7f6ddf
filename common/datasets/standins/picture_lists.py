"""Drawing the images of a list: one job an image, reproducible whatever else is drawn."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from tqdm import tqdm

from common.datasets.standins import emotions


class Job(NamedTuple):
    """An image to draw: its file, relative to the images' folder, and its family."""

    path: str
    family: str


def generator(seed: int, *names: str | int) -> Generator:
    """A generator that depends on the names alone, e.g. of a file."""
    numbers = [zlib.crc32(n.encode()) if isinstance(n, str) else n for n in names]
    return np.random.default_rng(np.random.SeedSequence([seed, *numbers]))


def draw_all(jobs: Iterable[Job], folder: Path, seed: int, size: int, name: str) -> None:
    """Draw every image below `folder`; what an image shows follows from (seed, name, its path)."""
    for job in tqdm(list(jobs), desc=f"drawing {name}", unit="image", disable=None):
        path = folder / job.path
        path.parent.mkdir(parents=True, exist_ok=True)
        image = emotions.draw(job.family, generator(seed, name, job.path), size)
        image.save(path, compress_level=1)


def scaled(number: int, scale: float, least: int) -> int:
    """`number` times `scale`, but at least `least`."""
    return max(least, round(number * scale))


def counts(splits: dict[str, list[str]]) -> dict[str, dict[str, int]]:
    """Split -> class -> images, from the class names of every image."""
    return {
        split: {str(n): int(k) for n, k in zip(*np.unique(names, return_counts=True), strict=True)}
        for split, names in splits.items()
    }


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file, a line feed after every line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
