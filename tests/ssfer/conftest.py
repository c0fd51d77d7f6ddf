"""Small image folders and a way to run the command lines in-process."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ssfer.finetune.data import CLASSES
from ssfer.finetune.main import main
from ssfer.vit import SIZES, Size

NANO = Size(48, 2, 4)  # as the published ones in all but size
SMALL = (
    *("--model", "nano", "--input_size", "32", "--device", "cpu", "--num_workers", "0"),
    *("--batch_size", "4", "--num_epochs", "2", "--semi_epochs", "1", "--anno_percent", "0.5"),
    *("--k", "2", "--checkpoint", "none"),
)
TRAIN, TEST = 8, 3


def draw_folders(root: Path, classes, counts: dict[str, int], seed: int = 0) -> None:
    """Noise in ``<split>/<class>/<k>.png``, brighter from class to class."""
    generator = np.random.default_rng(seed)
    for split, number in counts.items():
        for label, name in enumerate(classes):
            for k in range(number):
                path = root / split / name / f"{k}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                noise = generator.integers(0, 100, (24, 24, 3)) + 20 * label
                Image.fromarray(noise.astype(np.uint8)).save(path)


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> Path:
    """``train`` and ``test`` with RAF-DB's classes. Not to be changed."""
    root = tmp_path_factory.mktemp("RAF-DB")
    draw_folders(root, CLASSES["RAFDB"], {"train": TRAIN, "test": TEST})
    return root


@pytest.fixture
def own_folders(folders, tmp_path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(folders, tmp_path / "own"))


@pytest.fixture(scope="session")
def nano():
    """The size ``--model nano``, for tests alone."""
    SIZES["nano"] = NANO
    yield NANO
    del SIZES["nano"]


@pytest.fixture(scope="session")
def tune(in_process, folders, nano) -> Callable:
    """``tune(cwd, *flags)``: fine-tune the small folders in seconds."""

    def run(cwd: Path, *flags):
        named = ("--detector",)
        words = [*SMALL, "--traindir", folders / "train", *flags]
        if not set(named) & set(flags):
            words += ["--detector", "none"]
        return in_process(main, words, cwd)

    return run


@pytest.fixture(scope="session")
def official(tune, tmp_path_factory) -> Path:
    """The folder of a finished run under the protocol ``official``. Not to be changed."""
    place = tmp_path_factory.mktemp("official")
    outcome = tune(place, "--protocol", "official", "--out", "run")
    assert outcome.code == 0, outcome.err
    yield place / "run"
    shutil.rmtree(place, ignore_errors=True)
