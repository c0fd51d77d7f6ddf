"""``--split`` and ``--cache`` of the trainings on lists, as a person runs them."""

import json
import shutil

import pytest

from common.datasets.__main__ import main as data_command
from common.engine import checkpoint
from webemotion import sources
from webemotion.lists import Entry, read_list, write_list

SCRIPT = "mains_finetuning/main_sclss_cross_entropy_finetune"
HOME = "data/webtags/Deepemotion"
FLAGS = ("--device", "cpu", "--backbone", "resnet10", "--image_size", "32")
CONFIG = {
    "num_classes": 8,
    "data_dir": f"{HOME}/images",
    "train_file": f"{HOME}/z_data/train_8.pkl",
    "val_file": f"{HOME}/z_data/test_8.pkl",
    "trainloader": "singlelabel_v2_train",
    "valloader": "singlelabel_v2_val",
    "batch_size": 4,
    "epochs": 1,
    "workers": 0,
    "lr": 0.01,
    "save_directory": "../out",
}


@pytest.fixture
def train(world, script):
    """``train(changes, *flags)`` in a folder ``out`` that goes away."""

    def run(changes, *flags):
        return script(SCRIPT, CONFIG | changes, (*FLAGS, *flags), world)

    yield run
    for folder in ("out", "other", "pixels"):
        shutil.rmtree(world / folder, ignore_errors=True)


@pytest.fixture
def split(world, in_process, tmp_path):
    """``split(labels, seed, *more)``: a split file of the drawn DeepEmotion lists."""

    def draw(labels: int, seed: int, *more, of=("deepemotion", HOME)):
        words = ["split", of[0], world / of[1], "--protocol", "balanced", *more]
        words += ["--labels", labels, "--seed", seed, "--out", tmp_path / f"{seed}"]
        seen = in_process(data_command, [str(word) for word in words], tmp_path)
        assert seen.code == 0, seen.err
        return next((tmp_path / f"{seed}").glob("*.json"))

    return draw


def test_split_file_says_what_is_trained_on(train, split, world, rows):
    file = split(8, 1)
    seen = train({}, "--split", file)
    assert seen.code == 0, seen.err
    content = json.loads(file.read_text())
    recorded = json.loads((world / "out/config.json").read_text())["data"]
    assert recorded["split"]["file_hash"] == content["hash"]
    assert recorded["images"]["train"] == 8 and recorded["images"]["val"] == 0
    first = checkpoint.load(world / "out/last.ckpt")
    assert first["identity"]["split"] == content["hash"]

    by_file = rows(world / "out")[0]["train"]
    listed = read_list(world / CONFIG["train_file"])
    write_list(world / "chosen.pkl", [listed[i] for i in content["labelled"]])
    shutil.move(world / "out", world / "other")
    assert train({"train_file": "chosen.pkl"}).code == 0
    assert rows(world / "out")[0]["train"] == by_file

    for more in ((), ("--split", split(8, 2))):
        refused = train({"epochs": 2}, "--resume", "other", *more)
        assert refused.code == 2 and "split was" in refused.err
    assert train({"epochs": 2}, "--resume", "other", "--split", file).code == 0


def test_split_file_of_a_list_with_several_classes(script, train, split, world):
    file = split(12, 5, of=("stockemotion_small", "data/webtags"))
    tags = CONFIG | {
        "num_classes": 12,
        "data_dir": "data/webtags/stockimage742/images-256",
        "train_file": "data/webtags/small/train.pkl",
        "val_file": "data/webtags/small/test.pkl",
        "trainloader": "multilabel_v2_train",
        "valloader": "multilabel_v2_val",
    }
    flags = (*FLAGS, "--split", file, "--max_steps", "1")
    seen = script("mains/main_mclss_cross_entropy_v3", tags, flags, world)
    assert seen.code == 0, seen.err
    assert json.loads((world / "out/config.json").read_text())["data"]["images"]["train"] == 12


def test_split_file_may_hold_images_out(train, split, world):
    file = split(8, 3, "--val_fraction", "0.5")
    seen = train({}, "--split", file)
    assert seen.code == 0, seen.err
    held = len(json.loads(file.read_text())["validation"])
    recorded = json.loads((world / "out/config.json").read_text())["data"]
    assert held and recorded["images"]["val"] == held
    refused = train({}, "--split", file, "--val_fraction", "0.2", "--overwrite")
    assert refused.code == 2 and "already" in refused.err


def test_split_file_of_other_images_is_refused(train, split, world):
    file = split(8, 4)
    listed = read_list(world / CONFIG["train_file"])
    write_list(world / "fewer.pkl", listed[1:])
    seen = train({"train_file": "fewer.pkl"}, "--split", file)
    assert seen.code == 2 and "other images than these" in seen.err
    assert not (world / "out").exists()


@pytest.mark.parametrize("flag", ["--split", "--cache"])
def test_idle_flags_are_refused(train, world, flag):
    seen = train({"evaluate": True}, flag, "somewhere")
    assert seen.code == 2 and f"{flag} is about a training's images" in seen.err
    assert not (world / "out").exists()


def test_cache_changes_nothing(train, world, rows, assert_same):
    assert train({}).code == 0
    plain = checkpoint.load(world / "out/last.ckpt")
    shutil.move(world / "out", world / "other")
    seen = train({}, "--cache", "pixels")
    assert seen.code == 0, seen.err
    assert len(list((world / "pixels").glob("*.pixels"))) == 2  # of training, of validation
    assert_same(checkpoint.load(world / "out/last.ckpt"), plain)
    shutil.rmtree(world / "out")
    again = train({}, "--cache", "pixels", "--stop_after_epoch", "1")
    assert again.code == 0 and len(list((world / "pixels").glob("*.pixels"))) == 2


def test_unreadable_images_are_left_out_as_without_a_cache(train, world):
    listed = read_list(world / CONFIG["train_file"])[:10]
    (world / HOME / "images/broken.jpg").write_bytes(b"no image")
    write_list(world / "broken.pkl", [*listed, Entry("broken.jpg", 0)])
    seen = train({"train_file": "broken.pkl"}, "--cache", "pixels")
    assert seen.code == 0, seen.err
    assert "broken.jpg" in seen.err


@pytest.mark.parametrize(
    ("label", "first"),
    [
        *((3, 3), (-1, None), ([], None), ([4, 1], 4), ([-1, 2], 2)),
        *(([[5, 2], [1, 9]], 5), ([0.25, 0.75], 1), ([0.0, 0.0], None)),
    ],
)
def test_class_that_an_entry_counts_as(label, first):
    assert sources.first_class(Entry("a.jpg", label)) == first
