"""SE30K8: stock images with the emotions that five workers chose, one or more each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.cli import UserError
from common.data import pickles
from common.data.manifest import Manifest
from common.datasets.catalogue import DATASETS
from common.datasets.readers.folder import (
    Labels,
    has_class_folders,
    images_below,
    is_drawn,
    read_tree,
)
from common.datasets.readers.lists import find_lists, listed_table, read_listed
from common.datasets.readers.own_split import with_own_split
from common.files import read_json

NAME = "SE30K8"
ANNOTATIONS = ("mturk_annotations*.pkl*", "annotations.json")
LEAST_VOTES = 3
SE30K8 = DATASETS[NAME].classes
LABELS = Labels.of_dataset(NAME)
HELP = (
    "expected annotations/mturk_annotations_240.pkl.keep and images/<key>.jpg, or lists train*, "
    "test* beside images/, or train/<class>/ and test/<class>/; the annotations are part of the "
    "published code of its authors."
)


def read(root: Path, least_votes: int = LEAST_VOTES) -> Manifest:
    """Read the annotations as released, lists of ``path label``, or class folders.

    Class folders and lists come first, as they have a split. The annotations are a pickle of plain
    data, key -> ``{"image_emotion": five lists of emotion names, …}``; an image's file is its key
    with any ending, anywhere below `root`. ``annotations.json`` has image path -> the five lists.
    There is no split in either: a fixed fifth is the test split.

    Args:
        root: its folder.
        least_votes: an image's class is the emotion named most often (the first met of several)
            where at least so many named it; other images are left out and counted.

    Returns:
        With annotations also ``dist`` float64 [8], the shares of all votes.

    Raises:
        UserError: neither form is there, an emotion is none of the eight, or images are missing.
    """
    root = Path(root)
    if has_class_folders(root):
        return read_tree(NAME, root, LABELS, HELP)
    if root.is_dir() and (files := find_lists(root, len(SE30K8))):
        return read_listed(NAME, root, files, LABELS)
    places = [(root / place, form) for place in ("annotations", "") for form in ANNOTATIONS]
    file = next((f for place, form in places for f in sorted(place.glob(form))), None)
    if file is not None:
        return _from_votes(root, file, least_votes)
    return read_tree(NAME, root, LABELS, HELP)


def _from_votes(root: Path, file: Path, least_votes: int) -> Manifest:
    if file.suffix == ".json":
        raw = {k: {"image_emotion": v} for k, v in _json(file).items()}
    else:
        raw = pickles.load(file, "a dictionary of image keys and annotations")
    if not isinstance(raw, dict) or not raw:
        raise UserError(f"{file} holds no dictionary of image keys; {HELP}")
    images = {path.stem: path for path in images_below(root)}
    rows = []
    for key, entry in raw.items():
        workers = entry.get("image_emotion") if isinstance(entry, dict) else None
        if not isinstance(workers, list | tuple):
            raise UserError(f"{file}: the entry {key} has no 'image_emotion', a list a worker.")
        rows.append((str(key), *shares(workers, least_votes, f"{file}, entry {key}")))
    label = np.array([label for _, label, _ in rows], np.int64)
    table, notes = listed_table(
        NAME,
        file,
        paths=[_place(root, images, key) for key, *_ in rows],
        label=label,
        dist=[dist for _, _, dist in rows],
    )
    few = (label < 0).sum()
    notes.append(f"{few} images on which fewer than {least_votes} agree are left out")
    table = table[table["label"] >= 0].reset_index(drop=True)
    if table.empty:
        raise UserError(f"{file} has no image that {least_votes} workers agree on.")
    table, note = with_own_split(table, NAME)
    return Manifest(NAME, Path("/"), SE30K8, table, is_drawn(root), [*notes, note], "annotations")


def _json(file: Path) -> dict[str, list]:
    raw = read_json(file, "SE30K8's annotations")
    return raw if isinstance(raw, dict) else {}


def _place(root: Path, images: dict[str, Path], key: str) -> Path:
    """The image of a key, or where it should be."""
    inside = root / "images" / key
    return inside if inside.is_file() else images.get(key, root / "images" / f"{key}.jpg")


def shares(
    workers: Sequence[Sequence[str] | str], least_votes: int, where: str
) -> tuple[int, np.ndarray]:
    """The class of an image and the shares of its votes.

    Args:
        workers: emotions that every worker chose.
        least_votes: votes that a class needs.
        where: the entry, for messages.

    Returns:
        (label or -1, float64 [8]).
    """
    chosen = [e for of in workers for e in ([of] if isinstance(of, str) else of)]
    votes = Counter()
    for emotion in chosen:
        label = LABELS.of(emotion, SE30K8)
        if label is None:
            raise UserError(f"{where}: {emotion!r} is none of {', '.join(SE30K8)}.")
        votes[label] += 1
    dist = np.zeros(len(SE30K8))
    for label, number in votes.items():
        dist[label] = number / len(chosen)
    best, number = votes.most_common(1)[0] if votes else (-1, 0)
    return (best if number >= least_votes else -1), dist
