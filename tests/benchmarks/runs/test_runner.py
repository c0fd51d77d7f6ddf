"""The runner: what is planned, skipped, gone on with, blocked, and recorded."""

import dataclasses
import hashlib
import json
import sys
import types

import numpy as np
import pytest

from benchmarks.ledger import rows as ledger
from benchmarks.ledger.verdict import find_records
from benchmarks.runs import command as run
from benchmarks.runs import planning, programs, runner
from common.data import split_files
from common.data.splits import Split
from common.engine.run_folder import CONFIG, LAST, SUMMARY

ROWS = ledger.load()
SPLIT = Split(np.array([2, 5]), np.array([1, 3]), np.array([], int), file="abc")
ROW = ledger.find("s2ver/main/fi-80-s2-ver", ROWS)


def plan(tmp_path, rows=(ROW,), profile="paper", seeds=(1,)):
    return planning.plan(rows, profile, seeds, tmp_path / "data", tmp_path / "out")


def test_rows_with_one_command_share_a_job(tmp_path):
    log = [row for row in ROWS if row.id.startswith("follow_ups/szu114/log-")]
    jobs = plan(tmp_path, log, seeds=(1, 2))
    assert len(log) > 10 and len(jobs) == 2
    assert all(set(job.rows) == {row.id for row in log} for job in jobs)


def test_keys_follow_what_is_computed(tmp_path):
    key = plan(tmp_path)[0].key
    assert plan(tmp_path)[0].key == key
    other = dataclasses.replace(ROW, command=ROW.command + " --lr 0.1")
    same = dataclasses.replace(ROW, command=ROW.command + " --lr 0.03")  # the default
    assert plan(tmp_path, [other])[0].key != key
    assert plan(tmp_path, [same])[0].key == key
    assert plan(tmp_path, seeds=(2,))[0].key != key
    assert plan(tmp_path, profile="smoke")[0].key != key


def test_command_is_kept_and_completed(tmp_path):
    (job,) = plan(tmp_path, seeds=(3,))
    words = list(job.stages[0].words)
    given = programs.split(ROW.command)[1]
    assert words[: 1 + len(given)] == ["s2ver/main.py", *given]
    assert words[words.index("--seed") + 1] == "3"
    args = programs.parse("python " + " ".join(words))
    assert (args.epoch, args.num_train_iter, args.num_labels) == (512, 1024, 80)


@pytest.mark.parametrize("paper", ["s2ver", "adacm", "ssfer", "webemotion", "dimva"])
def test_every_paper_can_be_planned(tmp_path, paper):
    jobs = plan(tmp_path, [row for row in ROWS if row.paper == paper], "smoke")
    able = [job for job in jobs if job.stages and all(need.twin for need in job.needs)]
    assert able, f"no command of {paper} has a smoke run"


def test_two_stages_are_one_job(tmp_path):
    (job,) = plan(tmp_path, [ledger.find("dimva/fi-single/valence", ROWS)])
    assert [stage.words[6] for stage in job.stages] == ["one_stage", "two_stage"]
    assert [need.path.name[:9] for need in job.needs if need.path.suffix == ".pth"] == ["resnet101"]


@pytest.mark.parametrize("paper", ["s2ver", "adacm", "ssfer", "dimva"])
def test_a_stage_goes_on_from_the_checkpoint_of_its_own_run(tmp_path, paper):
    rows = [row for row in ROWS if row.paper == paper]
    for stage in [stage for job in plan(tmp_path, rows, "smoke") for stage in job.stages]:
        assert tmp_path / "out" in stage.folder.parents
        assert str(stage.folder / LAST) in stage.resume and "--resume" in stage.resume
        assert "--resume" not in stage.words


def test_missing_data_blocks_with_the_doctors_sentence(tmp_path, in_process):
    words = ["--paper", "adacm", "--only", "adacm/main/rafdb-4000", "--profile", "paper"]
    words += ["--data-root", tmp_path / "none", "--out", tmp_path / "out", "--seeds", "1"]
    done = in_process(run.main, words, tmp_path)
    assert done.code == 0 and "1 blocked by data" in done.out
    (record,) = find_records(tmp_path / "out" / "paper")
    assert record["status"] == "blocked by data"
    assert str(tmp_path / "none" / "rafdb") in record["reason"]


