"""SFEW 2.0: stills from films, a folder a class; its validation set serves as test set."""

from __future__ import annotations

from pathlib import Path

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.catalogue import DATASETS
from common.datasets.readers.folder import read_class_folders
from common.datasets.readers.lists import first_existing

NAME = "sfew"
CLASSES = DATASETS[NAME].classes
TRAIN, VAL = ("Train", "train", "Train_Aligned_Faces"), ("Val", "val", "Valid", "test", "Test")


def read(root: Path) -> Manifest:
    """Read ``Train/<class>/`` and ``Val/<class>/``, aligned faces or whole frames.

    The labels of the official test set were never published, so the validation images are the
    split ``test``. A folder between split and class, as in ``Train/Train_Aligned_Faces/Angry``, is
    looked into.

    Raises:
        UserError: a folder is missing, or is no class.
    """
    train, val = (first_existing([root / n for n in names]) for names in (TRAIN, VAL))
    if train is None or val is None:
        raise UserError(
            f"there is no SFEW at {root}: expected Train/<class>/ and Val/<class>/ with the "
            "classes Angry, Disgust, Fear, Happy, Neutral, Sad and Surprise; it is to be asked for "
            "at https://users.cecs.anu.edu.au/~few_group/AFEW.html."
        )
    return read_class_folders(NAME, {"train": train, "test": val}, CLASSES)
