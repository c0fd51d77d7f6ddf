"""Every mistake ends with one sentence and exit code 2, and leaves the disk as it was."""

import os
import pickle

import numpy as np
import pytest
import torch

from common.data import check


@pytest.fixture
def refused(command, place, files):
    """``refused(argv, *facts)``: the command says the facts in one line and changes nothing."""

    def run(argv, *facts, cwd=place):
        before = files(cwd)
        seen = command(argv, cwd)
        lines = [line for line in seen.err.splitlines() if line.startswith("error: ")]

        assert seen.code == 2, seen.err
        assert len(lines) == 1, seen.err
        assert seen.err.rstrip().endswith(lines[0]), "the sentence goes on over several lines"
        assert "Traceback" not in seen.err
        assert lines[0].endswith(".")
        for fact in facts:
            assert str(fact) in lines[0]
        assert files(cwd) == before
        return lines[0]

    return run


@pytest.fixture
def bomb(place):
    """An object that makes a folder when it is unpickled, and that folder."""

    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(place / "exploded"),)

    return Bomb(), place / "exploded"


# --- data ----------------------------------------------------------------------------------------


def test_missing_data_folder(refused, tiny):
    refused(
        [*tiny, "--data_dir", "nowhere"],
        "there is no folder nowhere/fi/train",
        "fi/train/<class>/<image>",
        "python -m common.datasets twin fi --out nowhere/fi",
        "python -m common.datasets prepare",
    )


def test_empty_data_folder(refused, tiny, place):
    (place / "data/fi/train").mkdir(parents=True)
    refused(
        [*tiny, "--data_dir", "data"],
        "data/fi/train has no class folders",
        "python -m common.datasets twin fi",
        "python -m common.datasets prepare",
    )


def test_missing_test_folder(refused, tiny, images):
    folders = ["--train_data_dir", images / "fi/train", "--test_data_dir", "none"]
    refused([*tiny, *folders], "no test images", "there is no folder none")


def test_class_folders_without_images(refused, tiny, place):
    for split in ("train", "test"):
        for n in range(8):
            (place / "data/fi" / split / f"class{n}").mkdir(parents=True)
            (place / "data/fi" / split / f"class{n}" / "readme.txt").write_text("no image")
    refused([*tiny, "--data_dir", "data"], "has class folders but no image in them")


def test_one_class_without_images(refused, tiny, own_images):
    for image in (own_images / "fi/train/awe").iterdir():
        image.unlink()
    refused([*tiny, "--data_dir", own_images], "class awe has only 0 training images")


def test_test_set_with_other_classes(refused, tiny, own_images):
    (own_images / "fi/test/awe").rename(own_images / "fi/test/wonder")
    refused([*tiny, "--data_dir", own_images], "wonder", "awe", "the same class folders")


def test_class_count_differs_from_the_flag(refused, tiny):
    refused([*tiny, "-nc", "4"], "8 class folders", "--num_classes is 4", "give -nc 8")


def test_unknown_dataset(refused, tiny):
    refused(
        [*tiny, "-ds", "mikels"], "--dataset mikels", "known are fi, SE30K8", "--train_data_dir"
    )


def test_num_labels_that_cannot_be_shared(refused, tiny):
    refused([*tiny, "-nl", "18"], "--num_labels 18", "8 classes", "a multiple of 8")


def test_more_labels_than_a_class_has(refused, tiny):
    refused([*tiny, "-nl", "104"], "needs 13", "class amusement has only 12 training images")


def test_nothing_left_to_hold_out(refused, tiny):
    refused([*tiny, "-nl", "96", "--val_fraction", "0.5"], "--val_fraction 0.5", "all of them are")


def test_one_corrupt_image_is_named_counted_and_skipped(command, place, tiny, own_images):
    spoilt = own_images / "fi/train/fear/03.png"
    spoilt.write_bytes(spoilt.read_bytes()[:200])
    seen = command([*tiny, "--data_dir", own_images], place)

    assert seen.code == 0, seen.err
    assert f"unreadable image left out: {spoilt}" in seen.log
    assert "1 of 128 images of fi are unreadable and left out." in seen.log
    config = seen.json("config.json")
    assert config["data"]["train"]["fear"] == 11
    (note,) = config["data"]["notes"]
    assert "1 unreadable images left out" in note and str(spoilt) in note


