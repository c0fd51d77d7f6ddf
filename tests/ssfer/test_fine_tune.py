"""Both protocols from the command line: what they train, validate, write and go on with."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from common.engine import checkpoint
from ssfer import detect_faces, views
from ssfer.finetune import boxes, faces
from ssfer.finetune.authors_files import weights_name
from ssfer.finetune.options import build_parser
from tests.ssfer.conftest import TRAIN

ROOT = Path(__file__).resolve().parents[2]
YUNET = Path(os.environ.get("YUNET", "no file is named"))


def rows(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_official_protocol_writes_weights_that_fit(official, nano):
    name = weights_name("RAFDB", 0.5)
    assert name == "SSFER_RAFDB_0.50_model.pth"
    state = torch.load(official / name, weights_only=True)
    model = timm.create_model(
        "vit_base_patch16_224",
        num_classes=7,
        img_size=32,
        **{name: getattr(nano, name) for name in ("embed_dim", "depth", "num_heads")},
    )
    model.load_state_dict(state, strict=True)
    teacher = checkpoint.load(official / "stage3" / "last.ckpt")["method"]
    assert all(torch.equal(state[k], teacher[f"teacher.{k}"]) for k in state)
    assert (official / "stage2" / name).is_file()


def test_official_protocol_tests_the_test_images_and_trains_each_label_once(official):
    results = json.loads((official / "results.json").read_text())
    assert results["labelled_images"] == 28 and results["weights"] == weights_name("RAFDB", 0.5)
    for stage in ("stage2", "stage3"):
        config = json.loads((official / stage / "config.json").read_text())
        assert sum(config["data"]["test"].values()) == 21
        assert "only the labelled images are split" not in config["quirks_in_force"]
    assert [len(rows(official / s)) for s in ("stage2", "stage3")] == [2, 1]
    identities = [
        checkpoint.load(official / stage / "last.ckpt")["identity"]
        for stage in ("stage2", "stage3")
    ]
    assert [i["stage"] for i in identities] == ["stage2 of None", "stage3 of None"]
    assert len({i["images"] for i in identities} | {i["labelled_images"] for i in identities}) == 2


def test_kfold_protocol_keeps_the_problems_of_the_script(tune, tmp_path):
    outcome = tune(tmp_path, "--out", "run", "--semi_epochs", "2", "--threshold", "0")
    assert outcome.code == 0, outcome.err
    run = tmp_path / "run"
    assert not list(run.glob("**/*.pth"))  # no weights are saved
    for fold in ("fold0", "fold1"):
        first, second = (run / fold / stage for stage in ("stage2", "stage3"))
        config = json.loads((first / "config.json").read_text())
        assert sum(config["data"]["train"].values()) == 14  # folds of the labelled images only
        assert sum(config["data"]["test"].values()) == 14
        average = checkpoint.load(first / "last.ckpt")["ema"]
        rates = {row["lr"] for row in rows(second)}
        assert rates == {1.5e-4}  # the scheduler never moves
        assert all("teacher" in row for row in rows(second))
        assert average  # what stage 3 is validated with
    drawn = {
        (stage, checkpoint.load(run / fold / stage / "last.ckpt")["identity"]["trained_images"])
        for fold in ("fold0", "fold1")
        for stage in ("stage2", "stage3")
    }
    assert len(drawn) == 4  # every fold's second stage draws its labels anew
    results = json.loads((run / "results.json").read_text())
    assert results["last"]["stage2"]["folds"] == 2 and results["weights"] is None
    assert "± " in outcome.out


def test_stage_three_is_validated_with_the_average_of_stage_two(tune, tmp_path, monkeypatch):
    """Under kfold, training at a huge rate changes nothing that is printed."""
    monkeypatch.setattr(views, "supervised_view", views.square_eval_view)
    flags = ("--semi_epochs", "2", "--learning_rate", "0.01", "--ema_decay", "0.5")
    assert tune(tmp_path, "--out", "run", *flags).code == 0
    fold = tmp_path / "run" / "fold0"
    last = rows(fold / "stage2")[-1]["test"]
    for row in rows(fold / "stage3"):
        assert row["test"] == last
        assert row["teacher"]["loss"] != last["loss"]


def test_authors_draws_validate_the_second_stage_alone_and_print_the_script_s_lines(
    tune, tmp_path, own_folders, assert_same
):
    """Any class folders, and a share that rounds to no image of a class, are taken as published."""
    train = own_folders / "train"
    (train / "Anger").rename(train / "Rage")
    for k in range(1, TRAIN):
        (train / "Rage" / f"{k}.png").unlink()
    flags = ("--traindir", train, "--draws", "authors", "--semi_epochs", "2", "--mu", "0.5")
    whole = tune(tmp_path, *flags, "--anno_percent", "0.4", "--out", "whole")
    assert whole.code == 0, whole.err
    for fold in ("fold0", "fold1"):
        first, second = (rows(tmp_path / "whole" / fold / stage) for stage in ("stage2", "stage3"))
        assert not any("test" in row for row in first)
        assert all("test" in row and "teacher" not in row for row in second)
    told = whole.out.splitlines()

    def number(text: str) -> int:
        return sum(text in line for line in told)

    assert number("train loss:") == 4 and number("overall loss:") == 4
    assert number("Fold 1 - Validation Accuracy") == number("Fold 2 - Validation Accuracy") == 2
    first = rows(tmp_path / "whole" / "fold0" / "stage2")[0]["train"]["loss"]
    (line, *_) = (line for line in told if line.startswith("train loss:"))
    # Twelve of the fold's labelled images fill batches; all 12 or 13 of them are divided by.
    labelled = json.loads((tmp_path / "whole" / "results.json").read_text())["labelled_images"]
    trained = labelled - -(-labelled // 2)
    used = trained // 4 * 4
    assert float(line.split(":")[1].split()[0]) == pytest.approx(first * used / trained)
    for more in (("--out", "parts", "--stop_after_epoch", "3"), ("--resume", "parts")):
        assert tune(tmp_path, *flags, "--anno_percent", "0.4", *more).code == 0
    for stage in ("fold0/stage3", "fold1/stage3"):
        assert_same(*(state_of(tmp_path / run / stage) for run in ("whole", "parts")))


def state_of(folder: Path) -> dict:
    return checkpoint.load(folder / "last.ckpt")


def test_decay_of_the_second_stage_is_its_own(tune, tmp_path):
    flags = ("--protocol", "official", "--weight_decay", "0.3", "--out", "run")
    assert tune(tmp_path, *flags).code == 0
    decays = [
        state_of(tmp_path / "run" / stage)["optimizer"]["param_groups"][0]["weight_decay"]
        for stage in ("stage2", "stage3")
    ]
    assert decays == [0.3, 0.05]


@pytest.mark.parametrize("stops", [(1, 2), (3,)], ids=["in both stages", "in the last one"])
def test_resume_is_exact_across_stages(tune, tmp_path, assert_same, stops):
    flags = ("--protocol", "official", "--semi_epochs", "2", "--num_epochs", "2")
    assert tune(tmp_path, *flags, "--out", "whole").code == 0
    for k, stop in enumerate(stops):
        more = ("--out", "parts") if k == 0 else ("--resume", "parts")
        outcome = tune(tmp_path, *flags, *more, "--stop_after_epoch", stop)
        assert outcome.code == 0 and "Go on with:" in outcome.out, outcome.err
        assert not (tmp_path / "parts" / "results.json").exists()
    last = tmp_path / "parts" / "stage2" / "last.ckpt"  # any checkpoint of the run names it
    assert tune(tmp_path, *flags, "--resume", last).code == 0
    for stage in ("stage2", "stage3"):
        a, b = (
            checkpoint.load(tmp_path / name / stage / "last.ckpt") for name in ("whole", "parts")
        )
        assert_same(a, b)
    files = [tmp_path / name / weights_name("RAFDB", 0.5) for name in ("whole", "parts")]
    assert_same(*map(checkpoint.load, files))


def test_resume_refuses_other_flags(official, tune, tmp_path):
    outcome = tune(tmp_path, "--protocol", "official", "--resume", official, "--lr", "0.01")
    assert outcome.code == 2 and "lr was" in outcome.err
    outcome = tune(tmp_path, "--protocol", "official", "--resume", official, "--out", "elsewhere")
    assert outcome.code == 2 and "its own folder" in outcome.err


def test_random_weights_and_no_detector_are_said(tune, tmp_path):
    flags = ("--protocol", "official", "--semi_epochs", "0", "--num_epochs", "2")
    outcome = tune(tmp_path, *flags, "--out", "run")
    assert "starts from random weights" in outcome.err
    assert "every overlap is 1" in outcome.err
    assert not (tmp_path / "run" / "stage3").exists()


def test_boxes_of_a_file_change_the_loss(tune, tmp_path, folders, in_process):
    words = ["--images", folders / "train", "--detector", "none", "--out", "boxes.csv"]
    assert in_process(detect_faces.main, words, tmp_path).code == 0
    flags = ("--protocol", "official", "--semi_epochs", "0", "--detector", "file")
    assert tune(tmp_path, *flags, "--boxes", "boxes.csv", "--out", "same").code == 0
    found = []
    for k, image in enumerate(sorted((folders / "train").rglob("*.png"))):
        left = 30.0 * (k % 7)
        one = np.array([[left, 0.0, left + 30, 30.0, 0.9, 0]])
        found.append(boxes.row_of(folders / "train", image, "mine", one))
    boxes.write(found, tmp_path / "mine.csv")
    assert tune(tmp_path, *flags, "--boxes", "mine.csv", "--out", "mine").code == 0
    overlaps = [rows(tmp_path / n / "stage2")[0]["train"]["iou"] for n in ("same", "mine")]
    assert overlaps[0] == 1 and overlaps[1] < 0.9


def test_faces_are_looked_for_in_every_mixed_batch(tune, tmp_path, monkeypatch):
    seen = []

    def look(images):
        seen.append(images.shape)
        left = 30.0 * torch.arange(len(images))
        return [np.array([[x, 0.0, x + 45, 30.0, 0.9, 0]], np.float32) for x in left.tolist()]

    monkeypatch.setattr(faces, "build_detector", lambda name, weights: look)
    flags = ("--protocol", "official", "--semi_epochs", "0", "--detector", "yunet", "--out", "run")
    outcome = tune(tmp_path, *flags)
    assert outcome.code == 0, outcome.err
    trained = rows(tmp_path / "run" / "stage2")
    assert len(seen) == trained[-1]["step"] and trained[0]["train"]["iou"] < 0.9


@pytest.mark.skipif(not YUNET.is_file(), reason="YUNET names no ONNX file")
def test_a_real_detector_runs_in_the_step(tune, tmp_path):
    pytest.importorskip("cv2")
    flags = ("--protocol", "official", "--semi_epochs", "0", "--detector", "yunet")
    outcome = tune(tmp_path, *flags, "--detector_weights", YUNET, "--out", "run")
    assert outcome.code == 0, outcome.err


def test_authors_file_name_runs(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "ssfer" / "fine-tune.py", "--traindir", "nowhere"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "error: no train images" in done.stderr
    assert "Traceback" not in done.stderr


def test_published_constants_are_the_defaults():
    args = build_parser().parse_args([])
    published = {
        "anno_percent": 0.05,
        "num_epochs": 100,
        "semi_epochs": 50,
        "batch_size": 32,
        "seed": 2024,
        "ema_decay": 0.999,
        "weight_decay": 0.05,
        "num_steps_per_epoch": 1,
        "num_workers": 0,
        "lr": 1.5e-4,
        "lr_min": 1e-5,
        "warmup_epoch": 5,
        "warmup_lr_init": 5e-5,
        "nb_classes": 7,
        "label_smoothing": 0.1,
        "Mixup_active": False,
        "Facemixup_active": True,
        "mixup_alpha": 1,
        "cutmix_alpha": 0,
        "mix_prob": 1,
        "switch_prob": 0,
        "k": 5,
        "random_state": 42,
        "mu": 1,
        "coefficient_u": 5,
        "burnin_epochs": 0,
        "ema_teacher": True,
        "threshold": 0.7,
        "learning_rate": 1.5e-4,
        "semi_weight_decay": 0.05,
        "protocol": "kfold",
        "model": "base",
        "input_size": 224,
    }
    assert {name: getattr(args, name) for name in published} == published
    assert Path(args.checkpoint) == Path("./output_dir/125w_base_warmup50_batch256_600.pth")
    assert args.traindir == Path("./RAF-DB/train")
