"""Pre-train, fine-tune, evaluate on drawn faces, command by command."""

import json

import pytest

import common.datasets.__main__ as data_command
from ssfer import detect_faces, evaluate
from ssfer.finetune import main as fine_tune
from ssfer.pretrain import main as pretrain

TINY = ("--model", "tiny", "--input_size", "32", "--device", "cpu", "--num_workers", "0")


@pytest.mark.slow
def test_pretrain_fine_tune_evaluate(in_process, tmp_path):
    def run(main, *words):
        outcome = in_process(main, words, tmp_path)
        assert outcome.code == 0, outcome.err
        return outcome

    for name, folder in (("rafdb_folders", "RAF-DB"), ("unlabelled_faces", "pretrain_dataset")):
        drawn = ("--scale", "0.0001", "--size", "32")
        run(data_command.main, "twin", name, "--out", folder, *drawn)
    epochs = ("--epochs", "1", "--warmup_epochs", "1", "--batch_size", "8")
    run(pretrain.main, *TINY, *epochs, "--picture_every", "0")
    file = "output_dir/125w_base_warmup50_batch256_1.pth"
    find = ("--images", "RAF-DB/train", "--detector", "none", "--out", "boxes.csv")
    run(detect_faces.main, *find)
    tuned = run(
        fine_tune.main,
        *(
            *TINY,
            "--protocol",
            "official",
            "--checkpoint",
            file,
            "--detector",
            "file",
            "--boxes",
            "boxes.csv",
        ),
        *("--anno_percent", "0.25", "--batch_size", "4", "--num_epochs", "2", "--semi_epochs", "1"),
        *("--out", "tuned"),
    )
    assert "DRAWN STAND-IN DATA" in tuned.out
    results = json.loads((tmp_path / "tuned/results.json").read_text())
    accuracy = 100 * results["last"]["stage3"]["mean"]
    weights = tmp_path / "tuned" / "SSFER_RAFDB_0.25_model.pth"
    expect = ("--expect", f"{accuracy:.4f}", "--tolerance", "0.01")
    seen = run(evaluate.main, *TINY, "--checkpoint", weights, *expect)
    assert "DRAWN STAND-IN DATA" in seen.out
    (row,) = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert row["paper"] is None  # a drawn stand-in is not compared with the table
