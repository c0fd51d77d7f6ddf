"""Drawn faces as image folders, with and without labels."""

import hashlib
from pathlib import Path

import pytest

from common.datasets.catalogue import STANDINS
from common.datasets.standins import face_folders, rafdb
from common.datasets.standins.twin import make_twin

SIDE = 24


def digests(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*.jpg"))
    }


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("rafdb_folders", sorted(n.capitalize() for n in rafdb.CLASSES)),
        ("ferplus_folders", list("01234567")),
        ("affectnet7_folders", list("0123456")),
        ("affectnet8_folders", list("01234567")),
    ],
)
def test_folders_are_the_classes(name, classes):
    layout = (
        face_folders.rafdb_layout()
        if name == "rafdb_folders"
        else face_folders.even_layout(**STANDINS[name].arguments)
    )
    assert list(layout) == classes
    expressions = [expression for expression, _ in layout.values()]
    assert len(set(expressions)) == len(classes) and set(expressions) <= set(
        face_folders.EXPRESSIONS
    )
    if name != "rafdb_folders":
        assert tuple(expressions) == face_folders.NUMBERED[: len(classes)]


def test_same_seed_gives_the_same_bytes_and_no_face_twice(tmp_path):
    for seed, folder in ((0, "a"), (0, "b"), (1, "c")):
        counts = make_twin("rafdb_folders", tmp_path / folder, 1e-6, seed, SIDE)
    assert counts["train"]["Anger"] == rafdb.LEAST["train"]
    a, b, c = (digests(tmp_path / folder) for folder in "abc")
    assert a == b and a.keys() == c.keys()
    everything = [*a.values(), *c.values()]
    assert len(set(everything)) == len(everything)


def test_faces_without_labels_are_other_faces_in_one_folder(tmp_path):
    make_twin("rafdb_folders", tmp_path / "labelled", 1e-6, 0, SIDE)
    counts = make_twin("unlabelled_faces", tmp_path / "without", 1e-6, 0, SIDE)
    found = digests(tmp_path / "without")
    assert counts == {"train_all": {"faces": len(found)}}
    assert all(name.startswith("train_all/faces/") for name in found)
    assert not set(found.values()) & set(digests(tmp_path / "labelled").values())
