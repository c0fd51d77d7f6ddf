"""A training as a person runs it: its files, its continuation, its refusals."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from common.engine import checkpoint
from webemotion import train as train_module
from webemotion.lists import read_list, write_list
from webemotion.text import embed
from webemotion.text import train as text_training

SCRIPTS = Path(__file__).resolve().parents[2] / "webemotion/scripts"
V3 = "mains/main_mclss_cross_entropy_v3"
V2 = "mains/main_mclass_cross_entropy_v2"
FINETUNE = "mains_finetuning/main_sclss_cross_entropy_finetune"
TRANSFER = "mains/main_sclss_2Branch_finetune"
JOINT = "mains_exp/main_mclss_2Branch_Joint"
DATA = "data/webtags"
FLAGS = ("--device", "cpu", "--backbone", "resnet10", "--image_size", "32")
TAGS = {
    "num_classes": 12,
    "data_dir": f"{DATA}/stockimage742/images-256",
    "train_file": "few.pkl",
    "val_file": f"{DATA}/small/test.pkl",
    "trainloader": "multilabel_v2_train",
    "valloader": "multilabel_v2_val",
    "batch_size": 4,
    "epochs": 2,
    "workers": 0,
    "lr": 0.01,
}
SINGLE = TAGS | {
    "num_classes": 8,
    "data_dir": f"{DATA}/Deepemotion/images",
    "train_file": "few8.pkl",
    "val_file": f"{DATA}/Deepemotion/z_data/test_8.pkl",
    "trainloader": "singlelabel_v2_train",
    "valloader": "singlelabel_v2_val",
}
JOINED = TAGS | {
    "arch": "resnet_joint_50",
    "train_file": "few_tags.pkl",
    "trainloader": "image_text_train",
    "text_ckpt": "models/model_best.pth.tar",
    "epochs": 1,
}


@pytest.fixture(scope="module")
def place(world):
    """`world` with lists of eight training images."""
    short = {
        "few.pkl": "small/train.pkl",
        "few_tags.pkl": "small/train_full_tag.pkl",
        "few8.pkl": "Deepemotion/z_data/train_8.pkl",
    }
    for name, source in short.items():
        write_list(world / name, read_list(world / DATA / source)[:8])
    return world


@pytest.fixture
def train(place, script):
    """``train(name, config, *flags)`` in a folder ``out`` that goes away."""

    def run(name, config, *flags):
        return script(name, config | {"save_directory": "../out"}, (*FLAGS, *flags), place)

    yield run
    for folder in ("out", "other"):
        shutil.rmtree(place / folder, ignore_errors=True)


def read(path):
    return torch.load(path, weights_only=True)


def test_files_of_a_training(place, train, rows):
    seen = train(V3, TAGS)
    assert seen.code == 0, seen.err
    assert "DRAWN STAND-IN DATA" in seen.out
    out = place / "out"
    state = read(out / "checkpoint_0001.pth.tar")
    assert set(state) == {"epoch", "arch", "state_dict", "best_prec1", "optimizer", "record"}
    assert state["epoch"] == 2 and state["arch"] == "resnet50"
    assert all(name.startswith("module.") for name in state["state_dict"])
    assert state["best_prec1"] == 100 * max(row["test"]["hits"] for row in rows(out))
    assert len(list(out.glob("log-*.txt"))) == 1
    config = json.loads((out / "config.json").read_text())
    images = {"test": 8, "train": 8, "val": 0}
    assert config["data"] == {"name": "few.pkl", "images": images, "drawn": True}
    assert "frozen networks keep counting" in config["quirks_in_force"]
    again = train(V3, TAGS)
    assert again.code == 2
    assert "already exists; give --overwrite" in again.err


def test_a_stopped_training_goes_on_to_the_same_bits(place, train, assert_same):
    config = SINGLE | {"lr_schedule": None, "lr_patience": 0, "dataloader": "singlelabel_v2"}
    assert train(TRANSFER, config).code == 0
    whole = checkpoint.load(place / "out/last.ckpt")
    shutil.move(place / "out", place / "other")
    stopped = train(TRANSFER, config, "--stop_after_epoch", "1")
    assert "--resume ckpts/../out" in stopped.out
    seen = train(TRANSFER, config, "--resume", "out")
    assert seen.code == 0, seen.err
    assert_same(checkpoint.load(place / "out/last.ckpt"), whole)
    refused = train(TRANSFER, config | {"lr": 0.5}, "--resume", "out")
    assert refused.code == 2
    assert "lr was 0.01 and is now 0.5" in refused.err


def test_a_published_training_goes_on_at_the_base_rate(place, train, rows):
    config = TAGS | {"lr_schedule": "1"}
    assert train(V3, config).code == 0
    assert [row["lr"] for row in rows(place / "out")] == pytest.approx([0.01, 0.001])
    shutil.move(place / "out", place / "other")
    more = config | {"epochs": 4, "resume": "other/checkpoint_0001.pth.tar", "ID": "plain"}
    seen = train(V3, more)
    assert seen.code == 0, seen.err
    (ours,) = (place / "other").glob("plain-*")
    later = rows(ours)
    assert [row["epoch"] for row in later] == [3, 4]
    assert [row["lr"] for row in later] == pytest.approx([0.01, 0.001])
    assert rows(place / "other") != later  # the records of the earlier run stay
    theirs = {path.name for path in (place / "other").glob("*.tar")}
    assert theirs == {f"checkpoint_000{k}.pth.tar" for k in range(4)} | {"model_best.pth.tar"}
    logs = "".join(log.read_text() for log in (place / "other").glob("log-*.txt"))
    assert logs.count("script_name") == 2  # in one file where both began in one second
    assert not list(ours.glob("*.tar"))
    kept = (more | {"ID": "kept"}, "--keep_schedule")
    assert train(V3, *kept, "--stop_after_epoch", "3").code == 0
    (ours,) = (place / "other").glob("kept-*")
    assert train(V3, *kept, "--resume", str(ours)).code == 0
    assert [row["lr"] for row in rows(ours)] == pytest.approx([0.001, 0.001])
    refused = train(V3, more | {"epochs": 2}, "--overwrite")
    assert "nothing is left to train" in refused.err


def test_weights_alone_begin_a_training(place, train, rows):
    assert train(V3, TAGS | {"epochs": 1}).code == 0
    state = read(place / "out/checkpoint_0000.pth.tar")["state_dict"]
    for number, held in enumerate((state, {"state_dict": state, "optimizer": {}})):
        (place / "other").mkdir(exist_ok=True)
        torch.save(held, place / "other/bare.pth.tar")
        changes = {"epochs": 1, "resume": "other/bare.pth.tar", "ID": f"run{number}"}
        seen = train(V3, TAGS | changes)
        assert seen.code == 0, seen.err
        assert "its weights are taken, and the training begins at start_epoch" in seen.err
        (ours,) = (place / "other").glob(f"run{number}-*")
        assert [row["epoch"] for row in rows(ours)] == [1]


def test_evaluation_alone_trains_nothing(place, train):
    seen = train(V3, TAGS | {"evaluate": True})
    assert seen.code == 0, seen.err
    report = json.loads((place / "out/evaluation.json").read_text())
    assert report["images"] == 8
    assert not (place / "out/last.ckpt").exists()


def test_joint_experiment_saves_its_text_head_untrained_or_trained(place, train):
    assert train(JOINT, JOINED | {"seed": 3}).code == 0
    first = read(place / "out/checkpoint_0000.pth.tar")
    shutil.rmtree(place / "out")
    assert train(JOINT, JOINED | {"seed": 3}, "--corrected", "--set", "epochs=2").code == 0
    later = read(place / "out/checkpoint_0001.pth.tar")
    head = "FC_embed.weight"
    assert set(first["text_state_dict"]) == {head, "FC_embed.bias", "FC_cls.weight", "FC_cls.bias"}
    assert not torch.equal(first["text_state_dict"][head], later["text_state_dict"][head])
    assert not any("FC" in name for name in first["state_dict"])
    summary = json.loads((place / "out/summary.json").read_text())
    assert summary["protocols"]["val_selected"]["value"] is not None


def test_finetuning_saves_improvements_alone(place, train):
    assert train(FINETUNE, SINGLE | {"freeze": True, "epochs": 1}, "--set", "lr=0").code == 0
    saved = list((place / "out").glob("*.pth.tar"))
    history = json.loads((place / "out/metrics.jsonl").read_text().splitlines()[0])
    assert bool(saved) == (history["test"]["top1"] > 0)


def test_the_readmes_command_names_the_first_missing_file(tmp_path, script):
    config = SCRIPTS / "Adobe_Selected690_MultiClass_CrossEntropy_config.json"
    seen = script(V2, str(config), (), tmp_path)
    assert seen.code == 2
    assert "data_v6_690_xmas/CNNsplit_key_labels_train.pkl, is not there" in seen.err
    assert "python -m common.datasets twin webtags --out data/webtags" in seen.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        (V3, {"arch": "resnet_joint_50"}, "other outputs than this script takes"),
        (V3, {"trainloader": "singlelabel_v2_train"}, "takes several classes an image"),
        (FINETUNE, {}, "takes one class an image"),
        (JOINT, {"text_ckpt": "models/model_best.pth.tar"}, "expected one of image_text_train"),
        (V3, {"pretrained": "nothing.pth"}, "nothing.pth"),
        (V3, {"resume": "nothing.pth.tar"}, "nothing.pth.tar, is not there"),
    ],
)
def test_configurations_that_do_not_fit(place, train, name, changes, told):
    seen = train(name, TAGS | changes)
    assert seen.code == 2
    assert told in seen.err
    assert "Traceback" not in seen.err
    assert not (place / "out").exists()


def test_resume_takes_a_run_of_ours(train):
    seen = train(V3, TAGS, "--resume", "nowhere")
    assert seen.code == 2
    assert "give a run folder" in seen.err


def test_the_four_commands_of_the_readme(world, script):
    small = [
        *("--train_file", f"{DATA}/small/train_full_tag.pkl", "--val_count", "8"),
        *("--tag2idx", f"{DATA}/vocabulary/tag2idx.pkl", "--num_classes", "12"),
        *("--word_dim", "64", "--filter_dim", "64", "--sent_len", "20", "--epochs", "1"),
        *("--out", "models/twin_text.pth.tar", "--device", "cpu"),
    ]
    tag_images = ("--set", f"val_file={DATA}/small/train.pkl")
    before = os.getcwd()
    os.chdir(world)
    try:
        assert text_training.main(small) == 0
        words = ["--text_ckpt", "models/twin_text.pth.tar", "--out", "models/twin_words.pkl"]
        assert embed.main(words) == 0
    finally:
        os.chdir(before)
    commands = {
        "1_tags": (V2, tag_images),
        "2_image_and_text": ("mains/main_mclss_2Branch_cosine", tag_images),
        "3_unbiasedemo": (TRANSFER, ()),
        "4_zero_shot": ("mains/main_sclss_2Branch_0Shot_Evaluation_UnBiasedEmotion", ()),
    }
    for config, (name, more) in commands.items():
        tiny = ("--device", "cpu", "--image_size", "32", "--max_steps", "4", "--set", "workers=0")
        seen = script(name, str(SCRIPTS / f"twin/{config}.json"), (*tiny, *more), world)
        assert seen.code == 0, seen.err
    assert "zero-shot accuracy" in seen.out
    shutil.rmtree(world / "ckpts/twin")


def test_the_engine_runs_a_script_by_its_name(monkeypatch, capsys):
    called = []
    monkeypatch.setattr(train_module, "main", lambda name, words: called.append((name, words)) or 0)
    words = ["webemotion.train", "--config_file", "c.json", "--script", V3, "--fast"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as leave:
        train_module.cli()
    assert leave.value.code == 0
    assert called == [(V3, ["--config_file", "c.json", "--fast"])]
    for words in (["x", "--script"], ["x", "--script", "nonsense"]):
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as leave:
            train_module.cli()
        assert leave.value.code == 2 and "argument --script" in capsys.readouterr().err
