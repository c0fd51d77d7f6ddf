"""The comparison of SSFER's stages at its smallest size."""

import itertools
import json

import pytest

from benchmarks import masked_faces


@pytest.mark.slow
def test_smallest_comparison(tmp_path, capsys):
    out = tmp_path / "result.json"
    argv = ["--size", "smoke", "--seeds", "1", "--device", "cpu", "--work", str(tmp_path / "work")]
    assert masked_faces.main([*argv, "--out", str(out)]) == 0
    result = json.loads(out.read_text())
    runs = result["runs"]
    pair = runs["stage 3"]["1"]["last"] - runs["MAE, stage 2"]["1"]["last"]
    assert result["claims"]["teacher"]["differences"] == [pytest.approx(pair)]
    assert result["verdict"] == "undecided"
    assert result["pretraining"]["epochs"] == 1 and result["environment"]["versions"]["timm"]
    printed = capsys.readouterr().out
    assert "DRAWN" in printed and "undecided: one seed" in printed


def test_arms_share_everything_but_the_start(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(masked_faces.fine_tune, "main", lambda argv: started.append(argv) or 1)
    size, args = masked_faces.SIZES["quick"], _args(tmp_path)
    for checkpoint in ("none", "file.pth"):
        with pytest.raises(masked_faces.UserError, match="exit code 1"):
            masked_faces.tune(size, args, tmp_path, 5, checkpoint, tmp_path / checkpoint)
    flags = [dict(itertools.pairwise(argv)) for argv in started]
    differing = {k for k in flags[0] if flags[0][k] != flags[1].get(k) and k.startswith("--")}
    assert differing == {"--checkpoint", "--semi_epochs", "--out"}


def _args(tmp_path):
    class Args:
        detector, num_workers, device = "none", 0, "cpu"

    return Args()


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([0.1, 0.11, 0.12], "holds"),
        ([-0.1, -0.11, -0.12], "fails"),
        ([0.3, -0.3, 0.1], "undecided"),
    ],
)
def test_verdict_follows_the_interval(pairs, expected):
    seeds = [1, 2, 3]
    better = {str(s): {"last": 0.5 + d} for s, d in zip(seeds, pairs, strict=True)}
    worse = {str(s): {"last": 0.5} for s in seeds}
    assert masked_faces._judge(better, worse, seeds)["verdict"] == expected


def test_stand_in_of_another_scale_is_refused(tmp_path):
    folder = tmp_path / "smoke" / "none" / "data" / masked_faces.FACES
    folder.mkdir(parents=True)
    (folder / "DRAWN.json").write_text(json.dumps({"scale": 0.5, "generator": 1}))
    assert masked_faces.main(["--size", "smoke", "--work", str(tmp_path)]) == 2
