"""Nothing is lost: damaged checkpoints, full disks, broken numbers, saves inside an epoch."""

from __future__ import annotations

import errno
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from common import cli
from common.cli import UserError
from common.engine import checkpoint
from common.engine.method import Callback, Method, Recipe, StepOutput
from common.engine.run_folder import LAST, PREVIOUS, RunFolder
from common.engine.trainer import Trainer


class Line(Method):
    """A weight pulled towards 0; the loss or its gradient is NaN at chosen steps."""

    stream_names = ()

    def __init__(self, bad_loss: tuple[int, ...] = (), bad_gradient: tuple[int, ...] = ()):
        super().__init__()
        self.w = nn.Parameter(torch.ones(2))
        self.register_buffer("seen", torch.zeros(()))
        self.bad_loss, self.bad_gradient = bad_loss, bad_gradient

    def training_step(self, batches, progress) -> StepOutput:
        loss = (self.w**2).sum() + torch.rand(())
        if progress.global_step in self.bad_loss:
            loss = loss * float("nan")
        if progress.global_step in self.bad_gradient:
            loss = loss + 0 * torch.sqrt(self.w[0] * 0)  # finite, its derivative is not
        self.seen += loss.detach()
        return StepOutput(loss)


class Kill(Callback):
    """Ends the process's training at a step, without any saving."""

    def __init__(self, step: int):
        self.step = step

    def on_step_end(self, trainer, output) -> None:
        if trainer.progress.global_step == self.step:
            raise ConnectionAbortedError


def trainer(folder=None, method=None, lr=0.1, may_change=(), callbacks=(), **recipe) -> Trainer:
    method = method or Line()
    optimizer = torch.optim.SGD(method.parameters(), lr=lr, momentum=0.9)
    return Trainer(
        method,
        optimizer,
        torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5),
        {},
        Recipe(2, 4, metric="loss", **recipe),
        torch.device("cpu"),
        run=folder and RunFolder(folder),
        callbacks=callbacks,
        identity={"lr": lr},
        may_change=may_change,
    )


def test_every_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "best.pth"
    checkpoint.save({"w": torch.arange(1000.0), "epoch": 3}, path)
    whole = path.read_bytes()
    chosen = np.random.default_rng(0).integers(0, 8 * len(whole), 400)
    for bit in [*chosen, *range(8 * (len(whole) - 95), 8 * len(whole), 5)]:
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(flipped)
        with pytest.raises(UserError):
            checkpoint.load(path)
    path.write_bytes(whole)
    assert torch.load(path, weights_only=True)["epoch"] == 3  # torch reads it as ever


def test_a_damaged_last_checkpoint_gives_way_to_the_one_before(tmp_path, caplog):
    last, previous = tmp_path / LAST, tmp_path / PREVIOUS
    for epoch in (1, 2):
        checkpoint.save({"epoch": epoch}, last, previous=previous)
    last.write_bytes(last.read_bytes()[:-200])
    assert checkpoint.load(last) == {"epoch": 1}
    assert "Going on from the one before it" in caplog.text
    checkpoint.save({"epoch": 3}, last, previous=previous)  # a damaged one takes nobody's place
    assert checkpoint.load(previous) == {"epoch": 1} and checkpoint.load(last) == {"epoch": 3}
    last.unlink()
    assert checkpoint.load(last) == {"epoch": 1}


