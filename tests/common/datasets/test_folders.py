"""Laying a dataset out as class folders, and the published counts that copies are compared with."""

import numpy as np
import pandas as pd
import pytest

from common.data.manifest import Manifest
from common.datasets.__main__ import main
from common.datasets.catalogue import ALL, DATASETS, differences, published
from common.datasets.readers import reader
from common.datasets.standins.twin import make_twin


@pytest.fixture(scope="module")
def bass(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twins") / "bass"
    make_twin("bass", folder, scale=1e-6, size=16)
    return folder


def test_command_lays_out_quadrants(bass, tmp_path, capsys):
    assert main(["folders", "bass", str(bass), "--out", str(tmp_path / "out"), "--quadrants"]) == 0
    shown = capsys.readouterr().out
    assert "negative_aroused" in shown and "cut at 5" in shown
    manifest = reader("folders")(tmp_path / "out")
    assert len(manifest) == 32 and manifest.drawn
    assert {"negative_calm", "positive_aroused"} <= set(manifest.classes)
    assert main(["folders", "bass", str(bass), "--out", str(tmp_path / "out")]) == 2
    assert "already exists" in capsys.readouterr().err


def test_quadrants_need_ratings(tmp_path, capsys):
    for split in ("train", "test"):
        for name in ("joy", "fear"):
            (tmp_path / "in" / split / name).mkdir(parents=True)
            (tmp_path / "in" / split / name / "a.jpg").touch()
    (tmp_path / "in/test/fear/a.jpg").unlink()
    words = ["folders", "folders", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    assert main([*words, "--quadrants"]) == 2
    assert "has no valence and arousal" in capsys.readouterr().err
    assert main([*words, "--present"]) == 0
    assert "1 of 2 classes lack images" in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / "out/train").iterdir()) == ["joy"]


# --- published counts -----------------------------------------------------------------------------


def manifest_of(name: str, entry, short: int = 0) -> Manifest:
    """A manifest with the published counts, `short` images missing from the first class."""
    rows = []
    for split, of_class in entry.classes.items():
        for label, number in enumerate(of_class.values()):
            rows += [(split if split != ALL else "train", label)] * (number - short * (label == 0))
    table = pd.DataFrame(rows, columns=["split", "label"])
    table["path"] = np.arange(len(table)).astype(str)
    classes = tuple(next(iter(entry.classes.values())))
    return Manifest(name, ".", classes, table, form=next(iter(entry.forms), ""))


@pytest.mark.parametrize("name", ["fi", "rafdb", "twitter1", "twitter2", "emotion6"])
def test_published_counts_have_no_differences(name):
    entry = DATASETS[name].published[0]
    assert differences(manifest_of(name, entry)) == []
    told = differences(manifest_of(name, entry, short=2))
    assert any(entry.source in note and "instead of" in note for note in told)
    assert all(note.startswith(f"{name}: ") for note in told)


def test_numbers_of_one_publication_agree():
    for name, row in DATASETS.items():
        for entry in row.published:
            for split, of_class in entry.classes.items():
                total = entry.total if split == ALL else entry.splits.get(split)
                assert total is None or sum(of_class.values()) == total, (name, split)
            if entry.total is not None and entry.splits:
                assert sum(entry.splits.values()) == entry.total, name


def test_forms_and_unknown_numbers():
    assert published("twitter1", "five_agrees").total == 882
    assert published("twitter1", "folders") is None and published("nobody") is None
    drawn = manifest_of("fi", DATASETS["fi"].published[0], short=2)
    drawn.drawn = True
    assert differences(drawn) == []