def test_too_many_corrupt_images(refused, tiny, own_images):
    first = own_images / "fi/train/amusement/00.png"
    first.write_bytes(b"no image")
    (own_images / "fi/test/sadness/00.png").write_bytes(b"")
    refused([*tiny, "--data_dir", own_images], "2 of 128 images", "more than 1%", first)


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("workers", [0, 1])
def test_image_that_breaks_after_the_check(
    command, place, tiny, own_images, monkeypatch, split, workers
):
    monkeypatch.setattr(check, "decode_error", lambda path: None)
    for spoilt in (own_images / "fi" / split).rglob("*.png"):
        spoilt.write_bytes(b"no image")
    seen = command([*tiny, "--data_dir", own_images, "--num_workers", workers], place)

    told = seen.err.rpartition("error: ")[2]
    assert seen.code == 2
    assert told.startswith(f"the image {own_images / 'fi' / split}"), seen.err
    assert told.count("\n") == 1 and told.rstrip().endswith("resume the run.")


# --- run folder and flags ------------------------------------------------------------------------


def test_existing_run_is_left_alone(refused, tiny, plain):
    cwd = plain.folder.parents[1]
    refused(tiny, "saved_models/main already exists", "--overwrite", cwd=cwd)


def test_refused_replacement_leaves_the_existing_run(refused, tiny, plain):
    cwd = plain.folder.parents[1]
    refused([*tiny, "--overwrite", "-nl", "104"], "only 12", cwd=cwd)
    refused([*tiny, "--overwrite", "--polarity", "1,0"], "--polarity 1,0", cwd=cwd)
    refused([*tiny, "--overwrite", "--pretrained", "none.pth"], "none.pth", cwd=cwd)


def test_folder_that_is_no_run_is_not_replaced(refused, tiny, place):
    (place / "saved_models/main").mkdir(parents=True)
    (place / "saved_models/main/thesis.txt").write_text("years of work")
    refused([*tiny, "--overwrite"], "saved_models/main", "no config.json", "--save_name")
    np.save(place / "saved_models/main/sampled_label_idx_fi_16.npy", np.arange(16))
    refused([*tiny, "--overwrite"], "saved_models/main", "no config.json", "--save_name")


def test_run_folder_that_is_a_file(refused, tiny, place):
    (place / "models").write_text("")
    refused([*tiny, "--save_dir", ".", "-sn", "models"], "models is a file", "--save_name")
    refused([*tiny, "--save_dir", "models"], "models/main cannot be made", "--save_dir")


def test_index_file_of_other_data(refused, tiny, plain):
    cwd = plain.folder.parents[1]
    file = plain.folder / "sampled_label_idx_fi_16.npy"
    good = file.read_bytes()
    try:
        file.write_bytes(b"not numpy")
        refused([*tiny, "--overwrite"], "sampled_label_idx_fi_16.npy", "delete it", cwd=cwd)
    finally:
        file.write_bytes(good)


@pytest.mark.parametrize("codes", ["1,0", "up", "1,0,1,1,0,1,0,x"])
def test_bad_polarity(refused, tiny, codes):
    refused(
        [*tiny, "--polarity", codes], f"--polarity {codes}", "dataset, equal", "8 integer codes"
    )


@pytest.mark.parametrize(
    ("device", "fact"), [("tpu", "is no device"), ("meta", "is not supported"), ("cuda:x", "is no")]
)
def test_unknown_device(refused, tiny, device, fact):
    refused([*tiny, "--device", device], f"--device {device}", fact, "auto, cpu, cuda or cuda:N")


@pytest.mark.skipif(torch.cuda.is_available(), reason="the machine has CUDA")
def test_cuda_asked_for_by_device_is_not_replaced_by_the_cpu(refused, tiny):
    refused([*tiny, "--device", "cuda"], "no usable CUDA device", "--device cpu")


def test_unreadable_file_of_flags(refused, tiny, place):
    refused([*tiny, "--c", "none.yaml"], "none.yaml", "cannot be read", "No such file")
    refused([*tiny, "--c", "."], "is no regular file")
    (place / "bad.yaml").write_text("lr: {0.1\n")
    refused([*tiny, "--c", "bad.yaml"], "bad.yaml", "not valid YAML")
    (place / "binary.yaml").write_bytes(b"\xff\xfe\x00lr")
    refused([*tiny, "--c", "binary.yaml"], "binary.yaml", "no UTF-8 text")
    (place / "list.yaml").write_text("- lr\n")
    refused([*tiny, "--c", "list.yaml"], "list.yaml", "'flag: value' lines")
    (place / "typo.yaml").write_text("learning_rate: 1\n")
    refused([*tiny, "--c", "typo.yaml"], "typo.yaml", "'learning_rate'", "no flag")


# --- checkpoints ---------------------------------------------------------------------------------


def test_resume_without_load_path(refused, tiny):
    refused([*tiny, "--resume"], "--resume needs --load_path")


