"""The notebook as a command."""

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ssfer import evaluate
from ssfer.finetune import authors_files, data
from ssfer.vit import build_vit
from tests.ssfer.conftest import draw_folders


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
    with Image.open(tmp_path / "out" / "RAFDB_confusion_matrices.jpg") as figure:
        assert 400 < figure.size[0] < 1000

    network = evaluate.load_classifier(weights, "tiny", 7, 32).eval()
    manifest = data.read_manifest("RAFDB", {"test": folders / "test"}, 7)
    with torch.no_grad():
        small = Namespace(input_size=32, square_crop=False, num_workers=0)
        batches = data.test_loader(manifest, small)
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


def test_several_checkpoints_share_one_figure(run, weights, tmp_path):
    other = tmp_path / "other" / weights.name
    other.parent.mkdir()
    other.write_bytes(weights.read_bytes())
    assert run("--checkpoint", weights, other).code == 0
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["rows"]
    assert [row["checkpoint"] for row in rows] == [str(weights), str(other)]
    assert {row["figure"] for row in rows} == {"RAFDB_confusion_matrices.jpg"}
    with Image.open(tmp_path / "out" / "RAFDB_confusion_matrices.jpg") as figure:
        assert figure.size[0] > 1.9 * figure.size[1]  # a panel each


def test_released_files_are_found_and_the_head_says_how_many_classes(
    in_process, folders, tmp_path, weights
):
    words = ["--testdir", folders / "test", "--device", "cpu", "--num_workers", "0"]
    words += ["--model", "tiny", "--input_size", "32"]
    outcome = in_process(evaluate.main, words, tmp_path)
    assert outcome.code == 2 and "Experiments_checkpoints, outputs_dir" in outcome.err
    for place, share in (("outputs_dir", "0.10"), ("Experiments_checkpoints", "0.05")):
        (tmp_path / place).mkdir()
        (tmp_path / place / f"SSFER_RAFDB_{share}_model.pth").write_bytes(weights.read_bytes())
    assert in_process(evaluate.main, words, tmp_path).code == 0
    found = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert [row["notebook"] for row in found] == [81.29, 85.37]  # in the order of the shares
    mine = tmp_path / "mine.pth"
    mine.write_bytes(weights.read_bytes())
    more = ["--checkpoint", mine, "--dataset", "mine", "--out", "mine"]
    outcome = in_process(evaluate.main, [*words, *more], tmp_path)
    assert outcome.code == 0, outcome.err


def test_cells_of_the_notebook_measure_every_dataset(in_process, tmp_path, monkeypatch):
    """Four sections on drawn folders, each with its three files."""
    small = evaluate.build_vit

    def tiny(model: str, **settings):
        return small("custom", embed_dim=24, depth=1, num_heads=2, patch_size=112, **settings)

    monkeypatch.setattr(evaluate, "build_vit", tiny)
    (tmp_path / "outputs_dir").mkdir()
    for released in authors_files.RELEASED:
        number = len(data.CLASSES[released.dataset])
        state = tiny("base", num_classes=number).state_dict()
        torch.save(state, tmp_path / "outputs_dir" / released.file)
        place = tmp_path / data.TEST_FOLDERS[released.dataset]
        if not place.exists():
            names = data.folder_names(released.dataset)
            draw_folders(place.parent, names, {"test": 1})
    file = Path(evaluate.__file__).with_name("test.ipynb")
    cells = [c for c in json.loads(file.read_text())["cells"] if c["cell_type"] == "code"]
    names = {}

    def all_cells(_) -> None:
        for cell in cells:
            exec("".join(cell["source"]), names)

    seen = in_process(all_cells, [], tmp_path)
    assert seen.out.count("test acc:") == 12, seen.err
    figures = {path.name for path in tmp_path.glob("*.jpg")}
    assert figures == {f"{name}_confusion_matrices.jpg" for name in data.CLASSES}


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
    assert run("--checkpoint", copy, "--dataset", "AffectNet7", "--any_folders").code == 0


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
