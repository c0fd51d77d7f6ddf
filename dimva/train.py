"""``python dimva/train.py``: what is trained in either stage, on which images, judged how."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

if not __package__:  # run as a script: import from the repository's root, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch

from common.cli import UserError
from common.engine import checkpoint
from common.engine.experiment import Experiment, Parts
from common.engine.run_folder import RunFolder
from common.engine.trainer import Recipe
from common.flags import GivenFlags
from dimva import authors_files, data, evaluation, objective, prediction
from dimva.authors_files import Files
from dimva.method import Dimensional, DimvaConfig
from dimva.model import (
    LAST_STAGE,
    DimensionalResNet,
    build_optimizer,
    freeze,
    load_weights,
    schedule,
    start_from_imagenet,
)
from dimva.options import build_parser
from dimva.selection import Selection

log = logging.getLogger(__name__)

COMMAND = "python dimva/train.py"


def build_model(args) -> DimensionalResNet:
    """The network with the weights its stage starts from, and frozen where the stage freezes.

    Raises:
        UserError: the first stage's checkpoint is damaged or of another model.
    """
    classes = len(objective.label_order(args.dataname)) if args.task == "multi" else None
    model = DimensionalResNet(args.backbone, classes)
    start = f"{args.load_path}"  # what is gone on with brings all weights
    if args.mode == "one_stage":
        if not args.resume:
            start = start_from_imagenet(model, args.backbone, args.pretrained)
        log.info("start: %s", start)
        return model
    if not args.resume:
        start = Files.of(args).first_stage
        load_weights(model, checkpoint.load(start), start)
    trained = freeze(model, LAST_STAGE)
    log.info("start: %s; %d tensors train, from %s on", start, len(trained), trained[0])
    return model


def build(args, sets: data.Sets, device: torch.device) -> Parts:
    """Network, method, optimiser, stream and evaluation of a stage."""
    model, pin = build_model(args), device.type == "cuda"
    config = DimvaConfig(
        args.mode, args.task, objective.is_multilabel(args.dataname), args.finite_loss
    )
    optimizer = build_optimizer(model.parameters(), args.lr, args.decay)
    stream, plan = data.stream(sets, "train", args, pin), data.plan(args.mode, args.task)
    return Parts(
        Dimensional(model, config),
        optimizer,
        {"train": stream},
        Recipe(
            args.num_epochs,
            stream.steps,
            metric=evaluation.JUDGED,
            percent=False,
            schedule_per="step" if args.schedule_per == "batch" else "epoch",
        ),
        schedule(optimizer),
        evaluation.by_role(evaluation.evaluators(sets, plan.evaluations, args, pin), plan),
        callbacks=(
            Selection(Files.of(args).checkpoint, args.early_stop, args.keep_best),
            authors_files.EpochFigures(args),
        ),
    )


def check(args, given_flags: GivenFlags) -> None:
    """Resolve ``--split_once``, and refuse what cannot run."""
    args.pretrained = str(args.pretrained)
    args.split_once = args.split_once or args.split is not None  # a file holds one split
    if args.resume != (args.load_path is not None):
        raise UserError("--resume and --load_path go together: the second says what to go on from.")
    if not 0 < args.val_fraction < 1:
        raise UserError("--val_fraction must be above 0: the checkpoint is picked on those images.")
    if args.mode == "two_stage" and not args.resume:
        authors_files.require_first_stage(Files.of(args), COMMAND, given_flags.argv)


def folder(args) -> RunFolder:
    """The run's folder; an earlier run is replaced unasked, as by the published code."""
    files = Files.of(args)
    return RunFolder(files.run, True, ("--out or --seed", "--out"), files.scalars)


EXPERIMENT = Experiment(
    name="dimva",
    command=COMMAND,
    quirks=Path(__file__).with_name("quirks.yaml"),
    parser=build_parser,
    read=data.read,
    build=build,
    folder=folder,
    check=check,
    describes=prediction.describe,
    resumed=authors_files.carry_over,
    opened=authors_files.write_beginning,
    summarise=authors_files.summarise,
    after=authors_files.final_test,
)
main, cli = EXPERIMENT.main, EXPERIMENT.cli

if __name__ == "__main__":
    cli()
