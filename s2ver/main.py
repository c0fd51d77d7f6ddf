"""``python s2ver/main.py``: read the flags, wire the pieces, train."""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

if not __package__:  # run as a script: import from the repository's root, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
import torch
from torch import nn

from common import flags, quirks
from common.cli import UserError, choose_device, entry_point
from common.data import cache, split_files, splits
from common.data.manifest import Manifest
from common.datasets import catalogue
from common.engine import launch
from common.engine.evaluate import ClassificationEvaluator
from common.engine.method import Method
from common.engine.pseudo_labels import PseudoLabelDiagnostics
from common.engine.run_folder import RunFolder, log_to
from common.engine.trainer import Recipe, Trainer
from common.nn.backbones import load_pretrained
from common.nn.ema import ParameterEMA
from common.nn.schedule import cosine_schedule
from s2ver import authors_files, data
from s2ver.method import S2VER, Weights
from s2ver.model import HEADS, build_model, build_optimizer
from s2ver.options import IGNORED, build_parser

log = logging.getLogger(__name__)

QUIRKS = Path(__file__).with_name("quirks.yaml")
# Flags that may differ between a run and its continuation: they do not decide what is computed.
NEUTRAL = IGNORED.keys() | {
    *("save_dir", "save_name", "resume", "load_path", "overwrite", "c", "gpu", "device"),
    *("data_dir", "train_data_dir", "test_data_dir", "num_workers", "eval_batch_size"),
    *("amp", "channels_last", "compile", "fast", "corrected", "stop_after_epoch"),
    *("pretrained", "ema_reload_each_epoch", "count_iterations"),
    *("split", "cache", "cache_exact"),  # what they do is part of the identity, not where they are
}


def build_method(model: nn.Module, args, images: splits.SplitImages) -> Method:
    """S2-VER with the settings of the flags."""
    settings = {name: getattr(args, name) for name in Weights.__dataclass_fields__}
    polarity = _polarity(args, images)
    return S2VER(model, args.num_classes, args.low_dim, polarity, Weights(**settings))


@dataclass(frozen=True)
class Entry:
    """A method that trains under these flags.

    Attributes:
        name: written into checkpoints and ``config.json``.
        program: the command a person types.
        build: (model, arguments, images) -> Method.
        add_flags: adds flags of the method's own to the parser.
        ignored: flags without effect for this method, with the reason; they are warned about.
        read: (arguments, workers) -> train and test images, checked.
    """

    name: str
    program: str
    build: Callable[[nn.Module, argparse.Namespace, splits.SplitImages], Method]
    add_flags: Callable[[argparse.ArgumentParser], None] | None = None
    ignored: dict[str, str] = field(default_factory=dict)
    read: Callable[[argparse.Namespace, int], Manifest] = data.read

    def parser(self) -> argparse.ArgumentParser:
        """The shared flags and the method's own."""
        parser = build_parser()
        parser.prog = self.program
        if self.add_flags:
            self.add_flags(parser)
        return parser


PUBLISHED = Entry("s2ver", "python s2ver/main.py", build_method)


def build_trainer(
    entry: Entry, args, images: splits.SplitImages, run: RunFolder, device: torch.device
) -> Trainer:
    """Everything a run needs, wired from its flags."""
    model = build_model(args.backbone, args.num_classes, args.low_dim)
    if args.pretrained:
        load_pretrained(model, args.pretrained, HEADS)
    if args.compile:
        model.compile()
    method = entry.build(model, args, images)
    layout = torch.channels_last if args.channels_last else torch.preserve_format
    method.to(device, memory_format=layout)
    optimizer = build_optimizer(
        model, args.optim, args.lr, args.momentum, args.weight_decay, no_bn_decay=args.no_bn_decay
    )
    pin = device.type == "cuda"
    evaluators = {
        name: ClassificationEvaluator(
            data.loader(manifest, args, pin, whole), device, channels_last=args.channels_last
        )
        for name, manifest, whole in (
            ("test", images.test, None),
            ("val", images.validation, images.train),
        )
        if manifest is not None
    }
    callbacks = [authors_files.BestCheckpoint(args.count_iterations)]
    if "unlabelled" in method.stream_names:
        callbacks.append(PseudoLabelDiagnostics(images.train.classes))
    labelled = hashlib.sha256(images.split.labelled.tobytes()).hexdigest()
    identity = {n: launch.plain(v) for n, v in vars(args).items() if n not in NEUTRAL}
    return Trainer(
        method,
        optimizer,
        cosine_schedule(optimizer, args.epoch * args.num_train_iter),
        data.streams(images, args, method.stream_names, pin),
        Recipe(
            args.epoch,
            args.num_train_iter,
            clip=args.clip,
            clip_scaled=not args.clip_unscaled,
            precision=args.precision,
            channels_last=args.channels_last,
            ema_across_epochs=args.ema_across_epochs,
            stop_after_epoch=args.stop_after_epoch,
        ),
        device,
        evaluators,
        ParameterEMA(method, args.ema_m),
        run=run,
        callbacks=tuple(callbacks),
        identity={
            **{"method": entry.name, **identity, "labelled_images": labelled},
            "images": images.train.fingerprint(),
            "split": images.split.file,
            "cache": cache.identity(data.cached_as(args)),
        },
    )


