"""StockEmotion: web images with lists of emotion tags, 690 of which are classes."""

from __future__ import annotations

from pathlib import Path

from common.cli import UserError
from common.data import pickles
from common.data.manifest import Manifest
from common.datasets.readers.folder import Labels
from common.datasets.readers.lists import first_existing, read_listed
from common.files import read_json

NAME = "stockemotion"
FORMS = {  # folder of lists -> (classes, list of train images, of test images), as configured
    "data_v6_690_xmas": (690, "CNNsplit_tag_labels_train.pkl", "CNNsplit_key_labels_test.pkl"),
    "data_v3_694": (694, "CNNsplit_train.pkl", "CNNsplit_test.pkl"),
    "data_v2": (742, "CNNsplit_train.pkl", "CNNsplit_test.pkl"),
    "small": (12, "train.pkl", "test.pkl"),
}
IMAGES = ("stockimage742/images-256", "stockimage_742/images-256", "images")
VOCABULARY = "vocabulary/classes.json"


def read(root: Path, form: str = "data_v6_690_xmas") -> Manifest:
    """Read ``<form>/CNNsplit_*.pkl`` and ``stockimage742/images-256/``.

    The lists hold ``[path, [class numbers]]``; a number is the place of a tag among the emotion
    tags in alphabetical order. ``label`` is the first of them, ``labels`` has all.

    Args:
        root: its folder.
        form: the folder of lists.

    Raises:
        UserError: lists or images are missing, or a class number is out of range.
    """
    root = Path(root)
    number, train, test = FORMS[form]
    files = {"train": root / form / train, "test": root / form / test}
    folder = first_existing(root / place for place in IMAGES)
    if folder is None or not all(file.is_file() for file in files.values()):
        raise UserError(
            f"there is no StockEmotion at {root}: expected {IMAGES[0]}/ and {form}/{train}, "
            f"{form}/{test}; the URL lists are part of the published code of its authors."
        )
    names = _class_names(root, number)
    labels = Labels((names,)) if names else Labels()
    manifest = read_listed(NAME, root, files, labels, number, folder)
    manifest.form = form
    return manifest


def _class_names(root: Path, number: int) -> tuple[str, ...]:
    """The tags that are classes, in order; empty where the folder does not tell."""
    file, pickled = root / VOCABULARY, root / "vocabulary" / "tag2clsidx.pkl"
    names: tuple[str, ...] = ()
    if file.is_file():
        names = tuple(map(str, read_json(file, "a list of tags")))
    elif pickled.is_file():
        numbers = pickles.load(pickled, "a dictionary of tags and class numbers")
        names = tuple(sorted(numbers, key=numbers.get))
    return names if len(names) == number else ()
