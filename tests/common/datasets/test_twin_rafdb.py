"""The drawn stand-in for RAF-DB: official tree and label file, counts, same bytes for a seed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.datasets.__main__ import main
from common.datasets.standins import rafdb
from common.datasets.standins.faces import ACTIONS, draw_face

LABELS = "EmoLabel/list_patition_label.txt"


def twin(out: Path, *flags: str) -> int:
    return main(["twin", "rafdb", "--out", str(out), "--scale", "0.001", *flags])


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in files}


def images_of(folder: Path) -> dict[bytes, str]:
    """Bytes of an image -> ``<split> <label>``."""
    rows = [line.split() for line in (folder / LABELS).read_text().splitlines()]
    place = folder / "Image/aligned"
    return {
        (place / name.replace(".jpg", "_aligned.jpg")).read_bytes(): f"{name[:5]} {label}"
        for name, label in rows
    }


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("twin") / "rafdb"
    assert twin(out) == 0
    return out


def test_tree_and_label_file_are_the_official_ones(drawn):
    lines = (drawn / LABELS).read_text().splitlines()
    assert all(re.fullmatch(r"(train_\d{5}|test_\d{4})\.jpg [1-7]", line) for line in lines)
    assert lines[0].startswith("train_00001.jpg ") and lines[-1].startswith("test_00")
    splits = [line.partition("_")[0] for line in lines]
    assert splits == sorted(splits, reverse=True)
    names = {line.split()[0].replace(".jpg", "_aligned.jpg") for line in lines}
    assert {f.name for f in (drawn / "Image/aligned").iterdir()} == names
    for split, least in (("train", 16), ("test", 8)):
        labels = [line.split()[1] for line in lines if line.startswith(split)]
        assert {c: labels.count(c) for c in "1234567"} == {
            c: max(least, round(n * 0.001))
            for c, n in zip("1234567", rafdb.FULL_COUNTS[split].values(), strict=True)
        }
        assert labels != sorted(labels)


def test_images_are_aligned_faces_in_size_and_all_differ(drawn):
    files = sorted((drawn / "Image/aligned").iterdir())
    images = [Image.open(f) for f in files]
    assert all(i.size == (100, 100) and i.mode == "RGB" and i.format == "JPEG" for i in images)
    assert len({f.read_bytes() for f in files}) == len(files)


def test_the_root_says_that_the_images_are_drawn(drawn):
    mark = json.loads((drawn / "DRAWN.json").read_text())
    assert mark["drawn"] is True and mark["of"] == "rafdb"
    assert "drawn by a program" in (drawn / "README.txt").read_text()


def test_same_seed_gives_the_same_bytes_and_another_seed_others(drawn, tmp_path):
    assert twin(tmp_path / "again") == 0
    assert contents(tmp_path / "again") == contents(drawn)
    assert twin(tmp_path / "other", "--seed", "1") == 0
    assert not images_of(tmp_path / "other").keys() & images_of(drawn).keys()


def test_a_larger_scale_holds_the_smaller_ones_images(drawn, tmp_path):
    assert twin(tmp_path / "larger", "--scale", "0.006") == 0
    small, larger = images_of(drawn), images_of(tmp_path / "larger")
    assert len(larger) > len(small)
    assert all(larger[data] == row for data, row in small.items())


def test_full_size_has_the_official_numbers():
    counts = rafdb.split_counts(1.0)
    assert sum(counts["train"].values()) == 12271 and sum(counts["test"].values()) == 3068
    assert counts["train"]["fear"] == 281 and counts["test"]["happiness"] == 1185
    assert rafdb.split_counts(0.1)["train"]["happiness"] == 477


def test_expressions_are_sets_of_known_actions_that_all_differ():
    assert set(rafdb.EXPRESSIONS) == set(rafdb.CLASSES)
    assert all(means.keys() <= ACTIONS.keys() for means in rafdb.EXPRESSIONS.values())
    assert len({frozenset(means) for means in rafdb.EXPRESSIONS.values()}) == 7
    assert rafdb.EXPRESSIONS["neutral"] == {}


@pytest.mark.parametrize("label", range(7))
def test_actions_scatter_around_those_of_the_class(label):
    rng = np.random.default_rng(0)
    drawn = [rafdb.actions_of(label, rng) for _ in range(400)]
    middle = sum(rafdb.INTENSITY) / 2
    for action, mean in rafdb.EXPRESSIONS[rafdb.CLASSES[label]].items():
        seen = np.array([actions[action] for actions in drawn])
        assert seen.mean() == pytest.approx(mean * middle * (1 - rafdb.MISSING), rel=0.1)
        assert seen.std() > 0.2 * mean
    other = [name for name in ACTIONS if name not in rafdb.EXPRESSIONS[rafdb.CLASSES[label]]]
    assert np.mean([actions[name] > 0 for actions in drawn for name in other]) < 0.1


def test_an_action_changes_the_face_and_nothing_around_it():
    rest, smile = (
        np.asarray(draw_face(actions, np.random.default_rng(3), 100), dtype=int)
        for actions in ({}, {"corner_pull": 1.0})
    )
    changed = np.abs(rest - smile).max(axis=2) > 12
    assert changed[60:85, 25:75].any()
    assert not changed[:20].any() and not changed[:, :8].any()


def test_identity_does_not_depend_on_the_expression():
    for seed in range(3):
        faces = [
            np.asarray(draw_face(actions, np.random.default_rng(seed), 100), dtype=int)
            for actions in ({}, rafdb.EXPRESSIONS["surprise"])
        ]
        difference = np.abs(faces[0] - faces[1])  # beside the head: hair and background
        assert difference[:40, :8].max() <= 2 and difference[:40, -8:].max() <= 2
