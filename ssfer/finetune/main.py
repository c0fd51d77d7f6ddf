"""A fine-tuning from flags to results: its stages one after another, fold by fold."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from common.cli import UserError
from common.data import cache
from common.data.splits import Images, Split
from common.engine.experiment import Experiment, OnReady
from common.engine.run_folder import LAST
from common.engine.state import seed_everything
from common.engine.trainer import Trainer
from common.files import write_json
from common.flags import GivenFlags
from ssfer import views
from ssfer.finetune import authors_files, boxes, data, start
from ssfer.finetune.stages import SEMI, SUPERVISED, Stage, stage_folder
from ssfer.vit import SIZES, check_input_size

log = logging.getLogger(__name__)


def check(args, given_flags: GivenFlags) -> None:
    """Refuse flags that cannot run, and settle ``--out``, before any image is read.

    Raises:
        UserError: says which flag.
    """
    check_input_size(args.input_size, SIZES[args.model].patch_size)
    if not args.dataset or Path(args.dataset).name != args.dataset:
        raise UserError(
            f"--dataset {args.dataset!r} cannot be part of a file's name; give one without slashes."
        )
    mixing = args.Facemixup_active or args.Mixup_active
    if mixing and args.batch_size % 2:
        raise UserError(
            f"--batch_size {args.batch_size} is odd, but images are mixed in pairs; give an even "
            "number."
        )
    if mixing and args.mixup_alpha == 0 and args.cutmix_alpha == 0:
        raise UserError("--mixup_alpha and --cutmix_alpha are both 0; one of them must mix.")
    if args.protocol == "kfold" and "testdir" in given_flags:
        raise UserError(
            "--testdir has no place in --protocol kfold, which validates on folds of the labelled "
            "images; give --protocol official."
        )
    if (args.boxes is not None) != (args.detector == "file"):
        raise UserError(
            f"--boxes and --detector file go together, but --detector is {args.detector}; boxes "
            "are found once by `python -m ssfer.detect_faces`."
        )
    if args.resume is not None:
        root = authors_files.run_of(args.resume)
        if "out" in given_flags and args.out.absolute() != root:
            raise UserError(
                f"--resume {args.resume} goes on in its own folder, {root}; leave --out away or "
                "give the same."
            )
        args.out = root


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
            rows.append({"fold": stage.fold, "stage": stage.name, **figures(summary)})
        self._finish(args, images, len(folds.split.labelled), rows, trainer)

    def _finish(self, args, images: Images, labelled: int, rows: list, trainer: Trainer) -> None:
        """Write weights and results, and tell them."""
        weights = None
        if args.protocol == "official":
            weights = authors_files.weights_name(args.dataset, args.anno_percent)
            authors_files.save_weights(trainer, args.out / weights)
        means = means_of(rows)
        result = {
            "protocol": args.protocol,
            "dataset": args.dataset,
            "anno_percent": args.anno_percent,
            "labelled_images": labelled,
            "weights": weights,
            "drawn": images.drawn,
            "rows": rows,
            "last": means,
        }
        write_json(args.out / authors_files.RESULTS, result)
        for name, row in means.items():
            several = row["std"] is not None
            spread = f" ± {100 * row['std']:.2f} over {row['folds']} folds" if several else ""
            print(f"{name}: accuracy after the last epoch {100 * row['mean']:.2f} %{spread}")
        if weights:
            print(f"weights: {args.out / weights}")
        print(f"results: {args.out / authors_files.RESULTS}")


class Folds:
    """Which images the stages of a run train on and are judged by.

    Args:
        args: the flags.
        images: of the run.

    Raises:
        UserError: too few images for the batches, incomplete boxes, or no cache to be had.
    """

    def __init__(self, args, images: Images):
        self.args, self.images = args, images
        self.split = self._draw()
        labelled = images.train.take(self.split.labelled)
        if args.boxes:
            labelled = boxes.attach(labelled, args.traindir, args.boxes)
        self.parts = [(None, labelled, images.test)]
        if args.protocol == "kfold":
            folds = data.folds(len(labelled), args.k, args.random_state)
            self.parts = [
                (number, labelled.take(train), labelled.take(valid))
                for number, (train, valid) in enumerate(folds)
            ]
        self._check_sizes()
        crop = {"image": views.crop_view(args.input_size)}
        whole = {"image": data.test_view(args.input_size, args.square_crop)}
        self.opener = cache.opener(args, images.train, crop)
        self.test_opener = cache.opener(args, images.test, whole) if images.test else self.opener

    def _draw(self) -> Split:
        """The labelled images: drawn, or always those of ``--split``."""
        train, args = self.images.train, self.args
        labelled, rest = data.draw_labelled(train.labels, args.anno_percent, args.nb_classes)
        # After the draw, so that the generators go on as they would without a file.
        return self.images.split or Split(labelled, rest, np.empty(0, np.int64))

    def _check_sizes(self) -> None:
        batch = self.args.batch_size
        least = min(len(train) for _, train, _ in self.parts)
        needed = [("labelled images of the supervised stage", least, batch)]
        if self.args.semi_epochs:
            labelled, unlabelled = len(self.split.labelled), len(self.split.unlabelled)
            needed.append(("labelled images", labelled, 2 * batch))
            needed.append(("unlabelled images", unlabelled, 2 * batch * self.args.mu))
        for what, found, wanted in needed:
            if found < wanted:
                raise UserError(
                    f"there are {found} {what}, but a batch takes {wanted}; give a smaller "
                    "--batch_size or another --anno_percent."
                )

    def stages(self) -> Iterator[Stage]:
        """Every stage of every fold in order; what is drawn for one is drawn when it is due."""
        args, epochs = self.args, 0
        for fold, train, held_out in self.parts:
            if absent := [name for name, n in train.counts().items() if n == 0]:
                log.warning("fold %s trains without any image of %s", fold, ", ".join(absent))
            stage = Stage(
                train=train,
                test=held_out,
                split=self.split,
                name="stage2",
                fold=fold,
                whole=self.images,
                seed=10 * (1000 * args.seed + (0 if fold is None else fold + 1)),
                opener=self.opener,
                test_opener=self.test_opener,
                epochs_before=epochs,
            )
            yield stage
            epochs += args.num_epochs
            if args.semi_epochs:
                # Under kfold the labelled images are drawn anew, as the published code does: more
                # images than stated lend their labels, and some of them are in the validation.
                split = self._draw() if args.protocol == "kfold" else self.split
                labelled, pool = map(self.images.train.take, (split.labelled, split.unlabelled))
                yield replace(
                    stage,
                    name="stage3",
                    train=labelled,
                    pool=pool,
                    split=split,
                    epochs_before=epochs,
                )
                epochs += args.semi_epochs


def figures(summary: dict) -> dict:
    """What the results file says of a stage."""
    test = summary["last"]["test"]
    row = {name: values["value"] for name, values in summary["protocols"].items()}
    row |= {name: test[name] for name in ("macro_f1", "balanced_accuracy")}
    if "teacher" in summary["last"]:
        row["teacher_last"] = summary["last"]["teacher"]["top1"]
    row["seconds"] = summary["wall_s"]
    row["train_images_per_second"] = summary["train_images_per_second"]
    return row


def means_of(rows: list[dict]) -> dict[str, dict]:
    """Mean and deviation over the folds of each stage's last accuracy."""
    means = {}
    for name in authors_files.STAGES:
        last = [row["last"] for row in rows if row["stage"] == name]
        if last:
            std = statistics.stdev(last) if len(last) > 1 else None
            means[name] = {"mean": statistics.mean(last), "folds": len(last), "std": std}
    return means


EXPERIMENTS = {"stage2": SUPERVISED, "stage3": SEMI}
EXPERIMENT = FineTuning(**{**vars(SUPERVISED), "check": check})
main, cli = EXPERIMENT.main, EXPERIMENT.cli