def _polarity(args, images: splits.SplitImages) -> list[int]:
    if args.polarity == "dataset":
        return catalogue.polarity(args.dataset, images.train.classes)
    if args.polarity == "equal":
        return [1] * args.num_classes
    try:
        codes = [int(word) for word in args.polarity.split(",")]
    except ValueError:
        codes = []
    if len(codes) != args.num_classes:
        raise UserError(
            f"--polarity {args.polarity} is neither dataset, equal, nor {args.num_classes} integer "
            "codes separated by commas."
        )
    return codes


def _settle(args, explicit: set[str], device: torch.device, register: list[quirks.Quirk]) -> None:
    """Resolve flags that set other flags, and refuse combinations that cannot run."""
    if args.amp and "precision" not in explicit:
        args.precision = "fp16"
        explicit = explicit | {"precision"}
    launch.settle(args, explicit, device, register)
    if args.resume and not args.load_path:
        raise UserError("--resume needs --load_path: the run folder or checkpoint to go on from.")
    if args.load_path and not args.resume:
        log.warning(
            "--load_path has no effect without --resume; to start from weights use --pretrained."
        )
    if Path(args.dataset).name != args.dataset:
        raise UserError(
            f"--dataset {args.dataset} is a path; give a plain name, and the folders by "
            "--train_data_dir and --test_data_dir."
        )
    if args.resume and not Path(args.load_path).exists():
        raise UserError(
            f"--load_path {args.load_path} does not exist; give a run folder or a checkpoint."
        )


def _index_to_read(args, index_file: Path) -> Path:
    """The index file to look for: this run's, else that of the run that is resumed."""
    if index_file.exists() or not args.resume:
        return index_file
    source = Path(args.load_path)
    return (source if source.is_dir() else source.parent) / index_file.name


def train(argv: list[str], entry: Entry = PUBLISHED) -> int:
    """Read the flags, train, write the run folder and print the headline.

    Raises:
        UserError: a mistake in the flags or the data.
        Interrupted: a signal came; the text says how to go on.
    """
    log_to()
    args, explicit = flags.parse(entry.parser, argv)
    device = choose_device(args.device, args.gpu)
    register = quirks.load(QUIRKS)
    _settle(args, explicit, device, register)
    split_files.resolve(args, explicit, "num_labels")
    run = RunFolder(Path(args.save_dir) / args.save_name)
    index_file = authors_files.index_file(run.path, args.dataset, args.num_labels)
    run.check(args.overwrite)
    if not index_file.exists() and not args.split:  # a given split may have any sizes
        splits.check_share(args.num_labels, args.num_classes)
    manifest = entry.read(args, args.num_workers)

    # All that can be refused is refused before the first file is written or replaced.
    launch.warn_ignored({**IGNORED, **entry.ignored}, explicit)
    source = _index_to_read(args, index_file)
    images = data.split(manifest, args, source)
    launch.seed_everything(args.seed)
    trainer = build_trainer(entry, args, images, run, device)
    if args.resume:
        authors_files.resume(trainer, Path(args.load_path), args.ema_reload_each_epoch)

    goes_on = args.resume and run.holds(Path(args.load_path))
    best = authors_files.best_of(Path(args.load_path)) if args.resume and not goes_on else None
    run.open(overwrite=args.overwrite, resume=goes_on, keep=(index_file.name,))
    log_to(run.path)
    more = {"split": split_files.record(images.split), "cache": data.cached_as(args)}
    launch.record(run, entry.name, args, register, device, images.train, images.test, more=more)
    if best:
        run.take_over(best)
    if images.split.reused:
        log.warning(
            "labelled images read back from %s, whatever the seeds say; delete it to draw others",
            source,
        )
    np.save(index_file, images.split.labelled)
    authors_files.write_statistics(
        Path("data_statistics"), args.dataset, images.labelled.labels, images.train.classes
    )
    launch.conduct(trainer, entry.program, argv, manifest.drawn)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Train S2-VER; returns the exit code."""
    return entry_point(train, argv)


def cli() -> None:
    """The installed script ``s2ver``."""
    raise SystemExit(main())


if __name__ == "__main__":
    cli()
