"""``--split``, the labelled images of both stages from a file, and ``--cache``."""

import json

import numpy as np

from common.datasets.__main__ import main as data_command
from common.engine import checkpoint


def draw(in_process, folders, out, seed=2024):
    argv = ["split", "folders", folders, "--protocol", "ssfer.finetune.data:draw_split", "--labels", "0.5"]
    seen = in_process(data_command, [*argv, "--seed", seed, "--out", out], out)
    assert seen.code == 0, seen.err
    return out / f"folders.ssfer.0.5.s{seed}.json"


def test_split_file_gives_the_run_that_draws_the_same(
    official, tune, in_process, folders, tmp_path
):
    file = draw(in_process, folders, tmp_path)
    words = ["--protocol", "official", "--out", "run", "--split", file]
    outcome = tune(tmp_path, *words)
    assert outcome.code == 0, outcome.err
    digest = json.loads(file.read_text())["hash"]
    for stage in ("stage2", "stage3"):
        name = f"{stage}/metrics.jsonl"
        assert (tmp_path / "run" / name).read_text() == (official / name).read_text()
        state = checkpoint.load(tmp_path / "run" / stage / "last.ckpt")
        assert state["identity"]["split"] == digest
        config = json.loads((tmp_path / "run" / stage / "config.json").read_text())
        assert config["data"]["split"]["file_hash"] == digest
    go_on = [*words[:2], "--num_epochs", "3", "--resume", tmp_path / "run"]
    other = draw(in_process, folders, tmp_path, 7)
    for more in (["--split", other], []):
        seen = tune(tmp_path, *go_on, *more)
        assert seen.code == 2 and "another training" in seen.err and "split was" in seen.err


def test_share_must_be_that_of_the_file(tune, in_process, folders, tmp_path):
    file = draw(in_process, folders, tmp_path)
    seen = tune(tmp_path, "--split", file, "--anno_percent", "0.25")
    assert seen.code == 2 and "labels 0.5" in seen.err
    assert "0.25 of the images are to be labelled" in seen.err
    content = json.loads(file.read_text())
    assert not set(content["labelled"]) & set(content["unlabelled"])
    assert np.unique(content["labelled"]).size == 28


def test_cache_changes_nothing(official, tune, tmp_path):
    words = ["--protocol", "official", "--out", "run", "--cache", tmp_path / "pixels"]
    outcome = tune(tmp_path, *words)
    assert outcome.code == 0, outcome.err
    assert len(list((tmp_path / "pixels").glob("*.pixels"))) == 2  # of training, of test images
    for stage in ("stage2", "stage3"):
        name = f"{stage}/metrics.jsonl"
        assert (tmp_path / "run" / name).read_text() == (official / name).read_text()


def test_cache_that_cannot_be_made(tune, tmp_path):
    (tmp_path / "pixels").write_text("a file")
    seen = tune(tmp_path, "--protocol", "official", "--out", "run", "--cache", tmp_path / "pixels")
    assert seen.code == 2 and "cannot be made" in seen.err
    assert not (tmp_path / "run").exists()
