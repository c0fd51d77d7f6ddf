"""Every row of docs/datasets.md: twin, reader, doctor, class folders, one training step."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.baselines import __main__ as baselines
from common.datasets.catalogue import DATASETS, STANDINS
from common.datasets.doctor import examine
from common.datasets.folders import lay_out, present, quadrants
from common.datasets.readers import reader
from common.datasets.standins.twin import make_twin

PAGE = Path(__file__).resolve().parents[3] / "docs" / "datasets.md"
WITHOUT_READER = {"unlabelled_faces"}  # faces without labels have no classes to read
PARTS = {"va": "Emotion6"}
OTHER_CLASSES = {("affectnet8", "affectnet7_folders"), ("affectnet7", "affectnet8_folders")}
SIDE = 32


def rows() -> list[tuple[list[str], list[str]]]:
    """(readers, twins) of every row of the tables."""
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 8 and cells[5].startswith("`"):
            found.append(tuple(re.findall(r"`([^`]+)`", cell) for cell in cells[5:7]))
    return found


ROWS = rows()


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    """``twin(name)``: the folder of a small stand-in, drawn once."""
    drawn = {}

    def draw(name: str) -> Path:
        if name not in drawn:
            drawn[name] = tmp_path_factory.mktemp("twins") / name
            make_twin(name, drawn[name], scale=1e-6, size=SIDE)
        return drawn[name]

    return draw


def test_page_names_every_reader_and_twin():
    named = [name for readers, _ in ROWS for name in readers]
    assert len(named) == len(set(named)) and set(named) == set(DATASETS)
    assert {name for _, twins in ROWS for name in twins} | WITHOUT_READER == set(STANDINS)


def pairs() -> list[tuple[str, str]]:
    """Every reader with every twin of its row that has its classes."""
    found = [(name, drawn) for readers, twins in ROWS for name in readers for drawn in twins]
    return [pair for pair in found if pair not in OTHER_CLASSES]


@pytest.mark.parametrize(("name", "drawn"), pairs())
def test_doctor_finds_a_twin_sound(twin, name, drawn):
    folder = twin(drawn) / PARTS.get(drawn, "")
    report = examine(name, folder, workers=1, near=False)
    # A small stand-in cannot show all of 690 classes.
    assert [e for e in report.errors if len(report.classes) < 100 or "no train" not in e] == []
    assert report.counts["train"] and report.counts["test"]


@pytest.mark.parametrize(("name", "drawn"), [(r[0], t[0]) for r, t in ROWS])
def test_training_steps_on_a_twin(twin, name, drawn, tmp_path, in_process):
    manifest = reader(name)(twin(drawn))
    assert manifest.drawn and manifest.form
    if len(manifest.classes) == 1:
        manifest = quadrants(manifest)
    manifest = present(manifest)
    counts = lay_out(manifest, tmp_path / "data")
    assert {"train", "test"} <= set(counts)
    number = len(manifest.classes)
    flags = {
        **{"train_data_dir": tmp_path / "data/train", "test_data_dir": tmp_path / "data/test"},
        **{"dataset": name, "num_classes": number, "num_labels": number, "image_size": SIDE},
        **{"backbone": "resnet18", "num_train_iter": 1, "epoch": 1, "batch_size": 2},
        **{"eval_batch_size": 64, "num_workers": 0, "save_dir": tmp_path, "save_name": "run"},
    }
    words = [word for flag, value in flags.items() for word in (f"--{flag}", value)]
    outcome = in_process(baselines.main, ["supervised", *words, "--device", "cpu"], tmp_path)
    assert outcome.code == 0, outcome.err[-2000:]
    assert "DRAWN STAND-IN DATA" in outcome.out
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["data"]["drawn"] is True and config["data"]["name"] == name
