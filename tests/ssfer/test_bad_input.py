"""Mistakes: one sentence, exit code 2, no traceback, nothing written."""

import shutil

import pytest
import torch
from PIL import Image

from ssfer import detect_faces
from ssfer.finetune import boxes
from ssfer.vit import build_vit


@pytest.fixture
def refused(tune, tmp_path):
    """``refused(flags, *parts)``: the run ends with a sentence that holds every part."""

    def check(flags, *parts: str):
        place = tmp_path / "cwd"
        place.mkdir(exist_ok=True)
        outcome = tune(place, *flags)
        told = outcome.err.strip().splitlines()[-1]
        assert outcome.code == 2 and told.startswith("error: "), outcome.err
        assert "Traceback" not in outcome.err
        for part in parts:
            assert part in told
        assert not any(place.iterdir())

    return check


def test_another_number_of_classes(refused, own_folders):
    refused(("--nb_classes", "8"), "7 class folders", "--nb_classes 7")
    for split in ("train", "test"):
        (own_folders / split / "Extra").mkdir()
        file = own_folders / split / "Extra" / "0.png"
        file.write_bytes((own_folders / "train" / "Fear" / "0.png").read_bytes())
    refused(("--traindir", own_folders / "train"), "8 class folders", "Extra")


def test_share_that_leaves_a_class_empty(refused):
    refused(("--anno_percent", "0.01"), "leaves the class Anger", "at least 0.0625")


def test_share_that_leaves_nothing_unlabelled(refused):
    refused(("--anno_percent", "1"), "0 unlabelled images")


def test_batch_that_the_images_do_not_fill(refused):
    refused(("--batch_size", "16"), "14 labelled images of the supervised stage", "16")


def test_odd_batch(refused):
    refused(("--batch_size", "3"), "--batch_size 3 is odd")


def test_nothing_mixes(refused):
    refused(("--mixup_alpha", "0"), "both 0")


def test_missing_folder(refused, tmp_path):
    refused(("--traindir", tmp_path / "no"), "there is no folder", "rafdb_folders")


def test_test_folder_under_kfold(refused, folders):
    refused(("--testdir", folders / "test"), "--protocol official")


def test_folders_that_disagree(refused, own_folders):
    (own_folders / "test" / "Fear").rename(own_folders / "test" / "Panic")
    refused(("--protocol", "official", "--traindir", own_folders / "train"), "Panic")


def test_missing_checkpoint(refused):
    refused(("--checkpoint", "no.pth"), "no pre-trained file at no.pth", "pretrain_distribute.py")


def test_pickled_module_is_refused_by_its_class(refused, tmp_path):
    path = tmp_path / "module.pth"
    torch.save(torch.nn.Linear(2, 2), path)
    refused(("--checkpoint", path), "module.pth", "torch.nn.modules.linear.Linear")


def test_checkpoint_of_another_size(refused, tmp_path):
    path = tmp_path / "small.pth"
    torch.save(build_vit("small", num_classes=7, img_size=32).state_dict(), path)
    refused(("--checkpoint", path), "does not fit", "--model")


def test_file_boxes_need_a_file(refused):
    refused(("--detector", "file"), "--boxes FILE", "--detector none")


def test_boxes_that_miss_images(refused, folders, tmp_path, in_process):
    file = tmp_path / "boxes.csv"
    words = ["--images", folders / "train", "--detector", "none", "--out", file]
    in_process(detect_faces.main, words, tmp_path)
    lines = file.read_text().splitlines()
    file.write_text("\n".join(line for line in lines if "Fear/3.png" not in line))
    refused(("--detector", "file", "--boxes", file), "misses 1 of the 56", "Fear/3.png")


def test_boxes_of_another_picture(refused, own_folders, tmp_path):
    names = [p.relative_to(own_folders / "train") for p in (own_folders / "train").rglob("*.png")]
    found = {name.as_posix(): ("0" * 64, boxes.Found(0)) for name in names}
    boxes.write(found, "none", tmp_path / "boxes.csv")
    flags = ("--detector", "file", "--boxes", tmp_path / "boxes.csv")
    refused((*flags, "--traindir", own_folders / "train"), "has changed since")


def test_boxes_without_the_detector_that_reads_them(refused, tmp_path):
    refused(("--detector", "none", "--boxes", tmp_path / "b.csv"), "--boxes is for")


def test_detector_without_weights(refused):
    refused(("--detector", "yunet"), "yunet needs its ONNX file")


def test_size_that_patches_do_not_tile(refused):
    refused(("--input_size", "30"), "no multiple of the patch size 16", "32")


def test_oblong_test_image(refused, own_folders):
    Image.new("RGB", (20, 30)).save(own_folders / "test" / "Fear" / "0.png")
    flags = ("--protocol", "official", "--traindir", own_folders / "train")
    refused(flags, "20 x 30", "--square_crop")


def test_existing_run_is_not_replaced(official, tune):
    outcome = tune(official.parent, "--protocol", "official", "--out", "run")
    assert outcome.code == 2 and "--overwrite" in outcome.err and "--resume" in outcome.err


def test_folder_that_is_no_run(tune, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    outcome = tune(tmp_path, "--out", "mine", "--overwrite")
    assert outcome.code == 2 and "holds no run" in outcome.err
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"
    outcome = tune(tmp_path, "--resume", tmp_path / "mine")
    assert outcome.code == 2 and "no run to go on with" in outcome.err


def test_dataset_that_is_no_file_name(refused):
    refused(("--dataset", "mine/faces"), "'mine/faces'", "without slashes")


def test_overwriting_takes_a_run_and_nothing_else_away(official, tune, tmp_path):
    run = shutil.copytree(official, tmp_path / "run")
    (run / "notes.txt").write_text("mine")
    flags = ("--protocol", "official", "--semi_epochs", "0", "--overwrite")
    assert tune(tmp_path, *flags, "--out", "run").code == 0
    assert (run / "notes.txt").read_text() == "mine"
    assert list((run / "stage3").iterdir()) == []
    outcome = tune(tmp_path, *flags, "--out", tmp_path)  # a run lies in it, but it is none itself
    assert outcome.code == 2 and "holds no run" in outcome.err
    assert (run / "results.json").is_file()