def test_a_disk_without_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    path = tmp_path / LAST
    checkpoint.save({"w": torch.zeros(10)}, path)
    before = path.read_bytes()
    monkeypatch.setattr("shutil.disk_usage", lambda folder: _Usage)
    with pytest.raises(UserError, match="has 0 MB left; what was saved before"):
        checkpoint.save({"w": torch.ones(10)}, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


class _Usage:
    free = 0


def test_what_a_killed_save_left_is_swept_and_the_rest_stays(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / f".{LAST}.ab12_xyz").write_bytes(b"half")
    (tmp_path / ".hidden").write_text("a person's")
    run = RunFolder(tmp_path, may_write=True)
    run.open(resume=True)
    run.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == [".hidden", "config.json"]


def test_a_run_killed_inside_an_epoch_loses_an_interval_at_most(tmp_path, assert_same):
    torch.manual_seed(0)
    straight = trainer(tmp_path / "straight")
    (tmp_path / "straight").mkdir()
    straight.fit()
    torch.manual_seed(0)
    (tmp_path / "killed").mkdir()
    with pytest.raises(ConnectionAbortedError):
        trainer(tmp_path / "killed", save_every_minutes=1e-9, callbacks=(Kill(6),)).fit()
    saved = checkpoint.load(tmp_path / "killed" / LAST)
    assert (saved["epoch"], saved["step"]) == (1, 2)  # two steps of the second epoch are kept
    again = trainer(tmp_path / "killed")
    again.load_state_dict(saved)
    again.fit()
    assert_same(*(checkpoint.load(tmp_path / n / LAST) for n in ("straight", "killed")))


@pytest.mark.parametrize("bad", [{"bad_loss": (5,)}, {"bad_gradient": (5,)}])
def test_broken_numbers_are_never_saved(tmp_path, bad):
    run = trainer(tmp_path, Line(**bad), save_every_minutes=1e-9)
    with pytest.raises(UserError, match="no longer finite since step 5"):
        run.fit()
    saved = checkpoint.load(tmp_path / LAST)
    assert torch.isfinite(saved["method"]["w"]).all()
    assert (saved["epoch"], saved["step"]) == (1, 1)


@pytest.mark.parametrize("bad", [{"bad_loss": (1, 5)}, {"bad_gradient": (1, 5)}])
def test_a_step_can_be_skipped(bad):
    method = Line(**bad)
    rows = trainer(None, method, on_nan="skip").fit()
    assert torch.isfinite(method.w).all() and torch.isfinite(method.seen)
    assert [row["train"]["skipped_steps"] for row in rows] == [1, 1]
    assert np.isfinite([row["train"]["loss"] for row in rows]).all()
    with pytest.raises(UserError, match="every step of epoch 1"):
        trainer(None, Line(bad_loss=(0, 1, 2, 3)), on_nan="skip").fit()


def test_a_told_change_of_rate_goes_on_along_the_schedule(tmp_path):
    first = trainer(tmp_path, stop_after_epoch=1)
    first.fit()
    saved = checkpoint.load(tmp_path / LAST)
    with pytest.raises(UserError, match=r"lr was 0\.1 and is now 0\.01"):
        trainer(lr=0.01).load_state_dict(saved)
    with pytest.raises(UserError, match="--allow_change rate: no flag that decides"):
        trainer(lr=0.01, may_change=("rate",)).load_state_dict(saved)
    changed = trainer(lr=0.01, may_change=("lr",))
    changed.load_state_dict(saved)
    assert changed.changes == ["from epoch 2, step 0 on: lr was 0.1 and is now 0.01"]
    assert [row["lr"] for row in changed.fit()] == pytest.approx([0.05, 0.00125])


def failing(error: BaseException):
    def run(argv) -> int:
        raise error

    return cli.command(run)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x"), "of x; make room on that disk"),
        (OSError(errno.EROFS, "Read-only file system"), "make the disk writable"),
        (MemoryError(), "not enough memory (MemoryError); use a smaller batch"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "a smaller batch"),
        (RecursionError("maximum depth"), "nested too deeply"),
    ],
)
def test_the_last_gate_tells_in_one_sentence(in_process, tmp_path, error, told):
    seen = in_process(failing(error), [], tmp_path)
    assert seen.code == 2 and told in seen.err and seen.err.count("\n") == 1
    with pytest.raises(UserError) as alone, cli.going_on("python x", tmp_path / "none"):
        raise error
    assert "Go on with" not in str(alone.value)
    with (
        pytest.raises(UserError, match="Go on with:\n  python x"),
        cli.going_on("python x", Path("/")),
    ):
        raise error


def test_a_mistake_of_the_program_keeps_its_traceback(in_process, tmp_path):
    with pytest.raises(RuntimeError, match="shapes differ"):
        in_process(failing(RuntimeError("shapes differ")), [], tmp_path)


def test_sigterm_outside_a_training_is_told(in_process, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    seen = in_process(cli.command(lambda argv: os.kill(os.getpid(), signal.SIGTERM)), [], tmp_path)
    assert seen.code == 143 and "Interrupted before there was anything to save" in seen.err
    assert signal.getsignal(signal.SIGTERM) == before


def test_rows_are_replaced_only_by_whole_files(tmp_path, monkeypatch):
    run = RunFolder(tmp_path)
    run.append_metrics({"epoch": 1})
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        run.rewrite_metrics([{"epoch": 1}, {"epoch": 2}])
    assert [json.loads(r) for r in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [
        {"epoch": 1}
    ]
