"""S2-VER's command line: the published flags with their defaults, then our own."""

from __future__ import annotations

import argparse

from common.cli import boolean
from common.data import cache, split_files
from common.flags import a_seed, add_laboratory_flags, at_least_0, count, number
from s2ver.model import TRUNKS
from s2ver.objective import RELATIONS

IGNORED = {
    "hard_label": "the objective always takes the arg-max as pseudo-label.",
    "alpha": "0.9 is fixed in the prototype and relation updates.",
    "net": "the network is chosen by --backbone; published: always ResNet-50.",
    "net_from_name": "the network is chosen by --backbone; published: always ResNet-50.",
    "depth": "it belongs to a Wide ResNet that is never built.",
    "widen_factor": "it belongs to a Wide ResNet that is never built.",
    "leaky_slope": "it belongs to a Wide ResNet that is never built; the projection uses 0.1.",
    "dropout": "the network has no dropout.",
    "train_sampler": "both streams are drawn at random with replacement.",
}


def build_parser() -> argparse.ArgumentParser:
    """Every published flag with its published default, and the laboratory flags."""
    parser = argparse.ArgumentParser(
        prog="python s2ver/main.py",
        description="S2-VER: semi-supervised visual emotion recognition (ECCV 2022).",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _run_flags(parser.add_argument_group("run"))
    _training_flags(parser.add_argument_group("training"))
    _objective_flags(parser.add_argument_group("objective"))
    _data_flags(parser.add_argument_group("data and machine"))
    _ignored_flags(parser.add_argument_group("accepted for compatibility, without effect"))
    ours = add_laboratory_flags(parser, tuple(TRUNKS), "resnet50")
    for flag, text in (
        ("--ema_across_epochs", "one average over the whole training"),
        ("--ema_reload_each_epoch", "after --resume, re-load the checkpoint's average every epoch"),
        ("--l1_abs", "absolute differences in --update_m L1"),
        ("--no_bn_decay", "no weight decay on any batch norm, shortcuts included"),
        ("--clip_unscaled", "with fp16, clip gradients after the loss scale is taken out"),
        ("--count_iterations", "write the number of steps as 'it' into model_best.pth"),
    ):
        ours.add_argument(flag, action="store_true", help=text)
    split_files.add_flag(ours)
    cache.add_flags(ours)
    ours.add_argument(
        "--polarity",
        default="dataset",
        help="dataset, equal, or a code per class as in 1,0,1,1,0,1,0,0",
    )
    return parser


def _run_flags(group) -> None:
    add = group.add_argument
    add("--save_dir", default="./saved_models", help="folder of runs")
    add("-sn", "--save_name", default="main", help="folder of this run in it")
    add("--resume", action="store_true", help="go on from --load_path")
    add("--load_path", help="checkpoint, or run folder, to go on from")
    add(
        "-o",
        "--overwrite",
        action="store_true",
        help="replace (or go on in) an existing run folder",
    )
    add("--c", default="", metavar="YAML", help="file of flags; the command line wins over it")
    add("--seed", type=a_seed, default=1, help="seed of everything")


def _training_flags(group) -> None:
    add = group.add_argument
    add("--epoch", type=count, default=128, help="epochs")
    add("--num_train_iter", type=count, default=1024, help="optimiser steps an epoch")
    add("-nl", "--num_labels", type=count, default=800, help="labelled images in all")
    add("-bsz", "--batch_size", type=count, default=16, help="labelled images a step")
    add("--uratio", type=count, default=4, help="unlabelled images a labelled one")
    add("--eval_batch_size", type=count, default=512, help="images a batch in evaluation")
    add("--optim", choices=("SGD", "AdamW"), default="SGD", help="SGD is with Nesterov momentum")
    add("--lr", type=number(float, low=0), default=0.03, help="rate at the start of the cosine")
    add("--momentum", type=number(float, low=0, below=1), default=0.9, help="of SGD")
    add(
        "--weight_decay",
        type=number(float, low=0),
        default=5e-4,
        help="not on names with bn or bias",
    )
    add("--ema_m", type=number(float, low=0, high=1), default=0.999, help="decay of the average")
    add("--clip", type=number(float, low=0), default=0.0, help="gradient-norm clip when > 0")
    add("--amp", type=boolean, nargs="?", const=True, default=False, help="fp16 mixed precision")


def _objective_flags(group) -> None:
    add = group.add_argument
    add("--T", type=number(float, low=1e-6), default=0.2, help="temperature of both softmaxes")
    add("--p_cutoff", type=float, default=0.95, help="threshold when --dynamic_th <= 0")
    add(
        "--dynamic_th",
        type=number(float, high=1),
        default=0.7,
        help="base of the ambiguity-aware threshold",
    )
    add(
        "--noise_th", type=number(float, below=1), default=0.3, help="floor of the similarity graph"
    )
    add("--ulb_loss_ratio", type=float, default=1.0, help="weight of the pseudo-label loss")
    add("--lam_c", type=float, default=3.0, help="weight of the contrastive loss")
    add("--lam_d", type=float, default=3.0, help="weight of the distribution loss")
    add(
        "--ldl_ratio",
        type=number(float, low=0, high=1),
        default=0.2,
        help="share of the prototypes",
    )
    add("--low_dim", type=count, default=64, help="projection width")
    add("--dis_ce", action="store_true", help="soft cross-entropy for the distribution loss")
    add("--update_m", choices=RELATIONS, default="L2", help="relation between prototypes")


def _data_flags(group) -> None:
    add = group.add_argument
    add("--data_dir", default="./data", help="holds <dataset>/train and <dataset>/test")
    add("--train_data_dir", default="", help="training images, one sub-folder a class")
    add("--test_data_dir", default="", help="test images, one sub-folder a class")
    add("-ds", "--dataset", default="cifar10", help="fi, SE30K8, emoset, emotion6, bass, …")
    add("-nc", "--num_classes", type=number(int, low=2), default=10, help="class folders")
    add("--num_workers", type=at_least_0, default=1, help="loader processes a stream")
    add("--gpu", type=at_least_0, help="CUDA device")


def _ignored_flags(group) -> None:
    add = group.add_argument
    add("--hard_label", type=boolean, default=True, help="pseudo-labels are always hard")
    add("--alpha", type=float, default=0.9, help="0.9 is fixed")
    add("--net", default="Resnet50", help="see --backbone")
    add("--net_from_name", type=boolean, default=False, help="see --backbone")
    add("--depth", type=int, default=28, help="unused")
    add("--widen_factor", type=int, default=2, help="unused")
    add("--leaky_slope", type=float, default=0.1, help="unused")
    add("--dropout", type=float, default=0.0, help="unused")
    add("--train_sampler", default="RandomSampler", help="unused")
