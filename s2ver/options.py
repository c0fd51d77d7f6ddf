"""S2-VER's command line: the published flags with their defaults, then our own."""

from __future__ import annotations

from functools import partial

from common import flags
from common.cli import boolean
from common.data import cache, split_files
from common.flags import (
    a_seed,
    add_draws,
    add_laboratory_flags,
    add_settings,
    add_switches,
    at_least_0,
    count,
    not_negative,
    number,
    share,
)
from s2ver.method import S2VERConfig
from s2ver.model import TRUNKS

_WIDE = "it belongs to a Wide ResNet that is never built"
_NO_DROPOUT = "the network has no dropout."
_NETWORK = "the network is chosen by --backbone; published: always ResNet-50."


def build_parser() -> flags.Parser:
    """Every published flag with its published default, and the laboratory flags."""
    parser = flags.Parser(
        prog="python s2ver/main.py",
        description="S2-VER: semi-supervised visual emotion recognition (ECCV 2022).",
    )
    _run_flags(parser.add_argument_group("run"))
    _training_flags(parser.add_argument_group("training"))
    objective = parser.add_argument_group("objective")
    _data_flags(parser.add_argument_group("data and machine"))
    _idle_flags(parser.add_argument_group("accepted for compatibility, without effect"))
    ours = add_laboratory_flags(parser, tuple(TRUNKS), "resnet50")
    add_settings(S2VERConfig, objective, ours)
    objective.add_argument("--low_dim", type=count, default=64, help="projection width")
    ours.add_argument(
        "--polarity",
        default="dataset",
        help="dataset, equal, or a code per class as in 1,0,1,1,0,1,0,0",
    )
    add_switches(
        ours,
        ema_across_epochs="one average over the whole training",
        no_bn_decay="no weight decay on any batch norm, shortcuts included",
        clip_unscaled="with fp16, clip gradients after the loss scale is taken out",
    )
    add_switches(
        ours,
        neutral=True,
        ema_reload_each_epoch="after --resume, re-load the checkpoint's average every epoch",
        count_iterations="write the number of steps as 'it' into model_best.pth",
    )
    add_draws(ours)
    split_files.add_flag(ours)
    cache.add_flags(ours)
    return parser


def _run_flags(group) -> None:
    add, free = group.add_argument, partial(group.add_argument, neutral=True)
    free("--save_dir", default="./saved_models", help="folder of runs")
    free("-sn", "--save_name", default="main", help="folder of this run in it")
    free("--resume", action="store_true", help="go on from --load_path")
    free("--load_path", help="checkpoint, or run folder, to go on from")
    free("-o", "--overwrite", action="store_true", help="replace (or go on in) an existing folder")
    free("--c", default="", metavar="YAML", help="file of flags; the command line wins over it")
    add("--seed", type=a_seed, default=1, help="seed of everything")


def _training_flags(group) -> None:
    add, free = group.add_argument, partial(group.add_argument, neutral=True)
    add("--epoch", type=count, default=128, help="epochs")
    add("--num_train_iter", type=count, default=1024, help="optimiser steps an epoch")
    add("-nl", "--num_labels", type=count, default=800, help="labelled images in all")
    add("-bsz", "--batch_size", type=count, default=16, help="labelled images a step")
    add("--uratio", type=count, default=4, help="unlabelled images a labelled one")
    free("--eval_batch_size", type=count, default=512, help="images a batch in evaluation")
    add("--optim", choices=("SGD", "AdamW"), default="SGD", help="SGD is with Nesterov momentum")
    add("--lr", type=not_negative, default=0.03, help="rate at the start of the cosine")
    add("--momentum", type=number(float, low=0, below=1), default=0.9, help="of SGD")
    add("--weight_decay", type=not_negative, default=5e-4, help="not on names with bn or bias")
    add("--ema_m", type=share, default=0.999, help="decay of the average")
    add("--clip", type=not_negative, default=0.0, help="gradient-norm clip when > 0")
    free("--amp", type=boolean, nargs="?", const=True, default=False, help="fp16 mixed precision")


def _data_flags(group) -> None:
    add, free = group.add_argument, partial(group.add_argument, neutral=True)
    free("--data_dir", default="./data", help="holds <dataset>/train and <dataset>/test")
    free("--train_data_dir", default="", help="training images, one sub-folder a class")
    free("--test_data_dir", default="", help="test images, one sub-folder a class")
    add("-ds", "--dataset", default="cifar10", help="fi, SE30K8, emoset, emotion6, bass, …")
    add("-nc", "--num_classes", type=number(int, low=2), default=10, help="class folders")
    free("--num_workers", type=at_least_0, default=1, help="loader processes a stream")
    free("--gpu", type=at_least_0, help="CUDA device")


def _idle_flags(group) -> None:
    add = group.add_argument
    hard = "the objective always takes the arg-max as pseudo-label."
    fixed = "0.9 is fixed in the prototype and relation updates."
    drawn = "both streams are drawn at random with replacement."
    sloped = f"{_WIDE}; the projection uses 0.1."
    add("--hard_label", type=boolean, default=True, no_effect=hard, help="always hard")
    add("--alpha", type=float, default=0.9, no_effect=fixed, help="0.9 is fixed")
    add("--net", default="Resnet50", no_effect=_NETWORK, help="see --backbone")
    add("--net_from_name", type=boolean, default=False, no_effect=_NETWORK, help="see --backbone")
    add("--depth", type=int, default=28, no_effect=f"{_WIDE}.", help="unused")
    add("--widen_factor", type=int, default=2, no_effect=f"{_WIDE}.", help="unused")
    add("--leaky_slope", type=float, default=0.1, no_effect=sloped, help="unused")
    add("--dropout", type=float, default=0.0, no_effect=_NO_DROPOUT, help="unused")
    add("--train_sampler", default="RandomSampler", no_effect=drawn, help="unused")
