"""Tiny images in the README's data tree and a way to run the command lines in-process."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.datasets.standins.va import WORDS
from dimva.objective import MIKELS
from dimva.train import main

RATED = ("anger", "joy", "sadness")
TINY = (
    *("--gpu_num", "0", "--device", "cpu", "--backbone", "resnet18", "--image_size", "32"),
    *("--pretrained", "none", "--num_workers", "0", "--num_epochs", "1", "--batch_size", "4"),
)


@dataclass
class Outcome:
    """What a person sees of a command."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.err.strip().splitlines()[-1]


def _save(path: Path, generator: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(generator.integers(0, 256, (20, 24, 3), dtype=np.uint8)).save(path)


def _folders(root: Path, classes, counts: dict[str, int], generator) -> None:
    for split, number in counts.items():
        for name in classes:
            for k in range(number):
                _save(root / split / name / f"{name}_{k}.png", generator)


@pytest.fixture(scope="session")
def images(tmp_path_factory) -> Path:
    """FI, Flickr (no val), FlickrLDL, Emotion6 and a lexicon. Not to be changed."""
    root = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    _folders(root / "FI", MIKELS, {"train": 2, "val": 1, "test": 1}, generator)
    polarities = ("negative", "neutral", "positive")
    _folders(root / "Flickr", polarities, {"train": 7, "test": 3}, generator)

    lines = ["image," + ",".join(reversed(MIKELS))]
    for k in range(30):
        _save(root / "FlickrLDL" / ("train" if k < 20 else "test") / f"{k}.png", generator)
        votes = generator.integers(0, 4, 8) + np.eye(8, dtype=int)[k % 8]
        lines.append(f"{k}.png," + ",".join(map(str, votes)))
    (root / "FlickrLDL" / "config.csv").write_text("\n".join(lines))

    rows = ["[image_filename]\t[V]\t[A]"]
    for split, start, stop in (("train", 0, 7), ("test", 7, 10)):
        for name in RATED:
            for k in range(start, stop):
                _save(root / "Emotion6" / split / name / f"{k}.png", generator)
                v, a = generator.uniform(1, 9, 2)
                rows.append(f"{name}/{k}.jpg\t{v:.2f}\t{a:.2f}")
    (root / "Emotion6" / "ground_truth_v2.txt").write_text("\n".join(rows))
    words = ["\t".join((w, *map(str, vad))) for w, vad in WORDS.items()]
    (root / "NRC-VAD-Lexicon.txt").write_text("\n".join(words))
    return root


@pytest.fixture
def own_images(images, tmp_path) -> Path:
    """A copy of the images that a test may spoil."""
    return Path(shutil.copytree(images, tmp_path / "own"))


@pytest.fixture(scope="session")
def command(in_process) -> Callable[..., Outcome]:
    """``command(argv, cwd, program)``: run a program in a folder."""

    def run(argv, cwd: Path, program: Callable = main) -> Outcome:
        seen = in_process(program, argv, cwd)
        return Outcome(seen.code, seen.out, seen.err)

    return run


@pytest.fixture(scope="session")
def tiny(images) -> Callable[..., list]:
    """``tiny(mode, task, dataname, *flags)``: a command line that takes about a second."""

    def build(mode="one_stage", task="single", dataname="FI", *flags) -> list:
        named = ("--mode", mode, "--task", task, "--dataname", dataname)
        return [*TINY, *named, "--data_root", images, *flags]

    return build


@pytest.fixture
def place(tmp_path):
    """A working directory whose checkpoints go away after the test."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="module")
def single(tmp_path_factory, command, tiny) -> Path:
    """A folder where the single task's first stage ran with --keep_best."""
    folder = tmp_path_factory.mktemp("single")
    outcome = command(tiny("one_stage", "single", "FI", "--keep_best"), folder)
    assert outcome.code == 0, outcome.err
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def final():
    """``final(folder, name)``: the final test of a run."""

    def read(folder: Path, name: str) -> dict:
        return json.loads((folder / "runs" / name / "final.json").read_text())

    return read
