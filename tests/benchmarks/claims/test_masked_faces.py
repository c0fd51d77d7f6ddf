"""The comparison of SSFER's stages at its smallest size."""

import itertools
import json

import pytest

from benchmarks.claims import base, masked_faces
from benchmarks.claims.masked_faces import MASKED, TEACHER, MaskedFaces
from common.cli import UserError


@pytest.mark.slow
def test_smallest_comparison(tmp_path, capsys):
    out = tmp_path / "result.json"
    argv = ["--size", "smoke", "--seeds", "1", "--device", "cpu", "--work", str(tmp_path / "work")]
    assert masked_faces.main([*argv, "--out", str(out)]) == 0
    result = json.loads(out.read_text())
    arms = result["arms"]
    pair = arms[TEACHER]["1"]["last"] - arms[MASKED]["1"]["last"]
    assert result["comparisons"][1]["differences"] == [pytest.approx(pair)]
    assert result["verdict"] == "undecided" and result["paper"] == "ssfer"
    assert (
        result["details"]["pretraining"]["epochs"] == 1
        and result["environment"]["versions"]["timm"]
    )
    printed = capsys.readouterr().out
    assert "DRAWN" in printed and "undecided: one seed" in printed


def test_arms_share_everything_but_the_start(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(masked_faces.fine_tuning, "main", lambda argv: started.append(argv) or 1)
    words = ["--device", "cpu", "--work", str(tmp_path)]
    comparison = MaskedFaces(base.build_parser(MaskedFaces, "").parse_args(words))
    for checkpoint in ("none", "file.pth"):
        with pytest.raises(UserError, match="exit code 1"):
            comparison.tune(5, checkpoint, tmp_path / checkpoint)
    flags = [dict(itertools.pairwise(argv)) for argv in started]
    differing = {k for k in flags[0] if flags[0][k] != flags[1].get(k) and k.startswith("--")}
    assert differing == {"--checkpoint", "--semi_epochs", "--out"}


def test_stand_in_of_another_scale_is_refused(tmp_path):
    folder = tmp_path / "smoke" / "none" / "data" / masked_faces.FACES
    folder.mkdir(parents=True)
    (folder / "DRAWN.json").write_text(json.dumps({"scale": 0.5, "generator": 1}))
    assert masked_faces.main(["--size", "smoke", "--work", str(tmp_path)]) == 2
