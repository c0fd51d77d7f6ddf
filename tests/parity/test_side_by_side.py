"""``python -m benchmarks side_by_side``: a script in the authors' form beside ours."""

import shutil
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.parity.side_by_side import sides
from benchmarks.parity.side_by_side.command import first_difference

CLONE = Path(__file__).with_name("clone")
SCRIPT = "CNNs/mains/main_sclss_cross_entropy_finetune.py"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(sides, "SIZE", 64)


@pytest.mark.slow
def test_a_script_that_does_the_same_is_equal_over_an_epochs_end(in_process, tmp_path):
    argv = ["side_by_side", "webemotion", "--authors", CLONE, "--steps", 6]
    seen = in_process(main, [*argv, "--work", tmp_path / "work"], tmp_path)
    assert seen.out.startswith("equal over 6 steps"), seen.out + seen.err
    assert seen.code == 0
    trace = (tmp_path / "work/theirs_trace.json").read_text()
    assert trace.count('"backward"') == 6 and trace.count('"batch"') > 6  # a validation among them


@pytest.mark.slow
def test_another_rate_is_told_with_its_step(in_process, tmp_path):
    clone = Path(shutil.copytree(CLONE, tmp_path / "clone"))
    script = clone / SCRIPT
    script.write_text(script.read_text().replace("default=1.0", "default=2.0"))
    argv = ["side_by_side", "webemotion", "--authors", clone, "--steps", 2]
    seen = in_process(main, argv, tmp_path)
    assert seen.code == 1, seen.err
    assert seen.out.startswith("first difference at step 1, learning rates: theirs [0.001], ours")


def test_a_script_that_fails_is_told_in_a_sentence(in_process, tmp_path):
    script = tmp_path / "clone" / SCRIPT
    script.parent.mkdir(parents=True)
    script.write_text("raise SystemExit('the detector is missing')\n")
    argv = ["side_by_side", "webemotion", "--authors", tmp_path / "clone"]
    seen = in_process(main, argv, tmp_path)
    assert seen.code == 2
    assert "before its first step: the detector is missing" in seen.err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--authors", "nowhere"], "nowhere is no folder"),
        (["--authors", CLONE, "--script", "train.py"], SCRIPT),
        (["--authors", CLONE, "--work", CLONE], "is not empty"),
    ],
)
def test_what_cannot_be_compared_is_refused(in_process, tmp_path, more, told):
    seen = in_process(main, ["side_by_side", "webemotion", *more], tmp_path)
    assert seen.code == 2
    assert told in seen.err


START = {"kind": "start", "step": 1, "network": ["fc.bias", "fc.weight"]}
BATCH = {"kind": "batch", "step": 1, "images": [[[2, 3, 8, 8], 1.0, 2.0]]}
LOSS = {"kind": "backward", "step": 1, "loss": 2.0, "random": [0.1, 0.2, 0.3]}
TRACE = [START, BATCH, LOSS]


@pytest.mark.parametrize(
    ("ours", "told"),
    [
        (TRACE, ""),
        ([START, BATCH, {**LOSS, "loss": 2.0001}], ""),
        ([START, BATCH, {**LOSS, "loss": 2.1}], "step 1, loss: theirs 2.0, ours 2.1"),
        ([START, BATCH, {**LOSS, "random": [0.1, 0.2, 0.31]}], "step 1, next numbers of random"),
        ([START, {**BATCH, "images": []}, LOSS], "step 1, images of a batch"),
        ([START, LOSS], "step 1: theirs comes to a batch, ours to a backward"),
        ([START, BATCH], "step 1: only theirs goes on, with a backward"),
        ([{**START, "network": ["fc.weight"]}], "the start: the networks differ in 1 keys"),
    ],
)
def test_the_first_difference_is_named(ours, told):
    found = first_difference(TRACE, ours, 1e-4)
    assert found.startswith(told) and bool(found) == bool(told)