def test_load_path_without_resume_is_told_to_do_nothing(command, place, tiny):
    seen = command([*tiny, "--load_path", "nowhere"], place)
    assert seen.code == 0
    assert seen.log.count("--load_path has no effect without --resume") == 1


def test_dataset_name_that_is_a_path(refused, tiny, images):
    words = ["-ds", "my/fi", "--train_data_dir", images / "fi/train"]
    words += ["--test_data_dir", images / "fi/test"]
    refused([*tiny, *words], "--dataset my/fi is a path", "--train_data_dir")


def test_histogram_that_cannot_be_written(command, place, tiny):
    (place / "data_statistics").write_text("in the way")
    seen = command(tiny, place)
    assert seen.code == 2
    assert "the class histogram cannot be written" in seen.err and "Traceback" not in seen.err


def test_switch_of_the_file_of_flags_that_is_no_truth_value(refused, tiny, place):
    (place / "flags.yaml").write_text("corrected: 'false'")
    refused([*tiny, "--c", "flags.yaml"], "flags.yaml", "'corrected'", "true or false")


def test_load_path_that_does_not_exist(refused, tiny):
    refused([*tiny, "--resume", "--load_path", "none.ckpt"], "none.ckpt does not exist")


def test_load_path_that_is_a_folder_without_a_checkpoint(refused, tiny, place):
    (place / "empty").mkdir()
    refused([*tiny, "--resume", "--load_path", "empty"], "no checkpoint at empty/last.ckpt")


def test_going_on_in_the_same_folder_needs_overwrite(refused, tiny, plain):
    path = "saved_models/main/last.ckpt"
    cwd = plain.folder.parents[1]
    refused([*tiny, "--resume", "--load_path", path], "already exists", "--overwrite", cwd=cwd)


@pytest.mark.parametrize("flags", [["--resume", "--load_path"], ["--pretrained"]])
@pytest.mark.parametrize("length", [0, 20, 100_000])
def test_damaged_checkpoint(refused, tiny, plain, place, flags, length):
    with open(plain.folder / "last.ckpt", "rb") as file:
        (place / "half.ckpt").write_bytes(file.read(length))
    refused([*tiny, *flags, "half.ckpt"], "half.ckpt", "checkpoint")


def test_checkpoint_of_another_backbone(refused, tiny, plain):
    other = [*tiny, "--backbone", "resnet34", "--resume", "--load_path"]
    last, best = plain.folder / "last.ckpt", plain.folder / "model_best.pth"
    refused([*other, last], "another training", "backbone was 'resnet18' and is now 'resnet34'")
    refused([*other, best], best, "another model", "--backbone")


def test_checkpoint_of_another_split(refused, tiny, plain):
    words = ["--data_seed", "9", "--resume", "--load_path", plain.folder / "last.ckpt"]
    refused([*tiny, *words], "another training", "data_seed was None and is now 9")


def test_pretrained_weights_of_another_backbone(refused, tiny, plain):
    best = plain.folder / "model_best.pth"
    words = ["--backbone", "resnet34", "--pretrained", best]
    refused([*tiny, *words], best, "does not fit this backbone", "layer1.2.conv1.weight")


def test_dictionary_that_is_no_checkpoint_of_ours(refused, tiny, place):
    torch.save({"weights": torch.zeros(3)}, place / "other.pth")
    torch.save([1, 2], place / "list.pth")
    torch.save({"model": 1, "optimizer": 2, "ema_model": 3}, place / "hollow.pth")
    torch.save({"identity": 1}, place / "bare.pth")
    resume = [*tiny, "--resume", "--load_path"]
    refused([*resume, "other.pth"], "neither a last.ckpt nor a model_best.pth", "weights")
    refused([*resume, "list.pth"], "holds a list, expected a dictionary")
    refused([*resume, "hollow.pth"], "hollow.pth is of another model")
    refused([*resume, "bare.pth"], "the checkpoint lacks", "history", "give a last.ckpt")
    refused([*tiny, "--pretrained", "other.pth"], "does not fit this backbone", "--backbone")


@pytest.mark.parametrize("flags", [["--resume", "--load_path"], ["--pretrained"]])
@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_checkpoint_that_would_run_code_is_refused_unopened(
    refused, tiny, place, bomb, flags, writer
):
    harmful, trace = bomb
    if writer == "torch":
        torch.save({"model": harmful}, place / "evil.pth")
    else:
        (place / "evil.pth").write_bytes(pickle.dumps({"model": harmful}, protocol=2))
    refused([*tiny, *flags, "evil.pth"], "evil.pth cannot be read safely", "tensors")
    assert not trace.exists()
