"""The command line: the published flag ``--config_file``, then our own."""

from __future__ import annotations

import argparse
import json
from typing import Any

from common.data import cache, split_files
from common.flags import (
    Parser,
    add_draws,
    add_laboratory_flags,
    add_settings,
    at_least_0,
    count,
)
from webemotion.catalogue import SCRIPTS
from webemotion.method import Settings
from webemotion.model import TRUNKS

HELPS = {
    "--pretrained": "for `pretrained: true`: a file of torchvision weights, or download",
    "--backbone": "trunk of the network where another one than arch says is wanted",
    "--image_size": "side of the images; default: image_size of the configuration, 224",
    "--data_seed": "seed of the validation split; default: seed",
    "--val_fraction": "share of train_file held out to choose the epoch, instead of val_file",
}


SWITCHES = {
    "--train_text_head": "joint scripts: the text head is trained too",
    "--keep_schedule": "a start_epoch above 0 enters the schedule there, not at its beginning",
    "--best_by_loss": "one-branch scripts: the epoch with the lowest loss is the best one",
}
NEUTRAL_SWITCHES = {
    "--overwrite": "replace an existing run folder",
    "--loose": "resume: a run folder's own checkpoint may fit in part, like any other",
    "--honour_save_best_only": "save_best_only of the configuration is obeyed",
}


def assignment(text: str) -> tuple[str, Any]:
    """An argparse type: ``KEY=VALUE``, the value as JSON or, where that fails, as text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form KEY=VALUE")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def build_parser(script: str | None = None) -> Parser:
    """The flags of every script.

    Args:
        script: the one that is run, where it names itself.
    """
    parser = Parser(
        prog=f"python webemotion/{script or '<folder>/<script>'}.py",
        description="StockEmotion pre-training, transfer and zero-shot evaluation (CVPR 2020).",
    )
    parser.add_argument(
        "--config_file", required=True, default=argparse.SUPPRESS, help="JSON file", neutral=True
    )
    ours = add_laboratory_flags(parser, TRUNKS, "resnet50", HELPS)
    parser.set_defaults(image_size=None)
    add = ours.add_argument
    add("--script", choices=SCRIPTS, metavar="NAME", default=script, help="each names itself")
    add(
        "--set",
        type=assignment,
        action="append",
        default=[],
        metavar="KEY=VALUE",
        neutral=True,
        help="a key of the configuration, whatever the file says; may be given repeatedly",
    )
    add(
        "--num_workers", type=at_least_0, neutral=True, help="loaders; default: workers of the file"
    )
    add("--gpu", type=at_least_0, neutral=True, help="CUDA device; default: gpu of the file")
    add("--resume", metavar="PATH", neutral=True, help="run folder or last.ckpt to go on from")
    steps = "leave after this many steps an epoch, after one epoch"
    add("--max_steps", type=count, neutral=True, help=steps)
    add_draws(ours)
    split_files.add_flag(ours, "images of train_file to train on")
    cache.add_flags(ours)
    for flag, text in {**SWITCHES, **NEUTRAL_SWITCHES}.items():
        add(flag, action="store_true", neutral=flag in NEUTRAL_SWITCHES, help=text)
    add_settings(Settings, ours, ours)
    return parser
