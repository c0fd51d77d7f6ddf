"""A stopped run goes on as if it had never stopped, to the bit."""

import shlex

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
    at = words.index("--stop_after_epoch")
    going_on = command(words[:at] + words[at + 2 :], halves)
    assert going_on.code == 0, going_on.err
    run = "runs/one_stage_multi_FI_rs_42"
    states = [torch.load(f / run / "last.ckpt", weights_only=True) for f in (whole, halves)]
    assert_same(*states)
    for name in ("metrics.jsonl", "final.json"):
        assert (whole / run / name).read_text() == (halves / run / name).read_text()
    checkpoint = "checkpoints/one_stage_multi_FI_rs_42.pt"
    assert_same(*(torch.load(f / checkpoint, weights_only=True) for f in (whole, halves)))


def test_other_flags_are_refused(single, command, tiny):
    argv = tiny("one_stage", "single", "FI", "--keep_best", "--lr", "0.5", "--overwrite")
    argv += ["--resume", "--load_path", "runs/one_stage_single_FI_rs_42"]
    outcome = command(argv, single)
    assert outcome.code == 2 and "lr was 0.0001 and is now 0.5" in outcome.last_line
