"""The documented commands, in-process, on tiny images."""

import os
import signal

import numpy as np
import pytest
import torch
from torchvision.models import resnet18

from common import flags, quirks
from common.engine import checkpoint
from s2ver import data
from s2ver.main import EXPERIMENT
from s2ver.method import S2VER
from s2ver.model import build_model
from s2ver.options import build_parser

PROTOCOLS = {"best_on_test", "last", "median_last_20", "val_selected"}


def split_of(tiny, *words, folder):
    """The images a command would train on."""
    argv = [*tiny, *words, "--save_dir", str(folder)]
    args, given_flags = flags.parse(build_parser, argv)
    return args, data.read(args, given_flags)


def same_tensors(left, right):
    assert left.keys() == right.keys()
    return all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture
def twin(drawn, place):
    """A working directory with the drawn twin at data/fi."""
    (place / "data").mkdir()
    (place / "data/fi").symlink_to(drawn / "fi")
    return place


# --- documented invocations ----------------------------------------------------------------------


def test_shortest_published_command(command, twin, tiny):
    words = ["--num_labels", "1600", "-ds", "fi", "-nc", "8", "--gpu", "0"]
    seen = command([*words, *tiny, "--data_dir", "./data"], twin)

    assert seen.code == 0, seen.err
    written = {path.name for path in seen.folder.iterdir()}
    events = {name for name in written if name.startswith("events.out.tfevents.")}
    assert len(events) == 1
    assert written - events == {
        *("model_best.pth", "last.ckpt", "previous.ckpt", "sampled_label_idx_fi_16.npy"),
        *("config.json", "environment.json", "metrics.jsonl", "summary.json", "log.txt"),
        *("pseudo_labels.csv", "pseudo_labels.png"),
    }
    assert (twin / "data_statistics/fi_16.json").is_file()
    assert "2/2 steps" in seen.err and "left" in seen.err and "images/s" in seen.err


def test_longer_published_command(command, place, drawn, tiny):
    words = "--epoch 512 --num_train_iter 1024 --num_labels 1600 -bsz 8 --num_workers 4 --gpu 1"
    folders = ["--train_data_dir", drawn / "fi/train", "--test_data_dir", drawn / "fi/test"]
    argv = [*words.split(), *folders, "-ds", "fi", "-nc", "8", "--overwrite", *tiny]
    seen = command([*argv, "--data_dir", "none"], place)

    assert seen.code == 0, seen.err
    assert seen.json("config.json")["data"]["test"]["awe"] == 8
    assert np.sum(seen.metrics[0]["test"]["confusion"]) == 64


def test_drawn_images_are_marked_in_every_report(command, twin, tiny, plain):
    seen = command([*tiny, "--data_dir", "data"], twin)
    assert seen.json("summary.json")["drawn"] and seen.json("config.json")["data"]["drawn"]
    for report in (seen.out, seen.log):
        assert report.count("DRAWN STAND-IN DATA") == 1
    assert "DRAWN" not in plain.out + plain.log


def test_own_images_under_an_unknown_name(command, place, images, tiny):
    folders = ["--train_data_dir", images / "fi/train", "--test_data_dir", images / "fi/test"]
    seen = command([*tiny, "-ds", "holidays", *folders], place)
    assert seen.code == 0, seen.err
    assert seen.log.count("no polarity is known for the classes of holidays") == 1
    assert (seen.folder / "sampled_label_idx_holidays_16.npy").is_file()


@pytest.mark.skipif(torch.cuda.is_available(), reason="the machine has CUDA")
def test_gpu_on_a_machine_without_one_warns_once(command, twin, tiny):
    seen = command([*tiny, "--gpu", "0"], twin)
    assert seen.code == 0
    assert seen.log.count("--gpu 0 was asked for") == seen.err.count("--gpu 0 was asked for") == 1
    assert seen.json("environment.json")["device_type"] == "cpu"


# --- files of a run ------------------------------------------------------------------------------


def test_summary_has_the_four_protocols(plain):
    summary = plain.json("summary.json")
    assert set(summary["protocols"]) == PROTOCOLS
    assert summary["protocols"]["val_selected"]["value"] is None
    top1 = plain.metrics[0]["test"]["top1"]
    assert summary["headline"]["protocol"] == "best_on_test"
    assert summary["headline"]["value"] == summary["protocols"]["last"]["value"] == top1
    assert summary["finished"] and not summary["drawn"]


