"""``python adacm/main.py``: what Ada-CM trains, on which images, judged how."""

from __future__ import annotations

import logging
import sys
from functools import partial
from pathlib import Path

if not __package__:  # run as a script: import from the repository's root, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch

from adacm import authors_files, data, prediction
from adacm.method import AdaCM, MarginEvaluator
from adacm.model import UnitNormResNet, load_weights
from adacm.options import build_parser
from common.data.splits import Images
from common.engine.evaluate import classification_evaluators
from common.engine.experiment import Experiment, Parts
from common.engine.pseudo_labels import PseudoLabelDiagnostics
from common.engine.run_folder import RunFolder
from common.engine.trainer import Recipe
from common.nn.ema import StateEMA

log = logging.getLogger(__name__)


def build(args, images: Images, device: torch.device) -> Parts:
    """Network, method, optimiser, streams and evaluation of a run."""
    classes, pin = images.train.classes, device.type == "cuda"
    model = UnitNormResNet(len(classes), args.backbone)
    if not args.resume:
        load_weights(model, args.pretrained)
    method = AdaCM(model, len(classes))
    margins = MarginEvaluator(data.margin_batches(images, args, pin))
    loader = partial(data.loader, args, pin)
    return Parts(
        method,
        torch.optim.Adam(model.parameters(), lr=args.lr),
        data.streams(images, args, pin),
        Recipe(args.epochs, args.train_iteration, ema_across_epochs=True),
        # The margins of the next epoch are set first, from the labelled images.
        evaluators={"labelled": margins, **classification_evaluators(images, loader)},
        ema=partial(
            StateEMA,
            decay=args.ema_decay,
            prefix="model.",
            shrink=method.config.shrink * args.lr,
            spare_buffers=args.spare_statistics,
        ),
        callbacks=(authors_files.AuthorsFiles(), PseudoLabelDiagnostics(classes)),
    )


def check(args, given_flags: set[str]) -> None:
    """The authors' draws label as many images as their code does."""
    if args.draws == "authors" and "label_budget" not in given_flags:
        args.label_budget = "code"


def gpu(args, given_flags: set[str]) -> int | None:
    """The first of the published list of GPUs, where one was given."""
    if "gpu" not in given_flags:
        return None
    if "," in args.gpu:
        log.warning(
            "--gpu %s: one device is used, the first; --bn_groups %d computes the batch-norm "
            "statistics of so many.",
            args.gpu,
            args.gpu.count(",") + 1,
        )
    if not args.gpu and args.device == "auto":
        args.device = "cpu"  # an empty CUDA_VISIBLE_DEVICES hides all
    return int(args.gpu.split(",")[0]) if args.gpu else None


EXPERIMENT = Experiment(
    name="adacm",
    command="python adacm/main.py",
    quirks=Path(__file__).with_name("quirks.yaml"),
    parser=build_parser,
    read=data.read,
    build=build,
    # An earlier run is replaced unasked, as by the published code.
    folder=lambda args: RunFolder(
        Path(args.out), may_write=True, flags=("--out", "--out"), authors=authors_files.FILES
    ),
    check=check,
    gpu=gpu,
    labels="num_labelled",
    seed="manualSeed",
    describes=prediction.describe,
    authors=authors_files.CHECKPOINT,
    log=authors_files.LOG,
)
main, cli = EXPERIMENT.main, EXPERIMENT.cli

if __name__ == "__main__":
    cli()
