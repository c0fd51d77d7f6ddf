"""Ada-CM's command line: the published flags with their defaults, then our own."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from adacm.data import DATASETS
from adacm.model import BACKBONES
from common.data import cache, split_files
from common.flags import (
    Parser,
    add_draws,
    add_laboratory_flags,
    add_switches,
    at_least_0,
    count,
    not_negative,
    share,
)

_NEVER_READ = "the published code parses it and never reads it; epochs count from 1."


def gpu_list(text: str) -> str:
    """An argparse type: CUDA indices separated by commas, as CUDA_VISIBLE_DEVICES takes them."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not all(word.isdecimal() for word in words):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of GPU numbers such as 0 or 0,1")
    return ",".join(words)


def build_parser() -> Parser:
    """Every published flag with its published default, and the laboratory flags."""
    parser = Parser(
        prog="python adacm/main.py",
        description="Ada-CM: semi-supervised facial expression recognition (CVPR 2022).",
    )
    _training_flags(parser.add_argument_group("training"))
    _data_flags(parser.add_argument_group("data and machine"))
    ours = add_laboratory_flags(parser, BACKBONES, BACKBONES[0])
    known = ", ".join(DATASETS)
    ours.add_argument("--dataset", default="rafdb", help=f"{known}, or a name for your own images")
    ours.add_argument(
        "--data_dir", type=Path, default=Path("data"), neutral=True, help="holds <dataset>/"
    )
    add_draws(ours)
    split_files.add_flag(ours)
    cache.add_flags(ours)
    ours.add_argument(
        "--channel_order",
        choices=("bgr", "rgb"),
        default="bgr",
        help="order in which the network sees the colours; the published weights need bgr",
    )
    ours.add_argument(
        "--label_budget",
        choices=("table", "code"),
        default="table",
        help="labelled images a class: the README's table, or 250 of fear whatever --n-labeled is",
    )
    ours.add_argument(
        "--margin_view",
        choices=("train", "eval"),
        default="train",
        help="how labelled images are seen when the margins are set",
    )
    add_switches(
        ours,
        spare_statistics="leave batch-norm statistics out of the weight decay",
        square_crop="crop the middle square; always on for datasets other than rafdb",
    )
    return parser


def _training_flags(group) -> None:
    add, free = group.add_argument, partial(group.add_argument, neutral=True)
    # The rate is constant, so a longer training begins as a short one.
    free("--epochs", type=count, default=20, help="number of the last epoch")
    add("--start-epoch", type=count, default=1, no_effect=_NEVER_READ, help="unused")
    add("--batch-size", type=count, default=16, help="labelled, and unlabelled, images a step")
    add("--lr", "--learning-rate", type=not_negative, default=5e-4, help="of Adam")
    add("--train-iteration", type=count, default=800, help="optimiser steps an epoch")
    add("--n-labeled", dest="num_labelled", type=count, default=4000, help="labelled images")
    add("--ema-decay", type=share, default=0.999, help="of the averaged model")
    add("--manualSeed", type=at_least_0, default=5, help="seed of everything")
    free("--resume", default="", metavar="PATH", help="run folder or checkpoint to go on from")
    free("--out", default="result", help="folder of the run")


def _data_flags(group) -> None:
    add = partial(group.add_argument, neutral=True)
    add("--train-root", default="", help="training images; default: <data_dir>/<dataset>")
    add("--test-root", default="", help="test images; default: <data_dir>/<dataset>")
    add("--label-train", default="", help="list of 'file label' lines, labels from 0")
    add("--label-test", default="", help="the same for the test images")
    add("--num_workers", type=at_least_0, default=16, help="loader processes; at most one a core")
    add("--gpu", type=gpu_list, default="0,1", help="CUDA devices; the first one is used")
