"""The notebook as a command."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from ssfer import evaluate
from ssfer.finetune import authors_files, data
from ssfer.vit import build_vit


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A checkpoint under one of the authors' names."""
    path = tmp_path_factory.mktemp("weights") / "SSFER_RAFDB_0.05_model.pth"
    torch.manual_seed(0)
    torch.save(build_vit("tiny", num_classes=7, img_size=32).state_dict(), path)
    return path


@pytest.fixture
def run(in_process, weights, folders, tmp_path):
    """``run(*flags)``: evaluate the checkpoint on the small test folder."""

    def call(*flags):
        words = [
            *("--checkpoint", weights, "--testdir", folders / "test", "--model", "tiny"),
            *("--input_size", "32", "--device", "cpu", "--num_workers", "0", "--out", "out"),
        ]
        return in_process(evaluate.main, [*words, *flags], tmp_path)

    return call


def test_report_of_one_checkpoint(run, weights, folders, tmp_path):
    outcome = run()
    assert outcome.code == 0, outcome.err
    (row,) = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert (row["paper"], row["notebook"], row["images"]) == (80.96, 81.29, 21)
    with Image.open(tmp_path / "out" / "SSFER_RAFDB_0.05_model_confusion.png") as figure:
        assert figure.size[0] > 400

    network = evaluate.load_classifier(weights, "tiny", 7, 32).eval()
    manifest = data.read("RAFDB", {"test": folders / "test"}, 7)
    with torch.no_grad():
        batches = data.test_loader(manifest, 32, 0)
        guesses = torch.cat([network(batch["image"]).argmax(1) for batch in batches]).numpy()
    right = guesses == manifest.labels
    assert row["accuracy"] == pytest.approx(100 * right.mean())
    recall = {n: right[manifest.labels == c].mean() for c, n in enumerate(manifest.classes)}
    assert row["recall"] == pytest.approx(recall)
    assert f"{row['accuracy']:.2f}" in outcome.out and "80.96" in outcome.out


def test_expectation_decides_the_exit_code(run, tmp_path):
    run()
    (row,) = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    near = row["accuracy"] + (0.05 if row["accuracy"] < 50 else -0.05)
    assert run("--expect", near).code == 0
    far = run("--expect", abs(row["accuracy"] - 40))
    assert far.code == 1 and "is not within 0.1" in far.err
    assert run("--expect", near, "--tolerance", "0.01").code == 1


def test_rows_of_other_checkpoints_stay_and_their_figures_too(run, weights, tmp_path):
    other = tmp_path / "other" / weights.name
    other.parent.mkdir()
    other.write_bytes(weights.read_bytes())
    assert run().code == 0 and run("--checkpoint", other).code == 0 and run().code == 0
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert {row["checkpoint"] for row in rows} == {str(weights), str(other)} and len(rows) == 2
    assert len({row["figure"] for row in rows}) == 2
    assert all((tmp_path / "out" / row["figure"]).is_file() for row in rows)


@pytest.mark.parametrize("text", ['{"rows": [{"fold": null}]}', "[]", "no JSON"])
def test_results_of_another_command_are_not_replaced(run, tmp_path, text):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.json").write_text(text)
    outcome = run()
    assert outcome.code == 2 and "is no results file of this command" in outcome.err
    assert (tmp_path / "out" / "results.json").read_text() == text
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_weights_of_another_head_are_refused(run, tmp_path, folders):
    outcome = run("--dataset", "mine", "--nb_classes", "8")
    assert outcome.code == 2 and "head.bias (7,) instead of (8,)" in outcome.err
    assert not (tmp_path / "out").exists()


def test_released_checkpoint_on_another_dataset_is_refused(run):
    outcome = run("--dataset", "AffectNet7")
    assert outcome.code == 2 and "a checkpoint of RAFDB" in outcome.err


def test_folder_of_another_dataset_is_refused(run, weights, tmp_path):
    copy = tmp_path / "own.pth"
    copy.write_bytes(weights.read_bytes())
    outcome = run("--checkpoint", copy, "--dataset", "AffectNet7")
    assert outcome.code == 2 and "0, 1, 2, 3, 4, 5, 6" in outcome.err


def test_pickled_module_is_refused_by_its_class(in_process, tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "m.pth")
    outcome = in_process(evaluate.main, ["--checkpoint", "m.pth"], tmp_path)
    assert outcome.code == 2 and "Linear" in outcome.err and "Traceback" not in outcome.err


def test_confusion_is_alphabetical_over_the_names_that_occur():
    names = data.CLASSES["FERPlus"]
    table = evaluate.confusion_by_name(np.array([0, 0, 1]), np.array([0, 2, 2]), names)
    assert table.labels == ("Happiness", "Neutral", "Sadness")
    assert table.counts.tolist() == [[0, 0, 1], [0, 1, 1], [0, 0, 0]]
    assert table.shares[1].tolist() == [0, 0.5, 0.5] and np.isnan(table.shares[2]).all()
    assert table.accuracy == pytest.approx(1 / 3)


def test_twelve_released_checkpoints_agree_with_their_counts():
    assert len({row.file for row in authors_files.RELEASED}) == 12
    for row in authors_files.RELEASED:
        assert 100 * row.correct / row.images == pytest.approx(row.notebook, abs=0.0051)
        assert row.dataset in data.CLASSES
        assert authors_files.released(f"somewhere/{row.file}") == row