def test_printed_headline_names_its_protocol(plain):
    first, *others = plain.out.splitlines()
    top1 = plain.metrics[0]["test"]["top1"]
    assert first == (
        f"top1 {top1:.2%} (best_on_test: best epoch chosen on the test set itself, epoch 1)"
    )
    told = "\n".join(others)
    assert "last: " in told and "median_last_20: " in told
    assert "val_selected: none" in told
    assert "saved_models/main" in others[-1]


def test_best_checkpoint_has_the_authors_keys_and_loads_strictly(plain):
    best = torch.load(plain.folder / "model_best.pth", weights_only=True)
    assert set(best) == {"model", "optimizer", "scheduler", "it", "ema_model", "record"}
    for part in ("model", "ema_model"):
        build_model("resnet18", 8).load_state_dict(best[part], strict=True)
    assert best["it"] == 0
    assert torch.equal(best["model"]["bn1.running_mean"], best["ema_model"]["bn1.running_mean"])
    assert not torch.equal(best["model"]["conv1.weight"], best["ema_model"]["conv1.weight"])


def test_labelled_images_are_balanced_and_counted(plain, images):
    index = np.load(plain.folder / "sampled_label_idx_fi_16.npy")
    assert len(set(index.tolist())) == 16
    assert (np.bincount(index // 12, minlength=8) == 2).all()  # twelve images a class, in order
    statistics = (plain.folder.parents[1] / "data_statistics/fi_16.json").read_text()
    assert '"distribution"' in statistics and statistics.count("0.125") == 8


def test_metrics_row_has_losses_and_metrics(plain):
    (row,) = plain.metrics
    assert (row["epoch"], row["step"]) == (1, 2)
    parts = {"sup_loss", "unsup_loss", "contrast_loss", "distribution_loss"}
    assert parts | {"loss", "mask_rate", "pseudo_true_ratio"} <= row["train"].keys()
    kinds = {"top1", "top5", "balanced_accuracy", "macro_f1", "ece", "loss", "confusion"}
    assert kinds <= row["test"].keys()
    assert np.sum(row["test"]["confusion"]) == 32
    weights = {"sup_loss": 1, "unsup_loss": 1, "contrast_loss": 3, "distribution_loss": 3}
    total = sum(w * row["train"][name] for name, w in weights.items())
    assert row["train"]["loss"] == pytest.approx(total, rel=1e-5)


def test_config_repeats_every_argument(plain, tiny):
    args, _ = flags.parse(build_parser, tiny)
    assert plain.json("config.json")["arguments"] == vars(args)


# --- splits --------------------------------------------------------------------------------------


def test_validation_chooses_the_headline(command, place, tiny):
    seen = command([*tiny, "--val_fraction", "0.2"], place)
    assert seen.code == 0, seen.err
    assert "(val_selected: epoch chosen on held-out validation images" in seen.out.splitlines()[0]
    assert seen.json("summary.json")["headline"]["protocol"] == "val_selected"
    assert np.sum(seen.metrics[0]["val"]["confusion"]) == 8 * 2


def test_validation_images_are_in_neither_stream(tiny, tmp_path):
    args, chosen = split_of(tiny, "--val_fraction", "0.2", folder=tmp_path)
    held_out = set(chosen.validation.table["path"])
    assert len(held_out) == 16
    for stream in data.streams(chosen, args, ("labelled", "unlabelled"), False).values():
        assert held_out.isdisjoint(stream.dataset.paths)
    assert held_out.isdisjoint(chosen.test.table["path"])
    _, without = split_of(tiny, folder=tmp_path)
    assert (chosen.split.labelled == without.split.labelled).all()
    assert set(without.labelled.table["path"]) < set(without.unlabelled.table["path"])


def test_replaced_run_keeps_its_labelled_images(command, place, tiny):
    first = command(tiny, place)
    index = np.load(first.folder / "sampled_label_idx_fi_16.npy")
    second = command([*tiny, "--seed", "2", "--overwrite"], place)

    assert second.code == 0, second.err
    assert (np.load(second.folder / "sampled_label_idx_fi_16.npy") == index).all()
    assert "labelled images read back from" in second.log
    assert "labelled images read back from" not in first.err
    assert len(second.metrics) == 1
    assert len(list(second.folder.glob("events.*"))) == 1


def test_going_on_in_another_folder_takes_the_labelled_images_along(command, place, tiny):
    two = [*tiny, "--epoch", "2", "--stop_after_epoch"]
    first = command([*two, "1"], place)
    index = (first.folder / "sampled_label_idx_fi_16.npy").read_bytes()
    first = command([*two, "1", "--seed", "2", "--overwrite"], place)  # keeps the split of seed 1

    resume = ["--seed", "2", "--resume", "--load_path", str(first.folder), "-sn", "moved"]
    second = command([*two, "2", *resume], place, "moved")
    assert second.code == 0, second.err
    assert (second.folder / "sampled_label_idx_fi_16.npy").read_bytes() == index
    assert [row["epoch"] for row in second.metrics] == [1, 2]


def test_going_on_over_another_run_replaces_its_files(command, place, tiny):
    first = command([*tiny, "--epoch", "2", "--stop_after_epoch", "1"], place)
    other = command([*tiny, "--seed", "5", "-sn", "other"], place, "other")
    events = {file.name for file in other.folder.glob("events.*")}

    resume = ["--resume", "--load_path", str(first.folder), "-sn", "other", "--overwrite"]
    refused = command([*tiny, "--epoch", "2", *resume], place, "other")
    assert refused.code == 2 and "labelled_images" in refused.err  # the folder keeps its own split
    (other.folder / "sampled_label_idx_fi_16.npy").unlink()
    second = command([*tiny, "--epoch", "2", *resume], place, "other")
    assert second.code == 0, second.err
    assert not events & {file.name for file in second.folder.glob("events.*")}


def test_data_seed_alone_decides_the_split_where_given(tiny, tmp_path):
    def labelled(*words):
        return split_of(tiny, *words, folder=tmp_path)[1].split.labelled.tolist()

    assert labelled("--data_seed", "5", "--seed", "1") == labelled("--data_seed", "5")
    assert labelled("--data_seed", "5", "--seed", "1") == labelled(
        "--data_seed", "5", "--seed", "2"
    )
    assert labelled("--data_seed", "5") != labelled("--data_seed", "6")
    assert labelled("--seed", "3") != labelled("--seed", "4")
    assert labelled("--seed", "3") == labelled("--data_seed", "3")


# --- quirks and ignored flags --------------------------------------------------------------------


def test_quirks_in_force_are_logged_and_recorded(plain):
    names = plain.json("config.json")["quirks_in_force"]
    assert f"quirks in force: {'; '.join(names)}\n" in plain.log
    assert {"average restarted each epoch", "best epoch chosen on test"} <= set(names)
    assert "signed L1 relation" not in names  # acts with --update_m L1 only


def test_corrected_turns_on_what_the_register_lists(command, place, tiny):
    seen = command([*tiny, "--corrected"], place)
    assert seen.code == 0, seen.err
    config = seen.json("config.json")
    corrections = [q.corrected for q in quirks.load(EXPERIMENT.quirks) if q.corrected]
    assert len(corrections) >= 5
    for wanted in corrections:
        assert wanted.items() <= config["arguments"].items()
    open_ones = {q.name for q in quirks.load(EXPERIMENT.quirks) if not q.corrected}
    assert set(config["quirks_in_force"]) <= open_ones
    assert torch.load(seen.folder / "model_best.pth", weights_only=True)["it"] == 2


def test_corrected_leaves_given_flags_alone(command, place, tiny):
    seen = command([*tiny, "--corrected", "--val_fraction", "0"], place)
    config = seen.json("config.json")
    assert config["arguments"]["val_fraction"] == 0
    assert config["arguments"]["ema_across_epochs"] is True
    assert "best epoch chosen on test" in config["quirks_in_force"]
    assert seen.json("summary.json")["headline"]["protocol"] == "best_on_test"


def test_flags_without_effect_are_told_once(command, place, tiny, plain):
    seen = command([*tiny, "--alpha", "0.5", "--net", "WideResNet", "--hard_label", "no"], place)
    assert seen.code == 0, seen.err
    for name in ("alpha", "net", "hard_label"):
        assert seen.log.count(f"--{name} is accepted and has no effect") == 1
    assert seen.log.count("has no effect") == 3
    assert "has no effect" not in plain.log
    assert seen.metrics == plain.metrics


# --- starting weights ----------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["run", "torchvision"])
def test_pretrained_weights_are_where_training_starts(command, place, tiny, plain, source):
    if source == "run":
        path = plain.folder / "model_best.pth"
        weights = checkpoint.load(path)["ema_model"]
        left, kept = "none", "fc2.weight"
    else:
        path, weights = place / "resnet18.pth", resnet18(weights=None).state_dict()
        torch.save(weights, path)
        left, kept = "fc1.weight, fc1.bias, fc2.weight, fc2.bias, fc.weight, fc.bias", "bn1.bias"
    seen = command([*tiny, "--pretrained", path, "--lr", "0"], place)

    assert seen.code == 0, seen.err
    assert f"left at their initialisation: {left};" in seen.log
    trained = checkpoint.load(seen.folder / "model_best.pth")["model"]
    for name in ("conv1.weight", "layer4.1.conv2.weight", kept):
        assert torch.equal(trained[name], weights[name])


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "--precision bf16 --channels_last",
        "--fast",
        "--update_m cos --dis_ce",
        "--update_m L1 --polarity equal",
        "--dynamic_th 0 --p_cutoff 0.1 --optim AdamW --lr 0.001",
        "--T 0.5 --ldl_ratio 0 --low_dim 16 --uratio 1",
    ],
)
def test_setting_trains(command, place, tiny, plain, words):
    seen = command([*tiny, *words.split()], place)
    assert seen.code == 0, seen.err
    (row,) = seen.metrics
    assert all(np.isfinite(value) for value in row["train"].values())
    assert row["train"] != plain.metrics[0]["train"] or words == "--fast"


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")
def test_mixed_precision_is_fp16(command, place, tiny):
    short = ["--num_train_iter", "1", "-bsz", "2", "--uratio", "1"]  # slow on a CPU
    seen = command([*tiny, *short, "--amp", "True", "--clip", "1"], place)
    config = seen.json("config.json")
    assert seen.code == 0, seen.err
    assert config["arguments"]["precision"] == "fp16"
    assert "scaled gradients clipped" in config["quirks_in_force"]
    assert np.isfinite(seen.metrics[0]["train"]["loss"])
    assert checkpoint.load(seen.folder / "last.ckpt")["scaler"]["scale"] > 1


