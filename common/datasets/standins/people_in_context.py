"""Drawn stand-in for EMOTIC: people in a scene, a box, categories and three dimensions a person.

``Annotations.mat`` has the official form: struct arrays ``train``, ``val`` and ``test`` with
``filename``, ``folder``, ``image_size``, ``original_database`` and ``person``; a person has
``body_bbox`` (x1, y1, x2, y2), ``annotations_categories``, ``annotations_continuous``, ``gender``
and ``age``, and outside train an annotation per annotator and ``combined_categories``. What is
inside the box follows from the first category; the scene around it does not.

Beside it stand what training reads: every person's box as an image below ``crops/``, and the lists
``{train,val,test}.pkl`` of ``[path, [category numbers, alphabetical from 0]]``; and the same of the
whole images that show one person, ``{train,val,test}_whole.pkl``, with paths below ``emotic/``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.io
from numpy.random import Generator
from PIL import Image
from tqdm import tqdm

from common.data import pickles
from common.datasets.standins import emotions, picture_lists
from common.datasets.standins.drawing import TABLES
from common.datasets.standins.picture_lists import generator, scaled

VERSION = 1
SIDE = 160
SIZES = {"train": 480, "val": 60, "test": 120}
"""Images at scale 1; the official set has 23,571."""
LEAST = 26
ASPECT = 0.75
PLACES = ("mscoco/images", "framesdb/images", "emodb_small/images", "ade20k/images")
CATEGORIES: dict[str, str] = TABLES["emotic"]
"""The 26 categories and the family that a person of it is drawn from."""


def write(folder: Path, scale: float, seed: int, size: int) -> dict[str, dict[str, int]]:
    """Write ``emotic/<place>/…`` and ``Annotations.mat``; returns persons per first category."""
    annotations, shown = {}, {}
    for split, full in SIZES.items():
        rows, names, entries, whole = [], [], [], []
        numbers = range(scaled(full, scale, LEAST))
        for k in tqdm(numbers, desc=f"drawing emotic {split}", unit="image", disable=None):
            rng = generator(seed, "emotic", split, k)
            people = _people(split, k, rng, size)
            place = PLACES[k % len(PLACES)]
            file = f"{split}_{k:05d}.png"
            path = folder / "emotic" / place / file
            path.parent.mkdir(parents=True, exist_ok=True)
            scene = _draw(people, rng, size)
            scene.save(path, compress_level=1)
            cut = _save_crops(folder / "crops", f"{split}/{Path(file).stem}", scene, people)
            entries += cut
            whole += [[f"{place}/{file}", cut[0][1]]] if len(people) == 1 else []
            row = {"filename": file, "folder": place, "original_database": {"name": "drawn"}}
            row["image_size"] = {"n_row": scene.height, "n_col": scene.width}
            row["person"] = _structs([person["record"] for person in people])
            rows.append(row)
            names += [person["shown"][0] for person in people]
        annotations[split], shown[split] = _structs(rows), names
        pickles.save(entries, folder / f"{split}.pkl")
        pickles.save(whole, folder / f"{split}_whole.pkl")
    scipy.io.savemat(folder / "Annotations.mat", annotations, do_compression=True)
    return picture_lists.counts(shown)


def _people(split: str, number: int, rng: Generator, size: int) -> list[dict]:
    """One or two people side by side: box, categories, and the record of the annotation file."""
    total = 1 + int(rng.random() < 0.3)
    width, height = size // total, int(ASPECT * size)
    out = []
    for k in range(total):
        first = tuple(CATEGORIES)[(number + 7 * k) % len(CATEGORIES)]
        alike = [c for c in CATEGORIES if CATEGORIES[c] == CATEGORIES[first] and c != first]
        shown = [first] + [c for c in alike if rng.random() < 0.5]
        side = int(min(width, height) * rng.uniform(0.6, 0.85))
        left = k * width + int(rng.integers(0, width - side))
        top = int(rng.integers(0, height - side))
        box = [left, top, left + side, top + side]
        out.append({"box": box, "shown": shown, "record": _record(split, box, shown, rng)})
    return out


def _record(split: str, box: list[int], shown: list[str], rng: Generator) -> dict:
    marks = {n: float(rng.integers(1, 11)) for n in ("valence", "arousal", "dominance")}
    record = {"body_bbox": np.array(box, dtype=np.float64), "annotations_continuous": marks}
    record |= {"gender": str(rng.choice(("Male", "Female"))), "age": "Adult"}
    if split == "train":
        return record | {"annotations_categories": {"categories": _cell(shown)}}
    each = [{"categories": _cell(shown[: 1 + k % len(shown)])} for k in range(3)]
    record["annotations_categories"] = _structs(each)
    return record | {"combined_categories": _cell(shown), "combined_continuous": marks}


def _save_crops(folder: Path, stem: str, scene: Image.Image, people: list[dict]) -> list[list]:
    """Write every person's box as ``<stem>_<number>.png``; returns the list entries."""
    entries = []
    for k, person in enumerate(people):
        path = f"{stem}_{k}.png"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        scene.crop(person["box"]).save(folder / path, compress_level=1)
        entries.append([path, sorted(tuple(CATEGORIES).index(name) for name in person["shown"])])
    return entries


def _draw(people: list[dict], rng: Generator, size: int) -> Image.Image:
    """A scene of any family, and every person's box of its own."""
    height = int(ASPECT * size)
    scene = emotions.draw(str(rng.choice(emotions.FAMILIES)), rng, size).resize((size, height))
    for person in people:
        left, top, right, bottom = person["box"]
        shape = (right - left, bottom - top)
        inside = emotions.draw(CATEGORIES[person["shown"][0]], rng, size).resize(shape)
        scene.paste(inside, (left, top))
    return scene


def _cell(names: list[str]) -> np.ndarray:
    """A MATLAB cell row of strings."""
    cell = np.empty((1, len(names)), dtype=object)
    cell[0] = names
    return cell


def _structs(rows: list[dict]) -> np.ndarray:
    """A MATLAB struct row."""
    table = np.empty((1, len(rows)), dtype=[(name, object) for name in rows[0]])
    for k, row in enumerate(rows):
        table[0, k] = tuple(row.values())
    return table
