"""Images rated by people in valence and arousal: BASS and OASIS, brought to the scale 1..9."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.readers.folder import images_below, is_drawn
from common.datasets.readers.table import column, match_images, numbers, read_delimited, stem_key

TEST_SHARE = 0.2
SPLIT_SEED = 0


@dataclass(frozen=True)
class Ratings:
    """What a rated set looks like on disk.

    Attributes:
        title: in words, with its source.
        tables: names its table may have.
        image, valence, arousal: names its columns may have, lower case.
        low, high: ends of its rating scale.
    """

    title: str
    tables: tuple[str, ...]
    image: tuple[str, ...]
    valence: tuple[str, ...]
    arousal: tuple[str, ...]
    low: float
    high: float


SETS = {
    "bass": Ratings(
        "BASS (Kawai, Lukács & Ansorge 2021)",
        ("index.csv", "BASS_data.csv"),
        ("path", "file_name"),
        ("v", "val_mean_us"),
        ("a", "aro_mean_us"),
        1,
        9,
    ),
    "oasis": Ratings(
        "OASIS (Kurdi, Lozano & Banaji 2017)",
        ("OASIS.csv", "oasis.csv"),
        ("theme", "image", "filename"),
        ("valence_mean", "valence"),
        ("arousal_mean", "arousal"),
        1,
        7,
    ),
}


def read_ratings(name: str, root: Path) -> Manifest:
    """Read a set of :data:`SETS`: its table and the images anywhere below `root`.

    Neither set has an official split: a fifth of the motifs (file name without trailing digits) is
    the test split, always the same, so that variants of one motif stay together.

    Returns:
        One class, ``image``; ``valence`` and ``arousal`` 1..9; the note says how they were scaled.

    Raises:
        UserError: missing folder or table, a row without image, an image without row, a rating
            that is no number on the scale.
    """
    form, root = SETS[name], Path(root)
    path = next((root / t for t in form.tables if (root / t).is_file()), None)
    if path is None:
        raise UserError(
            f"no {form.title}: there is no {' or '.join(form.tables)} in {root}; put its table "
            "there and the images below it."
        )
    frame = read_delimited(path, "a header, then a line an image")
    names = frame[column(frame, path, form.image)]
    images = match_images(names, images_below(root.absolute()), path, stem_key)
    values = {
        target: numbers(frame[column(frame, path, options)], path, form.low, form.high)
        for target, options in (("valence", form.valence), ("arousal", form.arousal))
    }
    scale = 8 / (form.high - form.low)
    note = (
        f"{form.title}: ratings {form.low:g}..{form.high:g} are used as they are"
        if scale == 1
        else f"{form.title}: ratings {form.low:g}..{form.high:g} brought to 1..9 by "
        f"(x - {form.low:g}) * {scale:.4g} + 1"
    )
    table = pd.DataFrame(
        {
            "path": [str(image) for image in images],
            "label": 0,
            "split": "train",
            **{target: (rated - form.low) * scale + 1 for target, rated in values.items()},
        }
    ).sort_values("path", ignore_index=True)
    motifs = [re.sub(r"[\s_-]*\d+$", "", stem_key(p)) for p in table["path"]]
    if len(set(motifs)) < 2:
        raise UserError(f"{path} has images of one motif only, so they cannot be split in two.")
    splitter = GroupShuffleSplit(1, test_size=TEST_SHARE, random_state=SPLIT_SEED)
    _, test = next(splitter.split(table, groups=np.array(motifs)))
    table.loc[test, "split"] = "test"
    note += f"; no official split: {len(test)} of {len(table)} images, whole motifs, are the test"
    return Manifest(name, Path("/"), ("image",), table, is_drawn(root), [note + "."], "ratings")
