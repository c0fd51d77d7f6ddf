"""A fine-tuning from flags to results: its stages one after another, fold by fold."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import torch

from common.cli import UserError
from common.engine.experiment import Experiment, OnReady
from common.engine.run_folder import LAST
from common.engine.state import seed_everything
from common.flags import GivenFlags
from ssfer.finetune import authors_files, start
from ssfer.finetune.folds import Folds
from ssfer.finetune.options import check
from ssfer.finetune.stages import SEMI, SUPERVISED, stage_folder

log = logging.getLogger(__name__)


def check_folder(out: Path, overwrite: bool) -> None:
    """Refuse an output folder that may not be written to.

    Raises:
        UserError: it is a file, or holds something.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file; a folder is needed.")
    if out.is_dir() and any(out.iterdir()):
        if not overwrite:
            raise UserError(
                f"{out} already exists; give --overwrite to replace it, --resume {out} to go on, "
                "or another --out."
            )
        if not authors_files.stage_folders(out):
            raise UserError(f"{out} holds no run, so it is not replaced; give another --out.")


class FineTuning(Experiment):
    """The program: a Trainer a stage, one after another, each in a folder of its own."""

    def carry_out(
        self, args, given_flags: GivenFlags, device: torch.device, on_ready: OnReady
    ) -> None:
        """All that can be refused is refused before the first file is written or replaced."""
        goes_on = args.resume is not None
        if not goes_on:
            check_folder(args.out, args.overwrite)
        images = self.read(args, given_flags)
        if not goes_on:
            start.check_checkpoint(args)
        seed_everything(args.seed)
        folds, rows, trainer = Folds(args, images), [], None
        for stage in folds.stages():
            if args.stop_after_epoch and stage.epochs_before >= args.stop_after_epoch:
                print(f"Go on with:\n  {self.resume_command(given_flags.argv, args.out)}")
                return
            experiment, run = EXPERIMENTS[stage.name], stage_folder(args, stage)
            last = run.path / LAST
            found = goes_on and last.exists()
            stage = replace(stage, before=trainer, fresh=not found)
            trainer = experiment.trainer(args, stage, run, device)
            source = experiment.resume(trainer, last, run) if found else None
            on_ready(trainer)
            if not goes_on and not rows and args.out.exists():
                authors_files.clear(args.out)
            args.out.mkdir(parents=True, exist_ok=True)
            experiment.begin(args, stage, trainer, source)
            if args.protocol == "kfold":
                log.info("'test' below is the fold's held-out part of the labelled images")
            summary = experiment.train(trainer, given_flags.argv)
            if not summary["finished"]:
                return
            if args.protocol == "official":
                name = authors_files.weights_name(args.dataset, args.anno_percent)
                authors_files.save_weights(trainer, run.path / name)
            rows.append({"fold": stage.fold, "stage": stage.name, **authors_files.figures(summary)})
        authors_files.write_results(args, images, len(folds.split.labelled), rows, trainer)


EXPERIMENTS = {"stage2": SUPERVISED, "stage3": SEMI}
EXPERIMENT = FineTuning(**{**vars(SUPERVISED), "check": check})
main, cli = EXPERIMENT.main, EXPERIMENT.cli
