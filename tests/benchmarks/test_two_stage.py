"""The comparison of the two stages at its smallest size."""

import json

import pandas as pd
import pytest
from PIL import Image

from benchmarks import two_stage


@pytest.fixture
def bass(tmp_path):
    folder = tmp_path / "bass"
    (folder / "images").mkdir(parents=True)
    rows = []
    for k in range(60):
        Image.new("L", (20, 20), 4 * k).save(folder / "images" / f"motif{chr(97 + k % 20)}{k}.png")
        name = f"images/motif{chr(97 + k % 20)}{k}.png"
        rows.append((name, "x", 1 + 8 * k / 59, 5.0 + (k % 3)))
    table = pd.DataFrame(rows, columns=["path", "label", "v", "a"])
    table.to_csv(folder / "index.csv", index=False)
    return folder


def test_bass_is_laid_out_by_thirds_of_its_training_images(bass, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    two_stage.lay_out_bass(bass, root, None)
    train = {f.name: len(list(f.iterdir())) for f in (root / "Flickr/train").iterdir()}
    assert set(train) == set(two_stage.THIRDS) and max(train.values()) - min(train.values()) <= 1
    assert (root / "NRC-VAD-Lexicon.txt").is_file()
    motifs = [
        {p.name[:6] for p in (root / "Flickr" / split).rglob("*.png")}
        for split in ("train", "test")
    ]
    assert not motifs[0] & motifs[1]


def test_smallest_comparison_on_both_sets(bass, tmp_path, capsys):
    out = tmp_path / "result.json"
    argv = ["--size", "smoke", "--seeds", "1", "--device", "cpu", "--num_workers", "0"]
    argv += ["--bass", str(bass), "--work", str(tmp_path / "work"), "--out", str(out)]
    assert two_stage.main(argv) == 0
    result = json.loads(out.read_text())
    for data in ("twin", "bass"):
        runs = result["sets"][data]["runs"]
        difference = result["sets"][data]["difference_r_valence"]["differences"]
        wanted = runs["two_stage"]["1"]["r_valence"] - runs["one_stage"]["1"]["r_valence"]
        assert difference == [pytest.approx(wanted)]
        assert result["sets"][data]["verdict"] == "undecided: one seed"
    assert "DRAWN" in capsys.readouterr().out
