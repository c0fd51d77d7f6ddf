"""Whole runs of the command line: files, stages, tasks."""

import json
import re
import shlex

import pandas as pd
import pytest
import torch


def test_files_under_the_authors_names(single, final):
    state = torch.load(single / "checkpoints/one_stage_single_FI_rs_42.pt", weights_only=True)
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    assert list(state)[-2:] == ["FC_va.weight", "FC_va.bias"]
    text = (single / "results/one_stage_single_FI_results.txt").read_text()
    empty, flags, figures, *ours = text.splitlines()
    assert (empty, flags) == ("", "42 | 0.0001 | 1e-05 | 4 | 5 |")  # as the authors write them
    number = r"-?[\d.e-]+"
    line = rf"\[v\] r: {number}, p-value: {number}\[a\] r: {number}, p-value: {number}"
    assert re.fullmatch(rf"{line}\[acc\] r: {number}", figures)
    assert any("r_valence" in row and "accuracy_corrected" not in row for row in ours)
    assert any("accuracy_corrected" in row for row in ours)
    assert list((single / "logs/one_stage_single").glob("events.out.tfevents.*"))
    run = single / "runs/one_stage_single_FI_rs_42"
    assert {"config.json", "metrics.jsonl", "summary.json", "last.ckpt", "test_va.png"} <= {
        path.name for path in run.iterdir()
    }
    tested = final(single, run.name)
    assert list(tested) == ["test_cat", "test_va"]
    assert len(tested["test_va"]["r_valence_interval_95"]) == 2
    assert "accuracy" not in tested["test_va"]
    predictions = pd.read_csv(run / "test_va_predictions.csv")
    assert list(predictions)[1:] == ["valence", "true_valence", "arousal", "true_arousal"]
    config = json.loads((run / "config.json").read_text())
    assert "rate halved per batch" in config["quirks_in_force"]
    assert "last weights overwrite the best" not in config["quirks_in_force"]


def test_second_stage_starts_from_the_first_by_name(single, command, tiny):
    outcome = command(tiny("two_stage", "single", "FI", "--keep_best"), single)
    assert outcome.code == 0, outcome.err
    assert "checkpoints/one_stage_single_FI_rs_42.pt; 17 tensors train" in outcome.err
    first, second = (
        torch.load(single / f"checkpoints/{m}_single_FI_rs_42.pt", weights_only=True)
        for m in ("one_stage", "two_stage")
    )
    assert torch.equal(first["resnet.6.0.conv1.weight"], second["resnet.6.0.conv1.weight"])
    assert not torch.equal(first["resnet.7.0.conv1.weight"], second["resnet.7.0.conv1.weight"])
    moved = "resnet.1.running_mean"  # frozen norms still follow the images
    assert not torch.equal(first[moved], second[moved])


def test_second_stage_says_what_to_run_first(place, command, tiny):
    argv = tiny("two_stage", "multi", "FI", "--seed", "7", "--out", "two_stage")
    outcome = command(argv, place)
    assert outcome.code == 2
    words = [str(word) for word in argv]
    at = words.index("--mode")
    words = [*words[:at], *words[at + 2 :], "--mode", "one_stage"]
    assert f"`python dimva/train.py {shlex.join(words)}`" in outcome.last_line
    assert not any(place.iterdir())


@pytest.mark.parametrize("dataname", ["FI", "FlickrLDL"])
def test_multi_task_in_both_stages(place, command, tiny, dataname, final):
    for mode in ("one_stage", "two_stage"):
        outcome = command(tiny(mode, "multi", dataname, "--keep_best"), place)
        assert outcome.code == 0, outcome.err
    row = json.loads(
        (place / f"runs/two_stage_multi_{dataname}_rs_42/metrics.jsonl").read_text().splitlines()[0]
    )
    assert {"val_cat", "val", "test_cat", "test"} <= row.keys()
    tested = final(place, f"two_stage_multi_{dataname}_rs_42")
    assert {"accuracy_authors", "accuracy_corrected"} <= tested["test_va"].keys()


def test_patience_ends_the_run_and_results_are_appended(place, command, tiny):
    argv = tiny("one_stage", "single", "flickr", "--num_epochs", "9", "--early_stop", "0")
    argv += ["--lr", "0", "--seed", "3"]  # a constant network: r never rises for long
    assert command(argv, place).code == 0
    run = place / "runs/one_stage_single_flickr_rs_3"
    epochs = len((run / "metrics.jsonl").read_text().splitlines())
    assert epochs < 9
    assert json.loads((run / "summary.json").read_text())["finished"]
    results = place / "results/one_stage_single_flickr_results.txt"
    before = results.read_text()
    again = command(argv, place)
    assert again.code == 0 and "an earlier run" in again.err
    assert results.read_text() == before * 2  # the same seed gives the same figures


@pytest.mark.parametrize("given", [(), ("--keep_best",)])
def test_nothing_to_test_is_a_sentence(place, command, tiny, monkeypatch, given):
    monkeypatch.setattr("dimva.train.Selection.on_evaluated", lambda *_: None)
    outcome = command(tiny("one_stage", "single", "FI", *given), place)
    assert outcome.code == 2 and "train longer" in outcome.last_line
    assert ("--keep_best" in outcome.last_line) == (not given)
