"""What every training command promises, whatever its paper: records, going on, refusals."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path

import pytest
import torch

from common.engine.run_folder import RunFolder


def state(place: Path, bench) -> dict:
    path = place / bench.program.run / "last.ckpt"
    return torch.load(path, map_location="cpu", weights_only=True)


def metrics(place: Path, bench) -> str:
    return (place / bench.program.run / "metrics.jsonl").read_text()


def config(place: Path, bench) -> dict:
    return json.loads((place / bench.program.run / "config.json").read_text())


def refused(seen, place: Path, *texts: str) -> None:
    """A sentence, exit code 2, and nothing was written."""
    assert seen.code == 2, seen.out
    last = seen.err.splitlines()[-1]
    assert last.startswith("error: ") and "Traceback" not in seen.err
    assert all(text in last for text in texts), last
    assert not list(place.iterdir())


def test_a_run_says_what_it_was(bench, straight):
    run, name = straight / bench.program.run, bench.program.experiment.name
    written = config(straight, bench)
    assert written["method"] == name and written["data"]["drawn"] is True
    flags = vars(bench.program.experiment.parser().parse_args(bench._words()))
    assert flags.keys() <= written["arguments"].keys()
    environment = json.loads((run / "environment.json").read_text())
    assert {"commit", "device", "versions", "seed", "command"} <= environment.keys()
    summary = json.loads((run / "summary.json").read_text())
    assert summary["finished"] and summary["headline"]["protocol"] and summary["drawn"]
    assert [json.loads(row)["epoch"] for row in metrics(straight, bench).splitlines()] == [1, 2]
    identity = state(straight, bench)["identity"]
    assert identity["method"] == name
    assert {"images", "labelled_images", "split", "cache"} <= identity.keys()
    assert not {"num_workers", "device", "resume", "precision"} & identity.keys()


def test_a_stopped_run_goes_on_to_the_same_bits(bench, straight, tmp_path, assert_same):
    stopped = bench.start(tmp_path, "--stop_after_epoch", "1")
    assert stopped.code == 0, stopped.err
    assert len(metrics(tmp_path, bench).splitlines()) == 1
    gone_on = bench.again(tmp_path, stopped.out)
    assert gone_on.code == 0, gone_on.err
    assert_same(state(straight, bench), state(tmp_path, bench))
    assert metrics(straight, bench) == metrics(tmp_path, bench)


def test_another_deciding_flag_is_another_training(bench, straight):
    before = (straight / bench.program.run / "last.ckpt").read_bytes()
    seen = bench.resume(straight, *shlex.split(bench.program.deciding))
    assert seen.code == 2 and "lr was" in seen.err and "is now 0.0123" in seen.err
    assert (straight / bench.program.run / "last.ckpt").read_bytes() == before


def test_other_images_are_another_training(bench, straight, tmp_path):
    if not bench.program.images:
        pytest.skip("its images stand in a list, which has tests of its own")
    data = Path(shutil.copytree(bench.data, tmp_path / bench.program.standin))
    first = min(p for p in data.glob(bench.program.images) if p.suffix in (".jpg", ".png"))
    stem = first.stem.removesuffix("_aligned")
    for listed in data.rglob("*.txt"):
        listed.write_text(listed.read_text().replace(stem, f"{stem}9"))
    first.rename(first.with_name(first.name.replace(stem, f"{stem}9")))
    seen = bench.resume(straight, data=data)
    assert seen.code == 2 and "images was" in seen.err, seen.err


def test_an_exact_cache_changes_nothing(bench, straight, tmp_path):
    names = {action.dest for action in bench.program.experiment.parser()._actions}
    assert "cache" in names
    seen = bench.start(tmp_path, "--cache", tmp_path / "pixels", "--cache_exact")
    assert seen.code == 0, seen.err
    assert metrics(tmp_path, bench) == metrics(straight, bench)
    assert list((tmp_path / "pixels").glob("*.pixels"))


def test_a_split_file_gives_the_run_that_draws_the_same(bench, straight, tmp_path):
    if not bench.program.split:
        pytest.skip("the command's split has tests of its own")
    file = bench.split(tmp_path)
    seen = bench.start(tmp_path, "--split", file)
    assert seen.code == 0, seen.err
    assert metrics(tmp_path, bench) == metrics(straight, bench)
    digest = json.loads(file.read_text())["hash"]
    recorded, own = (config(place, bench)["data"]["split"] for place in (tmp_path, straight))
    assert recorded["file_hash"] == digest and own["file_hash"] is None
    assert recorded["labelled_hash"] == own["labelled_hash"]
    assert state(tmp_path, bench)["identity"]["split"] == digest
    for other in (["--split", bench.split(tmp_path, "4")], []):
        seen = bench.resume(tmp_path, *other)
        assert seen.code == 2 and "split was" in seen.err
    empty = tmp_path / "empty"
    empty.mkdir()
    more = shlex.split(bench.program.labels)
    refused(bench.start(empty, "--split", file, *more), empty, "are to be labelled")


def test_a_second_run_does_not_replace_the_first_unasked(bench, straight):
    if bench.program.overwrites:
        pytest.skip("an earlier run is replaced unasked, as published")
    before = metrics(straight, bench)
    seen = bench.start(straight)
    assert seen.code == 2 and "--overwrite" in seen.err and metrics(straight, bench) == before


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ("--stop_after_epoch -1", "stop_after_epoch"),
        ("--device cuda:77", "cuda:77"),
        ("--precision fp8", "precision"),
    ],
)
def test_flags_that_cannot_be_are_refused(bench, tmp_path, flags, text):
    seen = bench.start(tmp_path, *shlex.split(flags))
    assert seen.code == 2 and text in seen.err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_missing_data_and_checkpoints_are_told_in_a_sentence(bench, tmp_path):
    refused(bench.start(tmp_path, *shlex.split(bench.program.other_data)), tmp_path, "nowhere")
    seen = bench.resume(tmp_path)
    refused(seen, tmp_path, bench.program.run.partition("/")[0])


def test_several_processes_are_refused_where_the_work_is_not_shared(bench, tmp_path, monkeypatch):
    if bench.program.experiment.shares:
        pytest.skip("the work is shared")
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    refused(bench.start(tmp_path), tmp_path, "2 processes", "as one process")


def test_a_cache_that_cannot_be_made_is_told(bench, tmp_path):
    (tmp_path / "pixels").write_text("a file")
    seen = bench.start(tmp_path, "--cache", tmp_path / "pixels")
    assert seen.code == 2 and "cannot be made" in seen.err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["pixels"]


def test_a_second_writer_is_refused_and_harms_nothing(bench, straight, tmp_path):
    shutil.copytree(straight, tmp_path, dirs_exist_ok=True)
    run = tmp_path / bench.program.run
    first = RunFolder(run, may_write=True)
    first.open(resume=True)
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    for more in (["--resume"], bench.overwriting):
        seen = bench.resume(tmp_path) if more == ["--resume"] else bench.start(tmp_path, *more)
        assert seen.code == 2, seen.out
        assert f"another process ({os.getpid()} on " in seen.err.splitlines()[-1]
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    first.close()
    assert bench.resume(tmp_path).code == 0


def test_a_misspelt_flag_is_guessed(bench, tmp_path):
    seen = bench.start(tmp_path, "--devcie", "cpu")
    assert seen.code == 2 and "did you mean --device?" in seen.err