class Trainings:
    """Stands for child processes: leaves what a training leaves, and notes its words."""

    def __init__(self, job, codes):
        self.job, self.codes, self.words = job, list(codes), []

    def __call__(self, words, log):
        self.words.append(words)
        code = self.codes.pop(0)
        folder = self.job.stages[0].folder
        folder.mkdir(parents=True, exist_ok=True)
        config = {"data": {"drawn": False, "split": split_files.record(SPLIT)}}
        (folder / CONFIG).write_text(json.dumps(config))
        (folder / LAST).write_bytes(b"")
        log.write_text("error: it broke.\n")
        protocols = {"last": {"value": 0.5}}
        summary = {"finished": code == 0, "protocols": protocols, "wall_s": 2.0}
        (folder / SUMMARY).write_text(json.dumps({**summary, "peak_memory_bytes": 7}))
        return code


def train(tmp_path, codes):
    job = dataclasses.replace(plan(tmp_path)[0], needs=())
    trainings = Trainings(job, codes)
    records = []
    for _ in codes:
        executor = runner.Executor(tmp_path / "out", trainings)
        records += [record for _, record in executor.map([job], 1)]
    return trainings, records


def test_what_is_done_is_skipped(tmp_path):
    trainings, records = train(tmp_path, [0, 0])
    assert len(trainings.words) == 1
    assert [record["status"] for record in records] == ["done", "done"]
    assert records[0]["protocols"]["last"]["value"] == 0.5
    assert (records[0]["wall_s"], records[0]["peak_memory_bytes"]) == (2.0, 7)
    labelled = hashlib.sha256(SPLIT.labelled.tobytes()).hexdigest()
    assert records[0]["data"]["split_hash"] == labelled


def test_what_was_cut_off_goes_on(tmp_path):
    trainings, records = train(tmp_path, [143, 0])
    assert [record["status"] for record in records] == ["cut off", "done"]
    assert "--resume" not in trainings.words[0] and "--resume" in trainings.words[1]


def test_failure_is_recorded_with_its_sentence_and_tried_again(tmp_path):
    trainings, records = train(tmp_path, [2, 0])
    assert records[0]["status"] == "failed" and records[0]["reason"] == "error: it broke."
    assert records[1]["status"] == "done" and len(trainings.words) == 2


def test_smoke_run_of_the_real_command(tmp_path, in_process):
    words = ["--only", "s2ver/main/fi-80-s2-ver", "--seeds", "1", "--out", tmp_path]
    done = in_process(run.main, words, tmp_path)
    assert done.code == 0 and "1 done" in done.out, done.out + done.err
    (record,) = find_records(tmp_path / "smoke")
    assert set(record["protocols"]) == {"best_on_test", "last", "median_last_20", "val_selected"}
    assert record["data"]["drawn"] and len(record["data"]["split_hash"]) == 64
    assert record["environment"]["versions"]["torch"] and record["peak_memory_bytes"] > 0
    again = in_process(run.main, [*words, "--plan"], tmp_path)
    assert again.code == 0 and record["key"] in again.out


def test_ray_is_asked_for_where_it_is_missing(tmp_path, in_process, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ["--only", "s2ver/main/fi-80-s2-ver", "--executor", "ray", "--out", tmp_path]
    refused = in_process(run.main, words, tmp_path)
    assert refused.code == 2 and "emotionlab[scale]" in refused.err


def test_jobs_run_on_ray(tmp_path, monkeypatch):
    """With a stand-in for Ray that runs a task when its result is fetched."""
    fake = types.SimpleNamespace(
        init=lambda **_: None,
        remote=lambda **_: lambda f: types.SimpleNamespace(remote=lambda *a: (f, a)),
        wait=lambda tasks, num_returns: (tasks[:1], tasks[1:]),
        get=lambda task: task[0](*task[1]),
    )
    monkeypatch.setitem(sys.modules, "ray", fake)
    jobs = plan(tmp_path, seeds=(1, 2))
    records = [record for _, record in runner.on_ray(jobs, tmp_path / "out", 1)]
    assert [record["status"] for record in records] == ["blocked by data"] * 2


@pytest.mark.parametrize("seeds", ["1,x", "1,1", "-1"])
def test_odd_seeds_are_refused(tmp_path, in_process, seeds):
    refused = in_process(run.main, [f"--seeds={seeds}"], tmp_path)
    assert refused.code == 2 and "--seeds" in refused.err
