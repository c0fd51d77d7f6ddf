"""The images of fine-tuning: classes, labelled splits, folds, views and streams."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.model_selection import KFold

from common.cli import UserError
from common.data.cache import Opener
from common.data.check import drop_unreadable
from common.data.dataset import ViewDataset
from common.data.manifest import Manifest
from common.data.splits import Split
from common.data.streams import PassStream, ShuffledStream, eval_loader
from common.datasets.readers.folder import read_folders
from ssfer import views

log = logging.getLogger(__name__)

PROTOCOLS = ("kfold", "official")
_NUMBERED = (
    *("Neutral", "Happiness", "Sadness", "Surprise"),
    *("Fear", "Disgust", "Anger", "Contempt"),
)
CLASSES: dict[str, tuple[str, ...]] = {
    "RAFDB": ("Anger", "Disgust", "Fear", "Happiness", "Neutral", "Sadness", "Surprise"),
    "FERPlus": _NUMBERED,
    "AffectNet7": _NUMBERED[:7],
    "AffectNet8": _NUMBERED,
}
"""Class names in the order of the published checkpoints' outputs."""
TEST_FOLDERS = {
    "RAFDB": "RAF-DB/test",
    "FERPlus": "FERPlus/test",
    "AffectNet7": "AffectNet-7/test",
    "AffectNet8": "AffectNet-8/test",
}
TEST_BATCH = 32  # the notebook's


# --- reading --------------------------------------------------------------------------------------


def folder_names(dataset: str) -> tuple[str, ...] | None:
    """The class folders a known dataset must have, in order; None for any other name."""
    if dataset not in CLASSES:
        return None
    names = CLASSES[dataset]
    return names if dataset == "RAFDB" else tuple(map(str, range(len(names))))


def read(dataset: str, folders: dict[str, Path], num_classes: int, workers: int = 2) -> Manifest:
    """Read image folders, split name -> folder, and check their classes.

    Raises:
        UserError: a missing or empty folder, another number of classes, folders in another order
            than the published checkpoints have, a class without training images, or too many
            unreadable images.
    """
    hint = (
        "expected <folder>/<class>/<image>; --traindir and --testdir name the folders, and `python "
        "-m common.datasets twin rafdb_folders --out RAF-DB` draws a stand-in"
    )
    manifest = read_folders(dataset, folders, hint=hint)
    place, found = next(iter(folders.values())), manifest.classes
    if len(found) != num_classes:
        raise UserError(
            f"{place} has {len(found)} class folders ({', '.join(found[:9])}), but --nb_classes is "
            f"{num_classes}; give --nb_classes {len(found)} or another folder."
        )
    wanted = folder_names(dataset)
    if wanted and tuple(n.lower() for n in found) != tuple(n.lower() for n in wanted):
        raise UserError(
            f"{place} has the class folders {', '.join(found)}, but the classes of {dataset} are "
            f"{', '.join(wanted)} in this order; rename the folders, or give --dataset a name of "
            "your own."
        )
    manifest = drop_unreadable(manifest, workers)
    counts = manifest.split("train").counts() if "train" in folders else {}
    if empty := [name for name, number in counts.items() if number == 0]:
        raise UserError(f"{place} has no image of the class {empty[0]}; every class needs some.")
    return manifest


def refuse_oblong(manifest: Manifest) -> None:
    """The notebook resizes the short side and does not crop, so its images must be square.

    Raises:
        UserError: an image is not.
    """
    for path in manifest.table["path"]:
        with Image.open(manifest.root / path) as image:
            width, height = image.size
        if width != height:
            raise UserError(
                f"{manifest.root / path} is {width} x {height}, but the test view resizes without "
                "a crop and the network takes squares; give --square_crop to crop the middle."
            )


# --- which images are labelled --------------------------------------------------------------------


