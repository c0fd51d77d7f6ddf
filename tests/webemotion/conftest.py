"""The drawn files that the configurations name, text models, and a way to run a script."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from common.data import pickles
from common.datasets.standins.twin import make_twin
from webemotion.lists import Entry, write_list
from webemotion.text import checkpoint, models
from webemotion.text.embed import embed_words

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 300


def text_model(path: Path, family: str, name: str, tag2idx: dict[str, int], classes: int) -> None:
    """Write an untrained text model."""
    torch.manual_seed(0)
    model = models.build(family, name, len(tag2idx), 20, WIDTH, WIDTH, classes)
    checkpoint.save(path, model, tag2idx)


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """A working directory with ``data/webtags`` and ``models``. Tests write beside them."""
    place = tmp_path_factory.mktemp("webemotion")
    make_twin("webtags", place / "data/webtags", scale=0.001, size=40)
    for small in (place / "data/webtags").rglob("*.pkl"):  # validation in one batch or two
        held = pickles.load(small)
        if isinstance(held, list) and ("test" in small.name or "val" in small.name):
            pickles.save(held[:8], small)
    lists = place / "data/webtags/Deepemotion/z_data"
    (place / "older").mkdir()  # the older form validates on val
    for split, name in (("train", "train"), ("test", "val")):
        shutil.copy(lists / f"{split}_8.pkl", place / f"older/{name}_8.pkl")
    tag2idx = pickles.load(place / "data/webtags/vocabulary/tag2idx.pkl")
    (place / "models/Embeddings").mkdir(parents=True)
    for name in ("model_best", "model_feature_regularization"):
        text_model(place / f"models/{name}.pth.tar", "dan2", "CNN", tag2idx, 8)
    for classes in (8, 12):
        path = place / f"models/transformed{classes}.pth.tar"
        text_model(path, "v2", "TextCNN_NLT", tag2idx, classes)
        path = place / f"models/deeper{classes}.pth.tar"
        text_model(path, "v2", "TextCNN_NLT_DAN", tag2idx, classes)
    held = checkpoint.load(place / "models/model_best.pth.tar")
    words = embed_words(held, sorted(tag2idx))
    pickles.save(words, place / "models/Embeddings/Key690_BN.pkl")
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def write(tmp_path) -> Callable[[object], str]:
    """``write(values)``: a configuration's file of an object, or of the text as it stands."""

    def to(values) -> str:
        path = tmp_path / "Some_config.json"
        path.write_text(values if isinstance(values, str) else json.dumps(values))
        return str(path)

    return to


@pytest.fixture(scope="session")
def script(in_process) -> Callable:
    """``script(name, config, argv, cwd)``: run a script's file as a person would."""

    def main(words: list[str]) -> int:
        before, path = sys.argv, list(sys.path)
        sys.argv = words
        try:
            runpy.run_path(words[0], run_name="__main__")
        finally:
            sys.argv, sys.path[:] = before, path
        raise AssertionError("a script ends with its exit code")

    def run(name: str, config, argv: tuple = (), cwd: Path = Path(".")):
        if isinstance(config, dict):
            (cwd / "config.json").write_text(json.dumps(config))
            config = "config.json"
        file = str(ROOT / "webemotion" / f"{name}.py")
        return in_process(main, [file, "--config_file", config, *argv], cwd)

    return run


@pytest.fixture(scope="session")
def rows() -> Callable[[Path], list[dict]]:
    """``rows(run)``: the epochs of a run's ``metrics.jsonl``."""
    return lambda run: [json.loads(line) for line in (run / "metrics.jsonl").open()]


@pytest.fixture
def images(tmp_path):
    """A folder of six images."""
    generator = np.random.default_rng(0)
    for k in range(6):
        pixels = generator.integers(0, 256, (40, 50, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{k}.png")
    return tmp_path


@pytest.fixture
def config(images):
    """What a configuration says of the lists of `images`."""
    return types.SimpleNamespace(
        path="c.json",
        num_classes=4,
        data_dir=str(images),
        train_file=str(images / "train.jsonl"),
        val_file=str(images / "test.jsonl"),
        image_size=32,
        resize=36,
        batch_size=4,
        seed=0,
        sample_size=9,
        sent_len=5,
    )


@pytest.fixture
def write_lists(config) -> Callable[[list], list[Entry]]:
    """``write_lists(labels)``: both lists of `config`, an entry a label; returns the entries."""

    def write(labels: list) -> list[Entry]:
        entries = [Entry(f"{k}.png", label) for k, label in enumerate(labels)]
        for path in (config.train_file, config.val_file):
            write_list(path, entries)
        return entries

    return write
