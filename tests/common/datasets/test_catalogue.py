"""The catalogue: rows that can be called, orders that others rely on; arrows, sizes of folders."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import common
from common.datasets.catalogue import DATASETS, LABEL_SETS, STANDINS, TRAINABLE, polarity

COMMON = Path(common.__file__).parent


@pytest.mark.parametrize("name", DATASETS)
def test_a_row_names_a_reader_that_takes_its_arguments(name):
    row = DATASETS[name]
    module, _, function = row.reader.partition(":")
    read = getattr(importlib.import_module(f"common.datasets.readers.{module}"), function)
    inspect.signature(read).bind(root=Path(), **row.arguments)
    assert row.title and (not row.labels or row.classes == LABEL_SETS[row.labels].classes)
    assert row.polarity in ("", "none", *LABEL_SETS)


@pytest.mark.parametrize("name", STANDINS)
def test_a_row_names_a_stand_in_that_takes_its_arguments(name):
    drawn = STANDINS[name]
    module, _, function = drawn.draw.partition(":")
    write = getattr(importlib.import_module(f"common.datasets.standins.{module}"), function)
    inspect.signature(write).bind(Path(), 1.0, 0, drawn.usual_size, **drawn.arguments)
    assert drawn.version >= 1


def test_orders_that_checkpoints_and_label_files_rely_on():
    orders = {
        "fi": "amusement anger awe contentment disgust excitement fear sadness",
        "flickrldl": "amusement awe contentment excitement anger disgust fear sadness",
        "rafdb": "surprise fear disgust happiness sadness anger neutral",
        "ferplus": "neutral happiness surprise sadness anger disgust fear contempt",
        "affectnet8": "neutral happiness sadness surprise fear disgust anger contempt",
        "sfew": "anger disgust fear happiness neutral sadness surprise",
    }
    for name, order in orders.items():
        assert " ".join(DATASETS[name].classes) == order


def test_polarity_of_names_that_trainings_know():
    assert next(iter(TRAINABLE)) == "fi" and "se30k8" in TRAINABLE and "flickr" not in TRAINABLE
    assert polarity("FI", ("Amusement", "Anger")) == [1, 0]
    assert polarity("twitterldl_polarity", ("negative", "neutral", "positive")) == [0, 1, 1]
    assert polarity("cifar10", ("cat", "dog")) == polarity("nobody", ("a", "b")) == [1, 1]


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [("data", ("common.datasets", "common.engine")), ("datasets", ("common.engine",))],
)
def test_arrows_inside_common(package, forbidden):
    for path in (COMMON / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            assert not [name for name in names if name.startswith(forbidden)], path


@pytest.mark.parametrize("folder", ["data", "datasets", "datasets/doctor"])
def test_a_folder_can_be_taken_in_at_a_glance(folder):
    entries = [p.name for p in (COMMON / folder).iterdir() if not p.name.startswith("__pycache")]
    assert len(entries) <= 12
