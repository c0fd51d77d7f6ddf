"""``python adacm/main.py``: read the flags, wire the pieces, train."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from pathlib import Path

if not __package__:  # run as a script: import from the repository's root, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch

from adacm import authors_files, data
from adacm.method import AdaCM, MarginEvaluator
from adacm.model import UnitNormResNet, load_weights
from adacm.options import build_parser
from common import flags, quirks
from common.cli import UserError, choose_device, entry_point
from common.data import cache, split_files, splits
from common.engine import launch
from common.engine.evaluate import ClassificationEvaluator
from common.engine.pseudo_labels import PseudoLabelDiagnostics
from common.engine.run_folder import RunFolder, log_to
from common.engine.trainer import Recipe, Trainer
from common.nn.ema import StateEMA

log = logging.getLogger(__name__)

QUIRKS = Path(__file__).with_name("quirks.yaml")
PROGRAM = "python adacm/main.py"
SHRINK = 0.02  # times the rate: what the live weights lose after every step
# Flags that may differ between a run and its continuation: they do not decide what is computed.
NEUTRAL = {
    *("epochs", "start_epoch"),  # the rate is constant, so a longer training begins as a short one
    *("out", "resume", "gpu", "device", "num_workers", "stop_after_epoch", "pretrained"),
    *("data_dir", "train_root", "test_root", "label_train", "label_test"),
    *("precision", "channels_last", "compile", "fast", "corrected"),
    *("split", "cache", "cache_exact"),  # what they do is part of the identity, not where they are
}


def build_trainer(
    args, images: splits.SplitImages, run: RunFolder, device: torch.device
) -> Trainer:
    """Everything a run needs, wired from its flags."""
    model = UnitNormResNet(len(images.train.classes), args.backbone)
    if not args.resume:
        load_weights(model, args.pretrained)
    if args.compile:
        model.compile()
    method = AdaCM(model, len(images.train.classes))
    layout = torch.channels_last if args.channels_last else torch.preserve_format
    method.to(device, memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    pin = device.type == "cuda"
    batches = data.margin_batches(images, args, pin)
    evaluators = {"labelled": MarginEvaluator(batches, device, "weak", args.channels_last)}
    for name, manifest, whole in (
        ("test", images.test, None),
        ("val", images.validation, images.train),
    ):
        if manifest is not None:
            loader = data.loader(manifest, args, pin, whole=whole)
            evaluators[name] = ClassificationEvaluator(
                loader, device, channels_last=args.channels_last
            )
    labelled = hashlib.sha256(images.split.labelled.tobytes()).hexdigest()
    identity = {n: launch.plain(v) for n, v in vars(args).items() if n not in NEUTRAL}
    return Trainer(
        method,
        optimizer,
        None,
        data.streams(images, args, pin),
        Recipe(
            args.epochs,
            args.train_iteration,
            precision=args.precision,
            channels_last=args.channels_last,
            ema_across_epochs=True,
            stop_after_epoch=args.stop_after_epoch,
        ),
        device,
        evaluators,
        StateEMA(
            method,
            args.ema_decay,
            prefix="model.",
            shrink=SHRINK * args.lr,
            spare_buffers=args.spare_statistics,
        ),
        run=run,
        callbacks=(authors_files.AuthorsFiles(), PseudoLabelDiagnostics(images.train.classes)),
        identity={
            **{"method": "adacm", **identity, "labelled_images": labelled},
            "split": images.split.file,
            "cache": cache.identity(data.cached_as(args)),
        },
    )


def _settle(args, explicit: set[str], device: torch.device, register: list[quirks.Quirk]) -> None:
    """Resolve flags that set other flags, and refuse combinations that cannot run."""
    launch.settle(args, explicit, device, register)
    if "num_workers" not in explicit:  # what is drawn does not depend on their number
        args.num_workers = min(args.num_workers, os.cpu_count() or 1)
    if args.start_epoch > args.epochs:
        raise UserError(
            f"--start-epoch {args.start_epoch} is after the last epoch, --epochs {args.epochs}."
        )
    if args.resume and not Path(args.resume).exists():
        raise UserError(
            f"--resume {args.resume} does not exist; give a run folder or a checkpoint."
        )


def _device(args, explicit: set[str]) -> torch.device:
    first = args.gpu.split(",")[0]
    if "gpu" in explicit and "," in args.gpu:
        log.warning(
            "--gpu %s: one device is used, the first; the results do not need two.", args.gpu
        )
    if not first and "gpu" in explicit and args.device == "auto":
        return torch.device("cpu")  # an empty CUDA_VISIBLE_DEVICES hides all
    return choose_device(args.device, int(first) if "gpu" in explicit and first else None)


def _run(argv: list[str]) -> int:
    """Read the flags, train, write the run folder and print the headline.

    Raises:
        UserError: a mistake in the flags or the data.
        Interrupted: a signal came; the text says how to go on.
    """
    log_to()
    args, explicit = flags.parse(build_parser, argv)
    device = _device(args, explicit)
    register = quirks.load(QUIRKS)
    _settle(args, explicit, device, register)
    split_files.resolve(args, explicit, "n_labeled")
    run = RunFolder(Path(args.out), flags=("--out", "--out"))
    run.check(overwrite=True)
    manifest = data.read(args, args.num_workers)
    if "n_labeled" not in explicit and not args.split:
        data.shrink_budget(manifest, args)

    # All that can be refused is refused before the first file is written or replaced.
    images = data.split(manifest, args)
    launch.seed_everything(args.manualSeed)
    trainer = build_trainer(args, images, run, device)
    if args.resume:
        authors_files.resume(trainer, Path(args.resume), trainer.callbacks[0])
    else:
        trainer.progress.epoch = args.start_epoch - 1
    goes_on = bool(args.resume) and run.holds(Path(args.resume))
    replaced = not goes_on and (run.path / authors_files.LATEST).exists()

    run.open(overwrite=True, resume=goes_on)
    log_to(run.path, authors_files.LOG)
    if replaced:
        log.warning("an earlier run in %s is replaced, as the published code does", run.path)
    more = {"split": split_files.record(images.split), "cache": data.cached_as(args)}
    sets = (images.train, images.test)
    launch.record(run, "adacm", args, register, device, *sets, args.manualSeed, more)
    launch.conduct(trainer, PROGRAM, argv, manifest.drawn, resume_takes_path=True)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Train Ada-CM; returns the exit code."""
    return entry_point(_run, argv)


def cli() -> None:
    """The installed script ``adacm``."""
    raise SystemExit(main())


if __name__ == "__main__":
    cli()
