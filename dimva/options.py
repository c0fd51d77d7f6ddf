"""The command line: the published flags with their defaults, then our own."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from common.data import cache, split_files
from common.flags import (
    Parser,
    add_draws,
    add_laboratory_flags,
    add_switches,
    at_least_0,
    count,
    not_negative,
)
from dimva.data import DATANAMES, VA_SETS
from dimva.model import TRUNKS

MODES, TASKS = ("one_stage", "two_stage"), ("single", "multi")
IMAGE_SIZE = 448
VALIDATION = 0.2
HELPS = {
    "--pretrained": "torchvision weights of the trunk: a file; imagenet, where torch keeps them on "
    "this machine; download; or none",
    "--val_fraction": "share held out for validation where a set has no val folder",
    "--data_seed": "seed of the validation split; default: --seed",
}


def build_parser() -> Parser:
    """Every published flag with its published default, and the laboratory flags."""
    parser = Parser(
        prog="python dimva/train.py",
        description="Valence and arousal of images, learnt from categories, in two stages.",
    )
    _published_flags(parser.add_argument_group("published flags"))
    ours = add_laboratory_flags(parser, TRUNKS, "resnet101", HELPS)
    split_files.add_flag(ours, "rated images to train on, and to validate on,")
    cache.add_flags(ours)
    add_draws(ours)
    parser.set_defaults(image_size=IMAGE_SIZE, val_fraction=VALIDATION, pretrained="imagenet")
    _run_flags(partial(ours.add_argument, neutral=True), ours.add_argument)
    _quirk_flags(ours)
    return parser


def _published_flags(group) -> None:
    add = group.add_argument
    required = {"required": True, "default": argparse.SUPPRESS}
    add("--gpu_num", dest="gpu", type=at_least_0, neutral=True, help="CUDA device", **required)
    add("--dataname", choices=DATANAMES, help="categorical set", **required)
    add("--mode", choices=MODES, help="two_stage starts from one_stage's checkpoint", **required)
    add("--task", choices=TASKS, help="valence and arousal, or categories too", **required)
    add("--lr", type=not_negative, default=1e-4, help="the authors' README says 1e-5")
    add("--decay", type=not_negative, default=1e-5, help="weight decay")
    add("--batch_size", type=count, default=10, help="images a step")
    add("--early_stop", type=at_least_0, default=5, help="epochs without a better r that are borne")
    add("--num_epochs", type=count, default=100, help="epochs")
    add("--seed", type=at_least_0, default=42, help="seed of everything")


def _run_flags(free, add) -> None:
    free("--data_root", type=Path, default=Path("data"), help="holds the sets and the lexicon")
    free("--lexicon", type=Path, help="default: NRC-VAD-Lexicon.txt in --data_root")
    add("--va_dataset", choices=tuple(VA_SETS), default="emotion6", help="rated set")
    free("--va_root", type=Path, help="its folder; default: its name in --data_root")
    free("--out", type=Path, default=Path("."), help="holds checkpoints, results, logs and runs")
    free("--num_workers", type=at_least_0, default=2, help="loader processes a stream")
    free("--resume", action="store_true", help="go on from --load_path")
    replaced = "an earlier run is replaced, as by the published code"
    add("-o", "--overwrite", action="store_true", no_effect=replaced, help=f"no effect: {replaced}")
    free("--load_path", type=Path, help="last.ckpt, or run folder, to go on from")


def _quirk_flags(group) -> None:
    group.add_argument(
        "--schedule_per",
        choices=("batch", "epoch"),
        default="batch",
        help="what the milestones 10, 20, … count",
    )
    group.add_argument(
        "--ldl_test_split",
        choices=("train", "test"),
        default="train",
        help="folder that LDL test images are read from",
    )
    group.add_argument(
        "--label_order",
        neutral=True,
        choices=("converter", "folder"),
        default="converter",
        help="numbering in which `accuracy` compares; folder also weighs the classes of LDL sets "
        "by the true positives; the other figure is reported beside it",
    )
    add_switches(
        group,
        keep_best="test the epoch with the best validation r",
        eval_all="evaluate every image once, in order",
        split_once="two-stage multi: validate on rated images that are not trained on",
        val_plain_view="validate on centre crops, not on the random training view",
    )
    add_switches(
        group,
        neutral=True,
        finite_loss="two-stage multi: log the loss of batches that lack one kind, not NaN",
    )
