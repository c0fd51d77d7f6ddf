"""Tiny images in FI's tree and a way to run the command line in-process."""

import colorsys
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.datasets.__main__ import main as draw
from s2ver.main import main

CLASSES = ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness")
IMAGES_PER_CLASS = {"train": 12, "test": 4}
TINY = (
    *("--image_size", "32", "--backbone", "resnet18", "--num_train_iter", "2", "--epoch", "1"),
    *("--num_labels", "16", "-bsz", "4", "--uratio", "2", "--num_workers", "0"),
)


@dataclass
class Outcome:
    """What a person sees of a command, and the run folder it names by default."""

    code: int
    out: str
    err: str
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log.txt").read_text(encoding="utf-8")

    def json(self, name: str) -> dict:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    @property
    def metrics(self) -> list[dict]:
        return [json.loads(line) for line in (self.folder / "metrics.jsonl").open()]


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Path:
    """A data folder with ``fi/train`` and ``fi/test``: noise tinted by class. Not to be changed."""
    root = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for split, number in IMAGES_PER_CLASS.items():
        for label, name in enumerate(CLASSES):
            folder = root / "fi" / split / name
            folder.mkdir(parents=True)
            tint = np.array(colorsys.hsv_to_rgb(label / 8, 0.8, 0.8)) * 255
            for i in range(number):
                noise = generator.integers(0, 256, (40, 48, 3))
                pixels = (0.5 * noise + 0.5 * tint).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{i:02}.png")
    return root


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Path:
    """A data folder with the drawn twin of FI at its smallest. Not to be changed."""
    folder = tmp_path_factory.mktemp("drawn") / "fi"
    words = ["twin", "fi", "--out", str(folder), "--scale", "0.00001", "--size", "48"]
    assert draw(words) == 0
    return folder.parent


@pytest.fixture
def own_images(images, tmp_path_factory) -> Path:
    """A copy of the images that a test may spoil."""
    return Path(shutil.copytree(images, tmp_path_factory.mktemp("own") / "data"))


@pytest.fixture(scope="session")
def command(in_process) -> Callable[..., Outcome]:
    """``command(argv, cwd, name)``: run the program in a folder; `name` is its --save_name."""

    def run(argv: list[str], cwd: Path, name: str = "main") -> Outcome:
        seen = in_process(main, argv, cwd)
        return Outcome(seen.code, seen.out, seen.err, cwd / "saved_models" / name)

    return run


@pytest.fixture(scope="session")
def tiny(images) -> list[str]:
    """Flags of a run that takes about a second."""
    return ["-ds", "fi", "-nc", "8", "--data_dir", str(images), *TINY]


@pytest.fixture
def place(tmp_path):
    """A working directory whose checkpoints (over 100 MB each) go away after the test."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk():
    """Checkpoints need not survive a power cut here; forcing them to the disk is slow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def plain(tmp_path_factory, command, tiny, no_waiting_for_the_disk):
    """A finished tiny run with every default, for tests that only look at it."""
    folder = tmp_path_factory.mktemp("plain")
    yield command(tiny, folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def files():
    """``files(folder)``: every path below a folder with its size and time of last change."""

    def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
        found = {}
        for path in sorted(folder.rglob("*")):
            stat = path.lstat()
            found[str(path.relative_to(folder))] = (
                (0, 0) if path.is_dir() else (stat.st_size, stat.st_mtime_ns)
            )
        return found

    return snapshot
