"""The comparison of the two stages at its smallest size."""

import json

import pandas as pd
import pytest
from PIL import Image

from benchmarks.claims import base, two_stage
from benchmarks.claims.two_stage import TwoStage


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
    for file, name in ((out, "va"), (tmp_path / "result_2.json", "bass")):
        result = json.loads(file.read_text())
        arms, difference = result["arms"], result["comparisons"][0]["differences"]
        wanted = arms["two_stage"]["1"]["r_valence"] - arms["one_stage"]["1"]["r_valence"]
        assert difference == [pytest.approx(wanted)]
        assert result["verdict"] == "undecided: one seed"
        assert result["dataset"]["name"] == name and result["dataset"]["drawn"] is (name == "va")
    assert "DRAWN" in capsys.readouterr().out


def test_other_flags_do_not_read_the_runs_of_earlier_ones(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(TwoStage, "prepare", lambda self: {"note": ""})
    monkeypatch.setattr(two_stage.training, "main", lambda argv: started.append(argv) or 1)
    weights = tmp_path / "weights.pth"
    weights.touch()
    commands = ([], ["--epochs", "2"], ["--size", "smoke"], ["--pretrained", str(weights)])
    for given in commands:
        two_stage.main([*given, "--work", str(tmp_path), "--out", str(tmp_path / "x.json")])
    outs = [argv[argv.index("--out") + 1] for argv in started]
    assert len(set(outs)) == len(commands)


def test_twin_of_another_scale_or_version_is_refused(tmp_path, capsys):
    folder = tmp_path / "smoke" / "twin_data"
    folder.mkdir(parents=True)
    for scale, version in ((0.5, base.STANDINS["va"].version), (0.001, 0)):
        (folder / "DRAWN.json").write_text(json.dumps({"scale": scale, "generator": version}))
        assert two_stage.main(["--size", "smoke", "--work", str(tmp_path)]) == 2
        assert f"scale {scale}, version {version}" in capsys.readouterr().err
