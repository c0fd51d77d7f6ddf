"""Faults of the machine, damaged files and numbers that are none: nothing is lost."""

import json
import os
import random
import shutil
import signal

import pytest
import torch

from common import cli
from common.cli import UserError, entry_point
from common.engine import checkpoint
from common.engine.guards import Finite
from s2ver.main import EXPERIMENT

FLIPS = 400


@pytest.fixture(scope="module")
def images(in_process, tmp_path_factory):
    """Drawn images and the flags of a run of two short epochs on them."""
    from common.datasets.__main__ import main as datasets

    data = tmp_path_factory.mktemp("guards") / "fi"
    words = ["twin", "fi", "--out", data, "--scale", "0.00001", "--size", "32"]
    assert in_process(datasets, words, data.parent).code == 0
    argv = (
        f"-ds fi -nc 8 --train_data_dir {data}/train --test_data_dir {data}/test --image_size 32 "
        "--backbone resnet18 --num_train_iter 3 --epoch 2 --num_labels 16 -bsz 4 --uratio 2 "
        "--num_workers 0 --device cpu --seed 3"
    )
    yield argv.split()
    shutil.rmtree(data.parent, ignore_errors=True)


@pytest.fixture
def run(images, in_process, tmp_path, monkeypatch):
    """``run(*more)``: S2-VER in a folder of the test."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)  # no test cuts the power
    return lambda *more: in_process(EXPERIMENT.main, [*images, *more], tmp_path)


def test_every_flipped_bit_is_noticed(tmp_path):
    path, draw = tmp_path / "last.ckpt", random.Random(0)
    checkpoint.save_last({"identity": {}, "weights": torch.randn(40, 40)}, path)
    whole = path.read_bytes()
    assert checkpoint.load(path)["weights"].shape == (40, 40)
    for _ in range(FLIPS):
        flipped = bytearray(whole)
        flipped[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        with pytest.raises(UserError):
            checkpoint.load(path)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(run, tmp_path, assert_same):
    assert run("--stop_after_epoch", "1").code == 0
    folder = tmp_path / "saved_models/main"
    assert run("--resume", "--load_path", folder, "--overwrite").code == 0
    straight = torch.load(folder / "last.ckpt")
    damaged = bytearray((folder / "last.ckpt").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (folder / "last.ckpt").write_bytes(damaged)
    seen = run("--resume", "--load_path", folder, "--overwrite")
    assert seen.code == 0, seen.err
    assert "is damaged" in seen.err and "Going on from the one before it" in seen.err
    assert_same(torch.load(folder / "last.ckpt")["method"], straight["method"])
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2


def test_saving_inside_an_epoch_changes_nothing_and_can_be_gone_on_with(
    run, tmp_path, monkeypatch, assert_same
):
    assert run().code == 0
    straight = torch.load(tmp_path / "saved_models/main/last.ckpt")
    steps, save = [], checkpoint.save_last

    def noted(state, path, record=None):
        save(state, path, record)
        steps.append((state["epoch"], state["step"]))
        if (state["epoch"], state["step"]) == (1, 2):
            raise KeyboardInterrupt  # as good as a kill: nothing is saved any more

    monkeypatch.setattr(checkpoint, "save_last", noted)
    seen = run("--save_every_minutes", "0.000001", "-sn", "often")
    assert seen.code == 130 and "Go on with" in seen.err
    assert (0, 1) in steps and (0, 2) in steps and steps[-1] == (1, 2)
    monkeypatch.undo()
    often = tmp_path / "saved_models/often"
    seen = run("--resume", "--load_path", often, "-sn", "often", "--overwrite")
    assert seen.code == 0, seen.err
    assert_same(torch.load(often / "last.ckpt")["method"], straight["method"])


def test_weights_that_are_no_numbers_are_not_saved(run, tmp_path):
    seen = run("--lr", "1e30")
    assert seen.code == 2 and "no longer finite" in seen.err and "Traceback" not in seen.err
    last = torch.load(tmp_path / "saved_models/main/last.ckpt")
    assert last["epoch"] == 0
    assert all(v.isfinite().all() for v in last["method"].values() if v.is_floating_point())


def test_a_step_that_is_not_finite_can_be_left_out():
    weight = torch.nn.Parameter(torch.ones(2))
    finite = Finite(skip=True)
    for factor, left_out in ((1.0, False), (float("nan"), True), (2.0, False)):
        weight.grad = torch.full((2,), factor)
        finite.note(weight.sum() * factor, [weight], scaled=False)
        assert finite.leave_out() == left_out
    assert finite.skipped == 1
    weight.grad = torch.full((2,), float("inf"))
    quiet = Finite()
    quiet.note(torch.tensor(1.0), [weight], scaled=False)
    quiet.note(torch.tensor(1.0), [weight], scaled=True)
    assert not quiet.take() and quiet.take()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError(30, "Read-only file system"), "Read-only file system"),
        (MemoryError(), "Memory ran out"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "Memory ran out"),
        (RuntimeError("DataLoader worker (pid 7) is killed"), "A loader process died"),
    ],
)
def test_a_fault_in_mid_run_says_how_to_go_on(run, tmp_path, monkeypatch, error, told):
    save = checkpoint.save_last

    def failing(state, path, record=None):
        if state["epoch"] == 1:
            raise error
        save(state, path, record)

    monkeypatch.setattr(checkpoint, "save_last", failing)
    seen = run()
    assert seen.code == 2 and told in seen.err and "Go on with:" in seen.err
    monkeypatch.undo()
    assert run("--resume", "--load_path", "saved_models/main", "--overwrite").code == 0


def test_a_full_disk_is_noticed_before_anything_is_written(tmp_path, monkeypatch):
    path = tmp_path / "last.ckpt"
    checkpoint.save_last({"identity": {}, "a": torch.zeros(100)}, path)
    before = path.read_bytes()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))
    with pytest.raises(UserError, match=r"bytes and .* has 0 left, so nothing is written"):
        checkpoint.save_last({"identity": {}, "a": torch.ones(100)}, path)
    assert path.read_bytes() == before


def test_what_a_killed_save_left_is_swept(run, tmp_path):
    folder = tmp_path / "saved_models/main"
    assert run("--stop_after_epoch", "1").code == 0
    left = folder / ".last.ckpt.abcd1234"
    left.write_bytes(b"x" * 1000)
    assert run("--resume", "--load_path", folder, "--overwrite").code == 0
    assert not left.exists()


def test_a_signal_before_the_first_step_ends_in_a_sentence(capsys):
    def early(argv):
        os.kill(os.getpid(), signal.SIGTERM)

    assert entry_point(early, []) == 143
    assert "Stopped before there was anything to save." in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_fault_of_the_code_stays_a_traceback():
    def broken(argv):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError):
        entry_point(broken, [])
    assert cli.is_fault(RecursionError()) and not cli.is_fault(ValueError())


def test_metrics_have_a_row_an_epoch(run, tmp_path):
    assert run().code == 0
    rows = (tmp_path / "saved_models/main/metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["epoch"] for row in rows] == [1, 2]
