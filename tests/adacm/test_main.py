"""The documented commands, in-process, on tiny images."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.models import resnet18

from adacm.main import EXPERIMENT
from adacm.model import UnitNormResNet
from common import quirks
from common.engine import checkpoint

KEYS = {"epoch", "state_dict", "ema_state_dict", "acc", "best_acc", "optimizer"}


def refused(seen, *facts):
    """The command ended with one sentence that says the facts."""
    lines = [line for line in seen.err.splitlines() if line.startswith("error: ")]
    assert seen.code == 2, seen.err
    assert len(lines) == 1 and seen.err.rstrip().endswith(lines[0])
    assert "Traceback" not in seen.err
    for fact in facts:
        assert fact in lines[0]


# --- documented invocations ----------------------------------------------------------------------


def test_no_arguments_without_data_says_what_to_do(command, place):
    seen = command([], place)
    refused(
        seen, "no RAF-DB at data/rafdb", "python -m common.datasets twin rafdb --out data/rafdb"
    )
    refused(seen, "http://www.whdeng.cn/RAF/model1.html")
    assert list(place.iterdir()) == []


def test_default_place_is_read_and_the_authors_files_are_written(plain, rows):
    assert {path.name for path in plain.iterdir()} >= {
        *("log.txt", "checkpoint.pth.tar", "model_best.pth.tar", "run.log"),
        *("config.json", "environment.json", "metrics.jsonl", "summary.json", "last.ckpt"),
    }
    lines = (plain / "log.txt").read_text().splitlines()
    assert all(line.endswith("\t") for line in lines)  # as published
    head, row = [line.split("\t")[:-1] for line in lines]
    assert head == [
        *("Train Loss", "Train Loss X", "Train Loss U", "Train Loss S", "Test Loss", "Test Acc."),
    ]
    (metrics,) = rows(plain)
    assert float(row[5]) == pytest.approx(100 * metrics["test"]["top1"], abs=1e-4)
    parts = [metrics["train"][n] for n in ("sup_loss", "unsup_loss", "contrast_loss")]
    total = np.dot([0.5, 1.0, 0.1], parts)
    assert float(row[0]) == pytest.approx(total, rel=1e-4)
    assert len(metrics["labelled"]["margins"]) == 7
    log = (plain / "run.log").read_text()
    assert "there is no models/resnet18_msceleb.pth" in log
    assert "119 train images, published are 12271" in log


def test_authors_two_file_form(command, place, images, tiny):
    source = (images / "rafdb/EmoLabel/list_patition_label.txt").read_text().split()
    pairs = list(zip(source[::2], source[1::2], strict=True))
    folder = images / "rafdb/Image/aligned"
    for split in ("train", "test"):
        lines = [f"{n} {int(c) - 1} 0\n" for n, c in pairs if n.startswith(split)]
        (place / f"{split}.txt").write_text("".join(lines))
    words = ["--train-root", folder, "--test-root", folder]
    words += ["--label-train", "train.txt", "--label-test", "test.txt", "--gpu", "0,1"]
    seen = command([*tiny, "--data_dir", "none", *words, "--out", "lists"], place)
    assert seen.code == 0, seen.err
    config = json.loads((place / "lists/config.json").read_text())
    assert config["data"]["train"]["fear"] == 17
    refused(command([*tiny, *words[:4], "--label-train", "train.txt"], place), "--label-test")


def test_channel_order_rgb_differs_from_the_default(command, place, tiny, plain, rows):
    seen = command([*tiny, "--channel_order", "rgb"], place)
    assert seen.code == 0, seen.err
    (other,), (base,) = rows(place / "result"), rows(plain)
    assert other["train"]["loss"] != base["train"]["loss"]
    assert other["test"]["loss"] != base["test"]["loss"]
    names = json.loads((place / "result/config.json").read_text())["quirks_in_force"]
    assert "colours in blue-green-red order" not in names
    assert "statistics decay" in names


def test_corrected_turns_on_what_the_register_lists(command, place, tiny, rows):
    seen = command([*tiny, "--corrected", "--batch-size", "2"], place)
    assert seen.code == 0, seen.err
    (row,) = rows(place / "result")
    assert np.sum(row["labelled"]["confusion"]) == 100  # every labelled image, none dropped
    config = json.loads((place / "result/config.json").read_text())
    for quirk in quirks.load(EXPERIMENT.quirks):
        assert quirk.corrected.items() <= config["arguments"].items()
    assert json.loads((place / "result/summary.json").read_text())["headline"]["protocol"] == (
        "val_selected"
    )


# --- checkpoints ---------------------------------------------------------------------------------


def test_best_checkpoint_loads_in_a_plain_torchvision_resnet18(plain):
    best = torch.load(plain / "model_best.pth.tar", weights_only=True)
    assert set(best) == {*KEYS, "record"} and best["acc"] == best["best_acc"] > 0
    trunk = resnet18(weights=None)
    network = nn.Module()
    network.base = nn.Sequential(*list(trunk.children())[:-2])
    network.classifier = nn.Linear(512, 7)
    for part in ("state_dict", "ema_state_dict"):
        nn.DataParallel(network).load_state_dict(best[part], strict=True)
        assert all(name.startswith(("module.base.", "module.classifier.")) for name in best[part])
    moved = best["state_dict"]["module.base.0.weight"]
    assert not torch.equal(moved, best["ema_state_dict"]["module.base.0.weight"])


def test_msceleb_file_is_where_training_starts(command, place, tiny):
    weights = resnet18(weights=None).state_dict()
    (place / "models").mkdir()
    content = {"state_dict": {f"module.{name}": value for name, value in weights.items()}}
    torch.save(content, place / "models/resnet18_msceleb.pth")
    seen = command([*tiny, "--lr", "0"], place)
    assert seen.code == 0, seen.err
    assert "random weights" not in seen.err
    trained = checkpoint.load(place / "result/checkpoint.pth.tar")["state_dict"]
    assert torch.equal(trained["module.base.7.1.bn2.weight"], weights["layer4.1.bn2.weight"])
    assert torch.equal(trained["module.base.0.weight"], weights["conv1.weight"])


def test_other_pretrained_weights_are_refused_with_a_list(command, place, tiny):
    weights = resnet18(weights=None).state_dict()
    weights["head.weight"] = weights.pop("layer1.0.conv1.weight")
    torch.save(weights, place / "odd.pth")
    seen = command([*tiny, "--pretrained", "odd.pth"], place)
    refused(seen, "missing: base.4.0.conv1.weight", "unexpected: head.weight")


# --- resume --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def longer(tmp_path_factory, tiny):
    """Flags of a run on weights so confident that the margins move."""
    torch.manual_seed(0)
    model = UnitNormResNet(7)
    model.classifier.weight.data.mul_(500)
    path = tmp_path_factory.mktemp("weights") / "confident.pth"
    torch.save(model.state_dict(), path)
    yield [*tiny, "--lr", "0.0001", "--ema-decay", "0.9", "--pretrained", path]
    path.unlink()


@pytest.fixture(scope="module")
def straight(tmp_path_factory, command, longer, rows):
    """Four epochs without a stop."""
    folder = tmp_path_factory.mktemp("straight")
    seen = command([*longer, "--epochs", "4"], folder)
    assert seen.code == 0, seen.err
    margins = [row["labelled"]["margins"] for row in rows(folder / "result")]
    assert max(margins[1]) > 0.8 and margins[1] != margins[3]
    yield folder / "result"
    shutil.rmtree(folder, ignore_errors=True)


def test_two_epochs_and_two_more_equal_four(command, place, longer, straight, assert_same):
    first = command([*longer, "--epochs", "4", "--stop_after_epoch", "2"], place)
    assert first.code == 0, first.err
    assert "--resume result/last.ckpt" in first.out
    second = command([*longer, "--epochs", "4", "--resume", "result"], place)
    assert second.code == 0, second.err
    halves = place / "result"
    ours, theirs = (checkpoint.load(run / "last.ckpt") for run in (halves, straight))
    assert {"margins", "epoch"} <= ours["method"].keys()
    assert any(name.endswith("running_mean") for name in ours["ema"])
    assert_same(ours, theirs)
    for name in ("metrics.jsonl", "log.txt", "pseudo_labels.csv"):
        assert (halves / name).read_bytes() == (straight / name).read_bytes()
    assert_same(*(checkpoint.load(run / "checkpoint.pth.tar") for run in (halves, straight)))


def test_authors_checkpoint_resumes_with_margins_of_its_average(command, place, longer, straight):
    latest = straight / "checkpoint.pth.tar"
    words = [*longer, "--resume", latest]
    refused(command([*words, "--epochs", "4"], place), "more --epochs")
    seen = command([*words, "--epochs", "5", "--lr", "0.002"], place)
    assert seen.code == 0, seen.err
    (told,) = [line for line in seen.err.splitlines() if "checkpoint.pth.tar holds" in line]
    assert "the margins come from its average anew" in told
    assert "log.txt and the other tables start anew" in told and "is not checked" in told
    before, after = (checkpoint.load(path) for path in (latest, place / "result" / latest.name))
    assert (before["epoch"], after["epoch"]) == (5, 6)  # the epoch that comes next, as published
    rates = [state["optimizer"]["param_groups"][0]["lr"] for state in (before, after)]
    assert rates == [0.0001, 0.002]
    assert after["best_acc"] >= before["best_acc"]


def test_resume_with_other_flags_is_refused(command, place, longer, straight):
    words = [*longer, "--resume", straight, "--epochs", "6"]
    refused(command([*words, "--channel_order", "rgb"], place), "channel_order was 'bgr'")
    refused(command([*longer, "--resume", "nowhere"], place), "--resume nowhere does not exist")


# --- mistakes ------------------------------------------------------------------------------------


def test_mistakes_are_told_in_a_sentence(command, place, tiny, official):
    refused(command([*tiny, "--n-labeled", "400"], place), "60 labelled images of surprise")
    refused(command([*tiny, "--batch-size", "64"], place), "unlabelled", "--batch-size")
    refused(command([*tiny, "--train-root", "x"], place), "--train-root and --test-root")
    refused(command([*tiny, "--dataset", "sfew"], place), "there is no SFEW")
    (place / "result").mkdir()
    (place / "result/thesis.txt").write_text("mine")
    refused(command(tiny, place), "is no run and is not replaced", "--out")
    root = official(place / "own/rafdb")
    oblong = root / "Image/aligned/train_00001_aligned.jpg"
    Image.new("RGB", (40, 30)).save(oblong)
    words = [*tiny, "--data_dir", place / "own"]
    refused(command(words, place), "is 40 x 30", "--square_crop")


# --- own images ----------------------------------------------------------------------------------


OWN = ("--dataset", "mine", "--train-root", "train", "--test-root", "test", "--n-labeled", "12")


@pytest.fixture
def own(place):
    """Faces of three classes with blanks in their names, as folders and as lists."""
    generator, lines = np.random.default_rng(0), {"train": [], "test": []}
    for split, number in (("train", 9), ("test", 2)):
        for label, name in enumerate(("at rest", "joy of life", "rage")):
            (place / split / name).mkdir(parents=True)
            for k in range(number):
                pixels = generator.integers(0, 256, (36, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / split / name / f"face {k}.jpg")
                lines[split].append(f"{name}/face {k}.jpg {label}")
        (place / f"{split}.txt").write_text("\n".join(lines[split]) + "\n")
    return place


@pytest.mark.parametrize("listed", [False, True])
def test_any_classes_by_folders_or_lists(command, own, tiny, listed):
    words = [*OWN, *(("--label-train", "train.txt", "--label-test", "test.txt") if listed else ())]
    seen = command([*tiny, *words], own)
    assert seen.code == 0, seen.err
    names = ["0", "1", "2"] if listed else ["at rest", "joy of life", "rage"]
    assert json.loads((own / "result/config.json").read_text())["data"]["classes"] == names
    assert ", ".join(f"4 of {name}" for name in names) in seen.err


def test_unknown_dataset_without_folders_is_told(command, place, tiny):
    refused(command([*tiny, "--dataset", "mine"], place), "known are rafdb", "--train-root")


def test_a_folder_of_the_authors_is_written_into_and_another_is_not(command, place, tiny, own):
    (place / "result").mkdir()
    for name in ("log.txt", "checkpoint.pth.tar", "model_best.pth.tar"):
        (place / "result" / name).write_bytes(b"theirs")
    assert command([*tiny, *OWN], place).code == 0
    (place / "photos").mkdir()
    (place / "photos/mine.jpg").write_bytes(b"mine")
    refused(command([*tiny, *OWN, "--out", "photos"], place), "holds files but no config.json")
    assert (place / "photos/mine.jpg").read_bytes() == b"mine"


def test_batch_norm_groups_are_another_training(command, own, tiny):
    for name, more in (("whole", []), ("parts", ["--bn_groups", "2"])):
        assert command([*tiny, *OWN, "--out", name, *more], own).code == 0
    whole, parts = ((own / name / "metrics.jsonl").read_text() for name in ("whole", "parts"))
    assert whole != parts
    for name, expected in (("whole", True), ("parts", False)):
        config = json.loads((own / name / "config.json").read_text())
        assert ("batch norm on two GPUs" in config["quirks_in_force"]) is expected
