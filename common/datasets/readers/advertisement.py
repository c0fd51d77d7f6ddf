"""Advertisements (Hussain et al. 2017): images and the sentiments that annotators chose."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.catalogue import DATASETS
from common.datasets.readers.folder import Labels, is_drawn
from common.datasets.readers.lists import find_lists, first_existing, listed_table, read_listed
from common.datasets.readers.own_split import with_own_split
from common.files import read_json

NAME = "advertisement"
SENTIMENTS = DATASETS[NAME].classes
PLACES = ("Sentiments.json", "image/Sentiments.json", "annotations_images/image/Sentiments.json")
IMAGES = ("images", "image", ".")
HELP = (
    "expected Sentiments.json beside the folders 0 to 10 with the images, or lists train*, test* "
    "beside images/; source: https://people.cs.pitt.edu/~kovashka/ads."
)


def read(root: Path) -> Manifest:
    """Read ``Sentiments.json``, image path -> a list of sentiment numbers an annotator.

    ``label`` is the sentiment named most often (of several the lowest number), ``labels`` has all
    that were named; words that annotators wrote themselves are not read. There is no official
    split: a fixed fifth is the test split. Lists of images, which have a split, come first; see
    :mod:`common.datasets.readers.lists`.

    Raises:
        UserError: no annotations, another form of them, more than 1% of the images missing.
    """
    root = Path(root)
    if root.is_dir() and (files := find_lists(root, len(SENTIMENTS))):
        return read_listed(NAME, root, files, Labels((SENTIMENTS,)))
    file = first_existing(root / place for place in PLACES)
    if file is None:
        raise UserError(f"there are no advertisements at {root}: {HELP}")
    votes = _votes(file)
    named = {path: count for path, count in votes.items() if count}
    paths = list(named)
    base = next((root / f for f in IMAGES if (root / f / paths[0]).is_file()), root)
    best = [min(c, key=lambda k, c=c: (-c[k], k)) for c in named.values()]
    table, notes = listed_table(
        NAME,
        file,
        paths=[base / path for path in paths],
        label=np.array(best, np.int64),
        labels=[sorted(c) for c in named.values()],
    )
    if len(named) < len(votes):
        notes.append(f"{len(votes) - len(named)} images without a numbered sentiment are left out")
    table, note = with_own_split(table, NAME)
    notes.append(note)
    return Manifest(NAME, Path("/"), SENTIMENTS, table, is_drawn(root), notes, "official")


def _votes(file: Path) -> dict[str, Counter[int]]:
    """Image path -> how often each sentiment, from 0, was named."""
    raw = read_json(file, "Sentiments.json of the dataset")
    if not isinstance(raw, dict) or not raw:
        raise UserError(f"{file} is no table of image paths; {HELP}")
    votes = {}
    for path, annotators in raw.items():
        count: Counter[int] = Counter()
        for chosen in annotators if isinstance(annotators, list) else [annotators]:
            for word in chosen if isinstance(chosen, list) else [chosen]:
                if str(word).isdecimal():
                    number = int(word)
                    if not 1 <= number <= len(SENTIMENTS):
                        raise UserError(
                            f"{file}: {path} has the sentiment {number}; expected 1 to "
                            f"{len(SENTIMENTS)}."
                        )
                    count[number - 1] += 1
        votes[path] = count
    return votes
