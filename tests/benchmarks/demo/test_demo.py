"""The demonstration: every part through its real command line, twice over the same folder."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.__main__ import main
from benchmarks.demo import command as demo
from benchmarks.demo import trainings as demo_trainings
from benchmarks.demo.trainings import QUICK, TRAININGS, Training
from benchmarks.ground.results_file import DRAWN
from benchmarks.report.tables import evidence

PAPERS = set(evidence.PAPERS)


@pytest.mark.slow
def test_quick_demo_from_nothing_and_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--quick", "--out", "demo"]) == 0
    printed = capsys.readouterr().out
    table = printed[printed.index("=== 4/4") :]
    for words in ("supervised", "s2ver", "best_on_test", "median_last_20", DRAWN, "report.html"):
        assert words in table
    out = tmp_path / "demo"
    html = (out / "report.html").read_text()
    assert DRAWN in html and "Parity with the authors" in html
    parity = json.loads((out / "parity.json").read_text())
    assert parity["passed"] > 0 and parity["failed"] == 0
    content = json.loads((out / "report.json").read_text())
    assert {row["package"] for row in content["papers"] if row["runs"]} == PAPERS
    assert all(run["status"] == "finished" and run["drawn"] for run in content["runs"])

    monkeypatch.setattr(demo, "check_parity", lambda size, file: 1)
    monkeypatch.setattr(demo, "TRAININGS", TRAININGS[:1])
    image = next((out / "data" / "fi" / "train").glob("*/*"))
    before = image.stat().st_mtime_ns
    assert main(["demo", "--quick", "--out", "demo"]) == 1
    assert "A parity case failed" in capsys.readouterr().out
    assert image.stat().st_mtime_ns == before, "an identical stand-in is used again"


def test_failed_training_stops_the_demo_with_its_code(tmp_path, monkeypatch, capsys):
    module = SimpleNamespace(main=lambda words: 2)
    monkeypatch.setattr(demo_trainings.importlib, "import_module", lambda name: module)
    monkeypatch.setattr(demo, "TRAININGS", (Training("s2ver", (), "s2ver.main", ""),))
    assert main_of_demo(tmp_path / "demo") == 2
    assert "4/4" not in capsys.readouterr().out


def main_of_demo(out: Path) -> int:
    return demo.main(["--quick", "--out", str(out)])


def test_every_training_reads_a_stand_in_that_is_drawn():
    assert {twin for training in TRAININGS for twin in training.twins} == set(demo_trainings.TWINS)
    assert {name.partition("_")[0].split()[0] for name in (t.name for t in TRAININGS)} >= PAPERS


def test_other_data_is_drawn_anew_and_forgets_which_images_had_labels(tmp_path, monkeypatch):
    calls = []
    command = SimpleNamespace(main=lambda argv: calls.append(argv) or 0)
    monkeypatch.setattr(demo, "data_command", command)
    noted = tmp_path / "runs" / "s2ver" / "sampled_label_idx_fi_40.npy"
    noted.parent.mkdir(parents=True)
    noted.touch()
    assert demo.draw_data("fi", QUICK, tmp_path) == 0
    assert not noted.exists()
    assert calls[0][:4] == ["twin", "fi", "--out", str(tmp_path / "data" / "fi")]
    assert "--overwrite" in calls[0]


def test_missing_parity_cases_are_no_failure(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo.parity_command, "SHIPPED", tmp_path / "none")
    assert demo.check_parity(QUICK, tmp_path / "parity.json") == 0
    assert "left out" in capsys.readouterr().out


def test_a_file_in_the_way_is_one_sentence(tmp_path, capsys):
    (tmp_path / "demo").touch()
    assert main(["demo", "--quick", "--out", str(tmp_path / "demo")]) == 2
    assert "cannot be made" in capsys.readouterr().err
