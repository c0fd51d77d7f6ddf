"""What the scripts train, on which images, judged how; and the command that they all are."""

from __future__ import annotations

import importlib
import logging
import sys
from functools import partial
from pathlib import Path

if not __package__:  # run as a script: import from the repository's root, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch

from common import flags
from common.cli import UserError, entry_point
from common.engine.experiment import Parts
from common.engine.trainer import Recipe
from common.flags import GivenFlags
from webemotion import authors_files, checkpoints, data, images, sentences, sources
from webemotion.build import build_method
from webemotion.catalogue import SCRIPTS
from webemotion.config import load
from webemotion.images import Lists
from webemotion.loaders import Loader, loaders_of
from webemotion.metrics import Validation, second_k
from webemotion.missing import require_read
from webemotion.model import freeze_all_except_fc
from webemotion.options import build_parser
from webemotion.program import Program
from webemotion.schedule import build_optimizer, go_on_with, scheduling

log = logging.getLogger(__name__)


class Training(Program):
    """A script that trains."""

    def read(self, args, given_flags: GivenFlags) -> Lists:
        """Both lists, and the part that is held out."""
        train, val = loaders_of(self.config, self.row)
        idle = {"visual_model", "resume"} if args.resume else set()
        require_read(self.config, self.script, idle)
        return images.read(self.config, train, val, args)

    def build(self, args, lists: Lists, device: torch.device) -> Parts:
        """Network, method, optimiser, stream and validation.

        Raises:
            UserError: weights or sizes that do not fit, or nothing is left to train.
        """
        config, row = self.config, self.row
        train, val = loaders_of(config, row)
        method, text = build_method(config, row, args)
        method.to(device)  # an earlier optimiser's momentum goes where its parameters are
        earlier = {}
        if not args.resume:
            earlier = checkpoints.starting_weights(method.model, config, row.start, args.loose)
        start = int(earlier["epoch"]) if earlier else config.start_epoch
        if start >= config.epochs:
            raise UserError(
                f"start_epoch {start} is not before epochs {config.epochs}; nothing is left to "
                "train."
            )
        if config.freeze:
            log.info("frozen but for %s", ", ".join(freeze_all_except_fc(method.model)))
        optimizer = build_optimizer(
            method.parameters(), config.lr, config.momentum, config.weight_decay
        )
        if earlier:
            go_on_with(optimizer, earlier["optimizer"], config)
        scheduler, callbacks = scheduling(optimizer, config, start if args.keep_schedule else 0)
        pin = device.type == "cuda"
        stream = data.stream(
            lists.train,
            config,
            train,
            sentences.sentence_reader(train.text, config, text, lists.train),
            args.num_workers,
            pin,
            sources.opener(args, lists.listed, config, data.train_view(config.image_size)),
        )
        by_loss = args.best_by_loss and row.saves == "all_best"
        files = authors_files.AuthorsFiles.of(config, row, args, by_loss, earlier)
        return Parts(
            method,
            optimizer,
            {"train": stream},
            Recipe(
                start + 1 if args.max_steps else config.epochs,
                min(stream.steps, args.max_steps or stream.steps),
                start_epoch=start,
                metric="loss" if by_loss else row.metric,
                mode="min" if by_loss else "max",
                percent=not by_loss,
                schedule_per="epoch",
            ),
            scheduler,
            self.evaluators(args, lists, val, pin),
            callbacks=(files, authors_files.Lines(config.print_freq), *callbacks),
        )

    def evaluators(self, args, lists: Lists, val: Loader, pin: bool) -> dict[str, Validation]:
        """``test`` on ``val_file`` and, where images were held out, ``val`` on them."""
        config, k = self.config, second_k(self.row.top_k, self.config.num_classes)
        view = data.val_view(config.image_size, config.resize)

        def validation(entries) -> Validation:
            opener = sources.opener(args, entries, config, view)
            batches = data.validation_batches(entries, config, val, args.num_workers, pin, opener)
            return Validation(batches, self.row.metric, k)

        held_out = {} if lists.val is None else {"val": validation(lists.val)}
        return {"test": validation(lists.test), **held_out}


def program(script: str, argv: list[str]) -> Program:
    """A script with the configuration that a command line gives it.

    Raises:
        UserError: the configuration cannot be read, or is not the script's.
    """
    args, given_flags = flags.parse(partial(build_parser, script), argv)
    changes = dict(args.set)
    if args.image_size:
        changes["image_size"] = args.image_size
    if args.pretrained:
        changes["pretrained"] = str(args.pretrained)
    if "backbone" in given_flags:
        changes["depth"] = args.backbone
    config = load(args.config_file, script, changes)
    task = SCRIPTS[script].task
    if task == "train" and not config.evaluate:
        return Training(script, config)
    module = importlib.import_module(f"webemotion.{'validate' if task == 'train' else task}")
    return module.PROGRAM(script, config)


def run(script: str, argv: list[str]) -> int:
    """Read the flags and the configuration, and do what the script does.

    Raises:
        UserError: a mistake in the flags, the configuration or the data.
        Interrupted: a signal came; the text says how to go on.
    """
    return program(script, argv).experiment().run(argv)


def main(script: str | Path, argv: list[str] | None = None) -> int:
    """Run a script; returns the exit code.

    Args:
        script: its file, or its name in :data:`webemotion.catalogue.SCRIPTS`.
        argv: the arguments; those of the process when None.
    """
    name = str(script)
    if name not in SCRIPTS:
        name = f"{Path(script).parent.name}/{Path(script).stem}"
    return entry_point(partial(run, name), argv)


def start(name: str, file: str) -> None:
    """Run a script where it is started, and not where a loader process imports it.

    Args:
        name, file: its ``__name__`` and ``__file__``.
    """
    if name == "__main__":
        raise SystemExit(main(file))


def cli() -> None:
    """``python -m webemotion.train --script NAME --config_file FILE``."""
    words = sys.argv[1:]
    if "--script" not in words[:-1]:
        raise SystemExit("error: --script NAME is needed; see --help of any script.")
    at = words.index("--script")
    name = words[at + 1]
    if name not in SCRIPTS:
        raise SystemExit(f"error: --script {name} is unknown; known are {', '.join(SCRIPTS)}.")
    raise SystemExit(main(name, [*words[:at], *words[at + 2 :]]))


if __name__ == "__main__":
    cli()
