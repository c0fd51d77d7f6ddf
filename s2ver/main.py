"""``python s2ver/main.py``: what S2-VER trains, on which images, judged how."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

if not __package__:  # run as a script: import from the repository's root, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch
from torch import nn

from common import flags
from common.cli import UserError
from common.data import splits
from common.data.splits import Images
from common.engine.evaluate import classification_evaluators
from common.engine.experiment import Experiment, Parts
from common.engine.method import Method
from common.engine.pseudo_labels import PseudoLabelDiagnostics
from common.engine.run_folder import RunFolder
from common.engine.trainer import Recipe
from common.nn.backbones import load_pretrained
from common.nn.ema import ParameterEMA
from common.nn.schedule import cosine_schedule
from s2ver import authors_files, data, prediction
from s2ver.method import S2VER, S2VERConfig
from s2ver.model import HEADS, build_model, build_optimizer
from s2ver.options import build_parser

log = logging.getLogger(__name__)


def build_method(model: nn.Module, args, images: Images) -> Method:
    """S2-VER with the settings of the flags."""
    config = flags.settings_of(S2VERConfig, args)
    return S2VER(
        model, args.num_classes, args.low_dim, data.polarity(args, images.train.classes), config
    )


def build(
    args,
    images: Images,
    device: torch.device,
    make_method: Callable[[nn.Module, object, Images], Method] = build_method,
) -> Parts:
    """Network, method, optimiser, streams and evaluation of a run.

    Args:
        make_method: (network, arguments, images) -> the method; another than S2-VER's makes it a
            baseline under the same flags.
    """
    model = build_model(args.backbone, args.num_classes, args.low_dim)
    if args.pretrained:
        load_pretrained(model, args.pretrained, HEADS)
    method = make_method(model, args, images)
    pin = device.type == "cuda"
    optimizer = build_optimizer(
        model, args.optim, args.lr, args.momentum, args.weight_decay, no_bn_decay=args.no_bn_decay
    )
    callbacks = [authors_files.BestCheckpoint(args.count_iterations)]
    if "unlabelled" in method.stream_names:
        callbacks.append(PseudoLabelDiagnostics(images.train.classes))
    return Parts(
        method,
        optimizer,
        data.streams(images, args, method.stream_names, pin),
        Recipe(
            args.epoch,
            args.num_train_iter,
            clip=args.clip,
            clip_scaled=not args.clip_unscaled,
            ema_across_epochs=args.ema_across_epochs,
        ),
        cosine_schedule(optimizer, args.epoch * args.num_train_iter),
        classification_evaluators(images, partial(data.loader, args, pin)),
        partial(ParameterEMA, decay=args.ema_m),
        tuple(callbacks),
    )


def folder(args) -> RunFolder:
    """The run's folder, in which the positions of the labelled images outlive a run."""
    kept = authors_files.index_file(Path(), args).name
    path = Path(args.save_dir) / args.save_name
    return RunFolder(path, args.overwrite, keep=(kept,), authors=authors_files.FILES)


def check(args, given_flags: set[str]) -> None:
    """Resolve ``--amp``, and refuse combinations that cannot run."""
    if args.amp and "precision" not in given_flags:
        args.precision = "fp16"
        given_flags.add("precision")
    if args.load_path and not args.resume:
        log.warning(
            "--load_path has no effect without --resume; to start from weights use --pretrained."
        )
    if Path(args.dataset).name != args.dataset:
        raise UserError(
            f"--dataset {args.dataset} is a path; give a plain name, and the folders by "
            "--train_data_dir and --test_data_dir."
        )
    if not args.split and not authors_files.index_file(folder(args).path, args).exists():
        splits.check_share(args.num_labels, args.num_classes)


EXPERIMENT = Experiment(
    name="s2ver",
    command="python s2ver/main.py",
    quirks=Path(__file__).with_name("quirks.yaml"),
    parser=build_parser,
    read=data.read,
    build=build,
    folder=folder,
    check=check,
    labels="num_labels",
    describes=prediction.describe,
    authors=authors_files.CHECKPOINT,
    resumed=authors_files.carry_over,
    opened=authors_files.write_beginning,
)
main, cli = EXPERIMENT.main, EXPERIMENT.cli

if __name__ == "__main__":
    cli()