def draw_labelled(
    labels: np.ndarray, percent: float, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """The first share of every class after a shuffle is labelled, at least one image.

    Draws from NumPy's global generator, a shuffle a class in class order. A share of half an image
    goes to the even number.

    Args:
        labels: int64 [n].
        percent: share, 0..1.

    Returns:
        (labelled, unlabelled) int64 positions, classes one after another.
    """
    labelled, unlabelled = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for c in range(num_classes):
        members = np.flatnonzero(np.asarray(labels) == c)
        np.random.shuffle(members)
        end = max(1, round(percent * len(members)))
        labelled.append(members[:end])
        unlabelled.append(members[end:])
    return np.concatenate(labelled), np.concatenate(unlabelled)


def check_share(train: Manifest, percent: float) -> None:
    """Refuse a share that rounds to no image of a class (the published code would take one).

    Raises:
        UserError: names the class.
    """
    for name, number in train.counts().items():
        if round(percent * number) == 0:
            raise UserError(
                f"--anno_percent {percent:g} leaves the class {name}, which has {number} training "
                f"images, without a labelled one; give at least {0.5 / number + 5e-7:.6f}."
            )


def draw_split(train: Manifest, labels: float, seed: int) -> Split:
    """The first draw of the published code with this seed, as `common.datasets split` asks for it.

    Args:
        labels: share of every class, 0..1.

    Raises:
        UserError: `labels` is no share, or leaves a class without a labelled image.
    """
    if not 0 < labels < 1:
        raise UserError(f"--labels {labels} is no share; give one below 1, e.g. 0.05.")
    check_share(train, labels)
    np.random.seed(seed)
    labelled, unlabelled = draw_labelled(train.labels, labels, len(train.classes))
    return Split(labelled, unlabelled, np.empty(0, np.int64))


def folds(
    n: int, k: int, random_state: int, shuffle: bool = True
) -> list[tuple[np.ndarray, np.ndarray]]:
    """scikit-learn's k folds of ``range(n)``: (training, validation) int64 positions.

    Raises:
        UserError: there are fewer items than folds.
    """
    if n < k:
        raise UserError(f"{n} labelled images cannot be split into --k {k} folds.")
    splitter = KFold(k, shuffle=shuffle, random_state=random_state if shuffle else None)
    return list(splitter.split(np.arange(n)))


# --- streams --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Streams:
    """Makes the streams of one stage.

    Attributes:
        size: side of the images.
        batch_size: of the supervised stage; the semi-supervised one takes twice as many.
        seed: of the streams; those of one run need different ones.
        workers, pin_memory: see :class:`common.data.streams.SampledStream`.
        open_image: path -> RGB image; None: its file.
    """

    size: int
    batch_size: int
    seed: int
    workers: int = 0
    pin_memory: bool = False
    open_image: Opener | None = None

    def supervised(self, labelled: Manifest, boxes: bool) -> dict[str, PassStream]:
        """One shuffled pass over the labelled images, the incomplete last batch left out."""
        view = {"image": views.supervised_view(self.size)}
        dataset = ViewDataset(labelled, view, ("box",) if boxes else (), self.open_image)
        return {"labelled": self._pass(dataset, self.batch_size, 0)}

    def semi(self, labelled: Manifest, unlabelled: Manifest, mu: int) -> dict:
        """A pass over the unlabelled images, with the labelled ones begun anew when they end."""
        two = {"weak": views.crop_view(self.size), "strong": views.strong_view(self.size)}
        batch = 2 * self.batch_size
        unlabelled_set = ViewDataset(unlabelled, two, (), self.open_image, hide_labels=True)
        stream = self._pass(unlabelled_set, batch * mu, 1)
        seen = ViewDataset(labelled, {"image": views.crop_view(self.size)}, (), self.open_image)
        again = ShuffledStream(
            seen, batch, stream.steps, 10 * self.seed + 2, self.workers, self.pin_memory
        )
        return {"labelled": again, "unlabelled": stream}

    def _pass(self, dataset: ViewDataset, batch: int, number: int) -> PassStream:
        seed = 10 * self.seed + number
        return PassStream(dataset, batch, seed, self.workers, self.pin_memory)

    def fold_validation(self, manifest: Manifest) -> PassStream:
        """Held-out labelled images under the random training view, in order."""
        view = {"image": views.supervised_view(self.size)}
        dataset = ViewDataset(manifest, view, (), self.open_image)
        options = {"drop_last": False, "shuffle": False}
        seed = 10 * self.seed + 3
        return PassStream(dataset, self.batch_size, seed, self.workers, self.pin_memory, **options)


def test_view(size: int, square: bool = False) -> views.View:
    """The notebook's view, or its middle square."""
    return views.square_eval_view(size) if square else views.eval_view(size)


def test_loader(
    manifest: Manifest,
    size: int,
    workers: int,
    pin_memory: bool = False,
    square: bool = False,
    open_image: Opener | None = None,
):
    """Every image once under :func:`test_view`."""
    dataset = ViewDataset(manifest, {"image": test_view(size, square)}, (), open_image)
    return eval_loader(dataset, TEST_BATCH, workers, pin_memory)


for _function in (test_view, test_loader):
    _function.__test__ = False  # its name makes pytest take it for a test
