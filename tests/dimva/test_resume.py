"""A stopped run goes on as if it had never stopped, to the bit."""

import shlex
import shutil

import pytest
import torch


def test_one_epoch_and_two_more_equal_three(place, command, tiny, assert_same):
    argv = tiny("one_stage", "multi", "FI", "--num_epochs", "3", "--keep_best")
    whole, halves = place / "whole", place / "halves"
    whole.mkdir(), halves.mkdir()
    assert command(argv, whole).code == 0
    stopped = command([*argv, "--stop_after_epoch", "1"], halves)
    assert stopped.code == 0
    assert not list((halves / "results").iterdir())  # the final test comes at the end
    line = next(x for x in stopped.out.splitlines() if x.strip().startswith("python dimva/"))
    words = shlex.split(line)[2:]
    going_on = command(words, halves)
    assert going_on.code == 0, going_on.err
    run = "runs/one_stage_multi_FI_rs_42"
    states = [torch.load(f / run / "last.ckpt", weights_only=True) for f in (whole, halves)]
    assert_same(*states)
    for name in ("metrics.jsonl", "final.json"):
        assert (whole / run / name).read_text() == (halves / run / name).read_text()
    checkpoint = "checkpoints/one_stage_multi_FI_rs_42.pt"
    assert_same(*(torch.load(f / checkpoint, weights_only=True) for f in (whole, halves)))


def test_other_flags_are_refused(single, command, tiny):
    argv = tiny("one_stage", "single", "FI", "--keep_best", "--lr", "0.5")
    argv += ["--resume", "--load_path", "runs/one_stage_single_FI_rs_42"]
    outcome = command(argv, single)
    assert outcome.code == 2 and "lr was 0.0001 and is now 0.5" in outcome.last_line


NAME = "one_stage_single_FI_rs_42"


@pytest.fixture
def old(single, tmp_path):
    """A copy of the finished run, as if it stood in another --out."""
    folder = tmp_path / "old"
    for name in ("runs", "checkpoints"):
        shutil.copytree(single / name, folder / name)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_another_out_takes_the_chosen_weights_over(old, place, command, tiny, assert_same):
    argv = tiny("one_stage", "single", "FI", "--keep_best", "--out", "new")
    argv += ["--resume", "--load_path", old / "runs" / NAME]
    going_on = command(argv, place)
    assert going_on.code == 0, going_on.err
    outs = (place / "new", old)
    assert_same(*(torch.load(f / f"checkpoints/{NAME}.pt", weights_only=True) for f in outs))
    ours, theirs = ((out / "runs" / NAME / "final.json").read_text() for out in outs)
    assert ours == theirs


def test_second_stage_goes_on_without_the_first_ones_weights(old, place, command, tiny, final):
    argv = tiny("two_stage", "single", "FI", "--keep_best", "--num_epochs", "2")
    stopped = command([*argv, "--stop_after_epoch", "1", "--out", old], place)
    assert stopped.code == 0, stopped.err
    name = NAME.replace("one", "two")
    argv += ["--resume", "--load_path", old / "runs" / name]
    outs = (place / "new", old)
    for out in outs:
        going_on = command([*argv, "--out", out], place)
        assert going_on.code == 0, going_on.err
    assert final(outs[0], name) == final(outs[1], name)


def test_another_out_without_the_chosen_weights_is_refused(old, place, command, tiny):
    (old / f"checkpoints/{NAME}.pt").unlink()
    argv = tiny("one_stage", "single", "FI", "--keep_best", "--out", "new")
    outcome = command([*argv, "--resume", "--load_path", old / "runs" / NAME / "last.ckpt"], place)
    assert outcome.code == 2 and f"old/checkpoints/{NAME}.pt" in outcome.last_line
    assert not (place / "new").exists()


def test_going_on_after_the_end_adds_nothing(old, place, command, tiny):
    argv = tiny("one_stage", "single", "FI", "--keep_best", "--out", old)
    before = (old / "runs" / NAME / "metrics.jsonl").read_text()
    going_on = command([*argv, "--resume", "--load_path", old / "runs" / NAME], place)
    assert going_on.code == 0, going_on.err
    assert (old / "runs" / NAME / "metrics.jsonl").read_text() == before
    assert not list((old / "results").iterdir())  # the text of the first end lies elsewhere
    assert "the final test was made" in going_on.out
