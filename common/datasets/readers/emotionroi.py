"""EmotionROI: the images of Emotion6 with the lists of the split that came with its region maps."""

from __future__ import annotations

from pathlib import Path

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.readers.folder import Labels, read_tree, split_folders
from common.datasets.readers.lists import read_listed

NAME = "emotionroi"
LABELS = Labels.of_dataset(NAME)
LISTS = {"train": "training.txt", "test": "testing.txt"}
HELP = (
    "expected EmotionROI as images/<class>/<image> with training_testing_split/training.txt and "
    "testing.txt, or train/<class>/ and test/<class>/; it is to be asked for at Cornell's "
    "Advanced Multimedia Processing Lab, http://chenlab.ece.cornell.edu/downloads.html."
)


def read(root: Path) -> Manifest:
    """Read ``images/<class>/<image>`` and lists of ``class/image`` lines, or folders a split.

    The region maps in ``ground_truth/`` are not read.

    Raises:
        UserError: a list or images are missing, or a class is none of the six.
    """
    root = Path(root)
    for place in (root / "training_testing_split", root):
        files = {split: place / file for split, file in LISTS.items()}
        if all(file.is_file() for file in files.values()):
            manifest = read_listed(NAME, root, files, LABELS)
            manifest.form = "official"
            return manifest
    if split_folders(root):
        return read_tree(NAME, root, LABELS, HELP)
    raise UserError(f"there is no EmotionROI at {root}: {HELP}")
