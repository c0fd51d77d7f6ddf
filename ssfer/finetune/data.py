"""The images of fine-tuning: classes, labelled splits, folds, views and streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from sklearn.model_selection import KFold

from common.cli import UserError
from common.data import cache, split_files
from common.data.check import drop_unreadable, refuse_oblong
from common.data.dataset import ViewDataset
from common.data.manifest import Manifest
from common.data.splits import Images, Split
from common.data.streams import PassStream, ShuffledStream, eval_loader
from common.datasets.readers.folder import read_folders
from common.flags import GivenFlags
from ssfer import views

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
OBLONG = "the test view resizes without a crop and the network takes squares"


# --- reading --------------------------------------------------------------------------------------


def folder_names(dataset: str) -> tuple[str, ...] | None:
    """The class folders a known dataset must have, in order; None for any other name."""
    if dataset not in CLASSES:
        return None
    names = CLASSES[dataset]
    return names if dataset == "RAFDB" else tuple(map(str, range(len(names))))


def read_manifest(
    dataset: str, folders: dict[str, Path], num_classes: int, workers: int = 2, named: bool = True
) -> Manifest:
    """Read image folders, split name -> folder, and check their classes.

    Args:
        named: the folders of a known dataset must be called as its classes are.

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
    folder, found = next(iter(folders.values())), manifest.classes
    if len(found) != num_classes:
        raise UserError(
            f"{folder} has {len(found)} class folders ({', '.join(found[:9])}), but --nb_classes "
            f"is {num_classes}; give --nb_classes {len(found)} or another folder."
        )
    wanted = folder_names(dataset) if named else None
    if wanted and tuple(n.lower() for n in found) != tuple(n.lower() for n in wanted):
        raise UserError(
            f"{folder} has the class folders {', '.join(found)}, but the classes of {dataset} are "
            f"{', '.join(wanted)} in this order; rename the folders, or give --dataset a name of "
            "your own."
        )
    manifest = drop_unreadable(manifest, workers)
    counts = manifest.split("train").counts() if "train" in folders else {}
    if empty := [name for name, number in counts.items() if number == 0]:
        raise UserError(f"{folder} has no image of the class {empty[0]}; every class needs some.")
    return manifest


def read(args, given_flags: GivenFlags = frozenset()) -> Images:
    """Read and check what the flags name, and say which images are labelled.

    Raises:
        UserError: see :func:`read_manifest`, :func:`check_share` and
            :func:`common.data.split_files.use`.
    """
    folders, test = {"train": args.traindir}, None
    if args.protocol == "official":
        folders["test"] = args.testdir or args.traindir.parent / "test"
    published = args.draws == "authors"
    workers = max(1, args.num_workers)
    manifest = read_manifest(args.dataset, folders, args.nb_classes, workers, not published)
    train = manifest.split("train")
    if args.protocol == "official":
        test = manifest.split("test")
        if not args.square_crop:
            refuse_oblong(test, OBLONG)
    if not published:
        check_share(train, args.anno_percent)
    given = split_files.use(args.split, train, test) if args.split else None
    return Images(train, test, given)


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


def _dataset(args, stage, images: Manifest, view: dict, **options) -> ViewDataset:
    """Images of a stage, from the cache that all training images share."""
    return cache.dataset(args, images, view, cached_with=stage.whole.train, **options)


def _loading(args) -> tuple[int, bool]:
    return args.num_workers, torch.cuda.is_available()


def supervised_stream(stage, args) -> PassStream:
    """The labelled images of a stage, with their boxes where a file gives them."""
    view = {"image": views.supervised_view(args.input_size)}
    targets = ("box",) if "box" in stage.train.table else ()
    dataset = _dataset(args, stage, stage.train, view, targets=targets)
    return PassStream(dataset, args.batch_size, stage.seed, *_loading(args))


def semi_streams(stage, args) -> dict:
    """A pass over the unlabelled images, with the labelled ones begun anew when they end.

    The unlabelled batch of a step is drawn first.
    """
    size, batch = args.input_size, 2 * args.batch_size
    two = {"weak": views.crop_view(size), "strong": views.strong_view(size)}
    pool = _dataset(args, stage, stage.pool, two, hide_labels=True)
    unlabelled = PassStream(pool, int(batch * args.mu), stage.seed + 1, *_loading(args))
    seen = _dataset(args, stage, stage.train, {"image": views.crop_view(size)})
    seed, steps = stage.seed + 2, unlabelled.steps
    labelled = ShuffledStream(seen, batch, steps, seed, *_loading(args))
    return {"unlabelled": unlabelled, "labelled": labelled}


def fold_validation(stage, args) -> PassStream:
    """Held-out labelled images under the random training view, in order."""
    dataset = _dataset(args, stage, stage.test, {"image": views.supervised_view(args.input_size)})
    how = {"drop_last": False, "shuffle": False}
    return PassStream(dataset, args.batch_size, stage.seed + 3, *_loading(args), **how)


def test_view(size: int, square: bool = False) -> views.View:
    """The notebook's view, or its middle square."""
    return views.square_eval_view(size) if square else views.eval_view(size)


def test_loader(manifest: Manifest, args):
    """Every image once under :func:`test_view`."""
    view = {"image": test_view(args.input_size, args.square_crop)}
    cached = "cache" in args
    dataset = cache.dataset(args, manifest, view) if cached else ViewDataset(manifest, view)
    return eval_loader(dataset, TEST_BATCH, *_loading(args))


for _function in (test_view, test_loader):
    _function.__test__ = False  # its name makes pytest take it for a test
