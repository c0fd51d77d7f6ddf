"""Drawn stand-ins: the official tree, the same bytes for a seed, clearly marked."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from common.datasets.__main__ import main
from common.datasets.readers.folder import read_folders
from common.datasets.standins import fi


def twin(out: Path, *flags: str, name: str = "fi") -> int:
    return main(["twin", name, "--out", str(out), "--scale", "0.001", "--size", "32", *flags])


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(f for f in folder.rglob("*") if f.is_file())
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in files}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("twin") / "fi"
    assert twin(out) == 0
    return out


def test_tree_is_that_of_fi(drawn):
    manifest = read_folders("fi", {"train": drawn / "train", "test": drawn / "test"}, 8)
    assert manifest.classes == fi.CLASSES
    assert manifest.drawn
    assert manifest.split("train").counts() == dict.fromkeys(fi.CLASSES, 16)
    assert manifest.split("test").counts() == dict.fromkeys(fi.CLASSES, 8)


def test_every_file_says_that_it_is_drawn(drawn):
    images = list(drawn.rglob("*.png"))
    assert len(images) == 8 * 24
    assert all(image.name.startswith("drawn_") for image in images)
    mark = json.loads((drawn / "DRAWN.json").read_text())
    assert mark["drawn"] is True and mark["of"] == "fi" and mark["seed"] == 0
    assert "drawn by a program" in (drawn / "README.txt").read_text()


def test_same_seed_gives_the_same_bytes_and_another_seed_others(drawn, tmp_path):
    assert twin(tmp_path / "again") == 0
    assert contents(tmp_path / "again") == contents(drawn)
    assert twin(tmp_path / "other", "--seed", "1") == 0
    ours, other = contents(drawn), contents(tmp_path / "other")
    images = [name for name in ours if name.endswith(".png")]
    assert ours.keys() == other.keys() and all(ours[name] != other[name] for name in images)


def test_a_larger_scale_begins_with_the_smaller_ones_images(drawn, tmp_path):
    assert twin(tmp_path / "larger", "--scale", "0.006") == 0
    larger = contents(tmp_path / "larger")
    small = {name: data for name, data in contents(drawn).items() if name.endswith(".png")}
    assert len([n for n in larger if n.endswith(".png")]) > len(small)
    assert all(larger[name] == data for name, data in small.items())


def test_full_size_has_the_published_number_of_images():
    counts = fi.split_counts(1.0)
    assert sum(sum(of_split.values()) for of_split in counts.values()) == 23308
    assert counts["train"]["amusement"] + counts["test"]["amusement"] == 4942


def test_images_differ_within_a_class_and_in_shape(drawn):
    images = [Image.open(f) for f in sorted((drawn / "train/awe").iterdir())]
    assert len({image.tobytes() for image in images}) == len(images)
    assert len({image.size for image in images}) > 1
    assert all(max(image.size) == 32 and image.mode == "RGB" for image in images)


def test_refusals(drawn, tmp_path, capsys):
    before = contents(drawn)
    assert twin(drawn) == 2
    assert "--overwrite" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/photo.txt").write_text("precious")
    assert twin(tmp_path / "mine", "--overwrite") == 2
    assert "no drawn stand-in" in capsys.readouterr().err
    assert (tmp_path / "mine/photo.txt").read_text() == "precious"
    assert twin(tmp_path / "new", name="nosuch") == 2
    assert "known are" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    assert contents(drawn) == before


def test_overwrite_replaces_an_earlier_twin(tmp_path):
    assert twin(tmp_path / "fi") == 0
    assert twin(tmp_path / "fi", "--seed", "3", "--overwrite") == 0
    assert json.loads((tmp_path / "fi/DRAWN.json").read_text())["seed"] == 3


def test_an_interrupted_drawing_leaves_nothing(tmp_path, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(fi, "draw", stop)
    assert twin(tmp_path / "fi") == 130
    assert list(tmp_path.iterdir()) == []


def test_odd_targets_and_scales_are_told_in_a_sentence(tmp_path, capsys):
    (tmp_path / "file").touch()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "DRAWN.json").write_text("{")
    for out, flags, told in (
        (tmp_path / "file" / "fi", (), "cannot be made"),
        (broken, (), "already holds a drawn stand-in"),
        (tmp_path / "new", ("--scale", "inf"), "not a positive number"),
    ):
        assert twin(out, *flags) == 2
        assert told in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_published_command_can_be_tried_on_the_documented_twin():
    page = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
    scale = float(re.search(r"twin fi --out data/fi --scale ([0-9.]+)", page).group(1))
    assert min(fi.split_counts(scale)["train"].values()) >= 1600 // 8


def test_link_to_an_empty_folder_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "fi").symlink_to(tmp_path / "disk")
    assert twin(tmp_path / "fi") == 0
    assert (tmp_path / "fi").is_symlink() and (tmp_path / "disk/DRAWN.json").is_file()
