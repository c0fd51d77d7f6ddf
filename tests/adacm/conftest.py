"""A tiny RAF-DB in its official tree, and a way to run the command line in-process."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adacm.main import main
from common.datasets.readers.rafdb import CLASSES

IMAGES_PER_CLASS = {"train": 17, "test": 2}
TINY = (
    *("--image_size", "32", "--train-iteration", "2", "--epochs", "1", "--batch-size", "4"),
    *("--n-labeled", "100", "--num_workers", "0", "--device", "cpu"),
)


@pytest.fixture(scope="session")
def official() -> Callable[[Path], Path]:
    """``official(root)``: write the tiny RAF-DB, noise tinted by class, into `root`."""

    def write(root: Path) -> Path:
        generator = np.random.default_rng(0)
        (root / "Image/aligned").mkdir(parents=True)
        (root / "EmoLabel").mkdir()
        lines = []
        for split, number in IMAGES_PER_CLASS.items():
            for k in range(number * len(CLASSES)):
                label = k % len(CLASSES)
                pixels = (0.5 * generator.integers(0, 256, (36, 36, 3))).astype(np.uint8)
                pixels[..., label % 3] += np.uint8(20 + 15 * label)
                name = f"{split}_{k + 1:05d}"
                Image.fromarray(pixels).save(root / f"Image/aligned/{name}_aligned.jpg")
                lines.append(f"{name}.jpg {label + 1}\n")
        (root / "EmoLabel/list_patition_label.txt").write_text("".join(lines))
        return root

    return write


@pytest.fixture(scope="session")
def images(tmp_path_factory, official) -> Path:
    """A data folder with ``rafdb``. Not to be changed."""
    root = tmp_path_factory.mktemp("images")
    official(root / "rafdb")
    return root


@pytest.fixture(scope="session")
def tiny(images) -> list[str]:
    """Flags of a run that takes about a second."""
    return ["--data_dir", str(images), *TINY]


@pytest.fixture
def place(tmp_path):
    """A working directory whose checkpoints (over 100 MB each) go away after the test."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="session")
def command(in_process) -> Callable:
    """``command(argv, cwd)``: run ``python adacm/main.py`` in a folder."""
    return lambda argv, cwd: in_process(main, argv, cwd)


@pytest.fixture(scope="module")
def plain(tmp_path_factory, tiny, in_process):
    """The folder of a finished tiny run with every default, for tests that only look at it."""
    folder = tmp_path_factory.mktemp("plain")
    seen = in_process(main, tiny, folder)
    assert seen.code == 0, seen.err
    yield folder / "result"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def rows() -> Callable[[Path], list[dict]]:
    """``rows(run)``: the epochs of a run's ``metrics.jsonl``."""
    return lambda run: [json.loads(line) for line in (run / "metrics.jsonl").open()]
