"""Laying out the BASS silhouettes: quadrants, motifs on one side, strict reading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from common.datasets.__main__ import main
from common.datasets.prepare import prepare_bass
from common.datasets.readers.folder import read_folders

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "bass"
QUADRANTS = ("negative_aroused", "negative_calm", "positive_aroused", "positive_calm")


@pytest.fixture
def source(tmp_path) -> Path:
    """A small download of the same form: 16 motifs with 1 to 3 variants, four quadrants."""
    folder = tmp_path / "download"
    (folder / "images").mkdir(parents=True)
    generator = np.random.default_rng(0)
    rows = []
    for motif in range(16):
        valence, arousal = (2.0, 8.0)[motif % 2], (2.5, 7.0)[motif // 2 % 2]
        for variant in range(1 + motif % 3):
            name = f"motif{chr(97 + motif)}{variant + 1 if variant else ''}.png"
            pixels = generator.integers(0, 256, (20, 20), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "images" / name)
            rows.append((f"images/{name}", "x", valence, arousal))
    pd.DataFrame(rows, columns=["path", "label", "v", "a"]).to_csv(
        folder / "index.csv", index=False
    )
    (folder / "LICENSE.md").write_text("CC BY 4.0")
    return folder


def prepare(source: Path, out: Path, *flags: str) -> int:
    return main(["prepare", "bass", "--source", str(source), "--out", str(out), *flags])


def check_layout(out: Path, number: int) -> None:
    manifest = read_folders("bass", {"train": out / "train", "test": out / "test"}, 4)
    assert manifest.classes == QUADRANTS and not manifest.drawn
    assert len(manifest) == number
    table = pd.read_csv(out / "index.csv")
    assert len(table) == number
    assert (table.groupby("motif")["split"].nunique() == 1).all()
    positive = table["label"].str.startswith("positive")
    assert (positive == (table["valence"] >= 5)).all()
    assert (table["label"].str.endswith("aroused") == (table["arousal"] >= 5)).all()
    assert "10.3758/s13428-021-01569-7" in (out / "SOURCE.txt").read_text()
    assert (out / "LICENSE.md").is_file()


def test_small_download_is_laid_out(source, tmp_path, capsys):
    assert prepare(source, tmp_path / "bass") == 0
    assert "negative_aroused" in capsys.readouterr().out
    check_layout(tmp_path / "bass", 31)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the BASS images are not in ../shared/data/bass")
def test_real_download_is_laid_out(tmp_path):
    assert prepare(SHARED, tmp_path / "bass") == 0
    check_layout(tmp_path / "bass", 583)
    table = pd.read_csv(tmp_path / "bass/index.csv")
    assert table["label"].value_counts().to_dict() == dict(
        zip(QUADRANTS, (119, 63, 188, 213), strict=True)
    )
    assert 0.2 < (table["split"] == "test").mean() < 0.32


def test_split_follows_the_seed(source, tmp_path):
    a, b, c = (
        prepare_bass(source, tmp_path / name, seed=seed)["split"].tolist()
        for name, seed in (("a", 0), ("b", 0), ("c", 4))
    )
    assert a == b and a != c


def break_index(source: Path, change) -> None:
    table = pd.read_csv(source / "index.csv").astype(object)
    change(table).to_csv(source / "index.csv", index=False)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t.drop(columns="a"), "lacks the column(s) a"),
        (lambda t: t.assign(v=["eleven", *t["v"][1:]]), "line 2: valence is 'eleven'"),
        (lambda t: t.assign(a=[*t["a"][:-1], 12.5]), "arousal is '12.5'"),
        (
            lambda t: t.assign(path=["images/gone.png", *t["path"][1:]]),
            "line 2: the image images/gone",
        ),
        (
            lambda t: t.assign(path=["../../etc/hosts", *t["path"][1:]]),
            "line 2: the image ../../etc",
        ),
        (lambda t: pd.concat([t, t.iloc[:1]]), "is listed twice"),
    ],
)
def test_bad_index_is_told_and_nothing_is_made(source, tmp_path, capsys, change, told):
    break_index(source, change)
    assert prepare(source, tmp_path / "bass") == 2
    error = capsys.readouterr().err
    assert told in error and error.count("error:") == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["download"]


def test_missing_source_and_existing_target_are_told(source, tmp_path, capsys):
    assert prepare(tmp_path / "nowhere", tmp_path / "bass") == 2
    assert "index.csv" in capsys.readouterr().err
    (tmp_path / "bass").mkdir()
    (tmp_path / "bass/photo.txt").write_text("precious")
    assert prepare(source, tmp_path / "bass") == 2
    assert "already exists" in capsys.readouterr().err
    assert (tmp_path / "bass/photo.txt").read_text() == "precious"


def test_cuts_that_leave_a_class_on_one_side_are_refused(source, tmp_path, capsys):
    assert prepare(source, tmp_path / "bass", "--test_fraction", "0.9") == 2
    assert "one side" in capsys.readouterr().err