def test_file_of_flags_drives_a_run(command, place, tiny):
    (place / "run.yaml").write_text("update_m: cos\nuratio: 3\nsave_name: named\n")
    seen = command([*tiny, "--c", "run.yaml"], place, name="named")
    arguments = seen.json("config.json")["arguments"]
    assert (arguments["update_m"], arguments["uratio"]) == ("cos", 2)


# --- reproducibility -----------------------------------------------------------------------------


def test_same_seed_gives_the_same_run_whatever_the_workers(command, place, tiny, plain):
    seen = command([*tiny, "--num_workers", "2"], place)
    assert seen.code == 0, seen.err
    assert (seen.folder / "metrics.jsonl").read_bytes() == (
        plain.folder / "metrics.jsonl"
    ).read_bytes()
    ours, theirs = (checkpoint.load(run.folder / "last.ckpt") for run in (seen, plain))
    for part in ("method", "ema"):
        assert same_tensors(ours[part], theirs[part])
    best, other = (checkpoint.load(run.folder / "model_best.pth") for run in (seen, plain))
    assert same_tensors(best["model"], other["model"])


def test_another_seed_is_another_run(command, place, tiny, plain):
    seen = command([*tiny, "--seed", "2"], place)
    assert seen.code == 0, seen.err
    assert seen.metrics[0]["train"] != plain.metrics[0]["train"]


def test_published_draws_go_on_from_the_beginning_of_the_epoch(command, place, tiny, monkeypatch):
    words = [*tiny, "--draws", "authors", "--epoch", "2"]
    step = S2VER.training_step

    def stopped(self, batches, progress):
        if progress.global_step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, batches, progress)

    with monkeypatch.context() as patch:
        patch.setattr(S2VER, "training_step", stopped)
        seen = command(words, place)
    assert seen.code == 128 + signal.SIGTERM and "the epoch begins anew" in seen.err
    resume = ["--resume", "--load_path", seen.folder, "--overwrite"]
    gone_on = command([*words, *resume], place)
    assert gone_on.code == 0, gone_on.err
    whole = command([*words, "-sn", "whole"], place, "whole")
    assert whole.metrics == gone_on.metrics
    assert whole.metrics != command([*tiny, "--epoch", "2", "-sn", "own"], place, "own").metrics
