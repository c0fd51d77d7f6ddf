"""``dimva/predict.py``: a row an image, and the figure."""

import shutil

import pandas as pd
import pytest
import torch

from dimva import predict

CHECKPOINT = "checkpoints/one_stage_single_FI_rs_42.pt"
FAST = ("--image_size", "32", "--num_workers", "0", "--device", "cpu")


def test_every_image_gets_a_row(single, images, command):
    argv = ["--checkpoint", CHECKPOINT, "--images", images / "Emotion6", "--out", "sub/va.csv"]
    outcome = command([*argv, *FAST], single, predict.main)
    assert outcome.code == 0, outcome.err
    table = pd.read_csv(single / "sub/va.csv")
    assert list(table) == ["path", "valence", "arousal"]
    assert len(table) == 30 and table["path"].is_monotonic_increasing
    assert table["path"][0] == "test/anger/7.png"
    assert table.notna().all(axis=None)


def test_agrees_with_the_run_that_made_the_checkpoint(single, images, command):
    argv = ["--checkpoint", CHECKPOINT, "--images", images / "Emotion6/test", "--out", "va.csv"]
    assert command([*argv, *FAST], single, predict.main).code == 0
    ours = pd.read_csv(single / "va.csv").set_index("path")
    run = pd.read_csv(single / "runs/one_stage_single_FI_rs_42/test_va_predictions.csv")
    for row in run.itertuples():
        name = "/".join(row.path.split("/")[-2:])
        assert ours.loc[name, "valence"] == pytest.approx(row.valence, abs=1e-4)


def test_figure_with_words(single, images, command):
    truth = pd.DataFrame({"path": ["anger/0.png"], "valence": [2.0], "arousal": [5.0]})
    truth.to_csv(single / "truth.csv", index=False)
    argv = ["--checkpoint", CHECKPOINT, "--images", images / "Emotion6/train", "--out", "va.csv"]
    argv += ["--truth", "truth.csv", "--figure", "va.png", *FAST]
    refused = command(argv, single, predict.main)
    assert refused.code == 2 and "no row in truth.csv" in refused.last_line
    truth = pd.read_csv(single / "va.csv")[["path"]].assign(valence=4.0, arousal=5.0)
    truth.loc[0, "valence"] = 7.0
    truth.to_csv(single / "truth.csv", index=False)
    argv += ["--lexicon", images / "NRC-VAD-Lexicon.txt"]
    assert command(argv, single, predict.main).code == 0
    assert (single / "va.png").stat().st_size > 10_000


def test_folder_without_images_is_a_sentence(single, command):
    (single / "empty").mkdir()
    argv = ["--checkpoint", CHECKPOINT, "--images", "empty", "--out", "x.csv"]
    outcome = command([*argv, *FAST], single, predict.main)
    assert outcome.code == 2 and "no image in empty" in outcome.last_line
    assert not (single / "x.csv").exists()


@pytest.mark.parametrize("workers", [0, 2])
def test_broken_image_is_named_and_left_out(single, images, command, workers):
    folder = single / f"mixed{workers}"
    shutil.copytree(images / "Emotion6/test", folder)
    (folder / "joy/7.png").write_bytes(b"no image")
    argv = ["--checkpoint", CHECKPOINT, "--images", folder, "--out", "mixed.csv"]
    argv += [*FAST, "--num_workers", workers]
    outcome = command(argv, single, predict.main)
    assert outcome.code == 0, outcome.err
    assert "unreadable image left out" in outcome.err and "joy/7.png" in outcome.err
    assert "8 images answered" in outcome.out and "written: mixed.csv" in outcome.out
    assert "1 unreadable and left out: joy/7.png" in outcome.out
    table = pd.read_csv(single / "mixed.csv")
    assert len(table) == 8 and "joy/7.png" not in set(table["path"])


def test_truth_may_have_a_row_for_a_broken_image(single, images, command):
    folder = single / "rated"
    shutil.copytree(images / "Emotion6/test/joy", folder)
    names = sorted(path.name for path in folder.iterdir())
    (folder / names[0]).write_bytes(b"")
    truth = pd.DataFrame({"path": names, "valence": [2.0, 4.0, 6.0], "arousal": [5.0, 4.0, 6.0]})
    truth.to_csv(single / "rated.csv", index=False)
    argv = ["--checkpoint", CHECKPOINT, "--images", folder, "--out", "va.csv"]
    argv += ["--truth", "rated.csv", "--figure", "rated.png", *FAST]
    outcome = command(argv, single, predict.main)
    assert outcome.code == 0, outcome.err
    assert (single / "rated.png").is_file()


def test_folder_of_broken_images_is_a_sentence(single, command):
    (single / "broken").mkdir()
    (single / "broken/a.jpg").write_bytes(b"no image")
    argv = ["--checkpoint", CHECKPOINT, "--images", "broken", "--out", "x.csv"]
    outcome = command([*argv, *FAST], single, predict.main)
    assert outcome.code == 2 and "none of the 1 images could be read, a.jpg" in outcome.last_line
    assert not (single / "x.csv").exists()


def test_ratings_outside_the_scale_are_warned_of(single, images, command, tmp_path):
    file = single / "checkpoints/far.pt"
    held = torch.load(single / CHECKPOINT, weights_only=True)
    held["FC_va.bias"] = held["FC_va.bias"] + 40
    torch.save(held, file)
    shutil.copy(single / f"{CHECKPOINT}.json", f"{file}.json")
    argv = ["--checkpoint", file, "--images", images / "Emotion6/test", "--out", "far.csv", *FAST]
    outcome = command(argv, single, predict.main)
    assert outcome.code == 0, outcome.err
    assert "warning: 9 have a valence or arousal outside 1..9" in outcome.out


def test_another_size_than_trained_is_refused(single, images, command):
    argv = ["--checkpoint", CHECKPOINT, "--images", images / "Emotion6/test", "--out", "y.csv"]
    outcome = command([*argv, "--image_size", "64"], single, predict.main)
    assert outcome.code == 2 and "which was trained at 32" in outcome.last_line
    assert not (single / "y.csv").exists()
