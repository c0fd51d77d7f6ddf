"""The stages of a fine-tuning one after another, each a training of its own."""

from __future__ import annotations

import copy
import hashlib
import logging
import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from common.cli import UserError, log_to
from common.data import cache, split_files
from common.data.manifest import Manifest
from common.engine import checkpoint, launch
from common.engine.evaluate import ClassificationEvaluator
from common.engine.method import Progress
from common.engine.pseudo_labels import PseudoLabelDiagnostics
from common.engine.run_folder import LAST, RunFolder
from common.engine.trainer import Recipe, Trainer
from common.files import write_json
from common.flags import resume_command
from common.nn.ema import ParameterEMA
from ssfer import authors_files, data, preparation, rates, views
from ssfer.method import (
    EMATeacher,
    FaceMix,
    MixSettings,
    StaleAverage,
    TeacherSettings,
)

log = logging.getLogger(__name__)

PROGRAM = "python ssfer/fine_tune.py"
# Flags that may differ between a run and its continuation: they do not decide what is computed.
NEUTRAL = {
    *("out", "overwrite", "resume", "stop_after_epoch", "semi_epochs", "gpu", "device"),
    *("traindir", "testdir", "boxes", "detector_weights", "num_workers"),
    *("precision", "channels_last", "fast", "corrected"),
    "split",  # the file's hash is part of the identity, not its place
    *("cache", "cache_exact"),  # every view begins with a crop or the resize: nothing changes
}


class RandomViews:
    """Batches of a stream, drawn anew every epoch, as an evaluator reads them."""

    def __init__(self, stream):
        self.stream, self.progress = stream, Progress(0, 0, 1, 1)

    def __iter__(self):
        return iter(self.stream.batches(self.progress.epoch))


@dataclass(frozen=True)
class Part:
    """What one pass through the stages trains and validates on.

    Attributes:
        number: of the fold; None under the protocol ``official``.
        train: labelled training images.
        held_out: what the stages are evaluated on.
    """

    number: int | None
    train: Manifest
    held_out: Manifest

    def folder(self, out: Path, stage: str) -> Path:
        """Where a stage writes."""
        return out / stage if self.number is None else out / f"fold{self.number}" / stage


class Chain:
    """All stages of a run.

    Args:
        args: the flags.
        images: see :class:`ssfer.preparation.Images`.
        device: where to train.
        register: the quirks.
        argv: the arguments as given, for the command that goes on.
        goes_on: take up the stages' ``last.ckpt`` where they are.

    Raises:
        UserError: too few images for the batches, or the cache cannot be made.
    """

    def __init__(self, args, images, device: torch.device, register, argv, goes_on: bool):
        self.args, self.images, self.device = args, images, device
        self.register, self.argv, self.goes_on = register, argv, goes_on
        self.epochs_before, self.rows = 0, []
        self.given = None
        if args.split:
            self.given = split_files.use(args.split, images.train, images.test)
        self.split = self._draw()
        self.parts = self._parts()
        self._check_sizes()
        self.open_train, self.open_test = self._openers()

    def _draw(self) -> tuple[np.ndarray, np.ndarray]:
        """(labelled, unlabelled): drawn, or always those of ``--split``."""
        train, args = self.images.train, self.args
        drawn = data.draw_labelled(train.labels, args.anno_percent, args.nb_classes)
        if self.given:  # after the draw, so that the generators go on as they would without
            return self.given.labelled, self.given.unlabelled
        return drawn

    def _parts(self) -> list[Part]:
        labelled = self.images.train.take(self.split[0])
        if self.images.boxes:
            labelled = self.images.boxes.attach(labelled)
        if self.args.protocol == "official":
            return [Part(None, labelled, self.images.test)]
        parts = []
        for number, (train, valid) in enumerate(
            data.folds(len(labelled), self.args.k, self.args.random_state)
        ):
            part = Part(number, labelled.take(train), labelled.take(valid))
            if absent := [name for name, n in part.train.counts().items() if n == 0]:
                log.warning("fold %d trains without any image of %s", number, ", ".join(absent))
            parts.append(part)
        return parts

    def _openers(self) -> tuple[cache.Opener | None, cache.Opener | None]:
        """What opens training and test images: the caches that the flags ask for, or files."""
        args, images = self.args, self.images
        crop = {"image": views.crop_view(args.input_size)}
        whole = {"image": data.test_view(args.input_size, args.square_crop)}
        of_train = cache.opener(args, images.train, crop)
        return of_train, cache.opener(args, images.test, whole) if images.test else None

    def _check_sizes(self) -> None:
        batch = self.args.batch_size
        least = min(len(part.train) for part in self.parts)
        needed = [("labelled images of the supervised stage", least, batch)]
        if self.args.semi_epochs:
            labelled, unlabelled = map(len, self.split)
            needed.append(("labelled images", labelled, 2 * batch))
            needed.append(("unlabelled images", unlabelled, 2 * batch * self.args.mu))
        for what, found, wanted in needed:
            if found < wanted:
                raise UserError(
                    f"there are {found} {what}, but a batch takes {wanted}; give a smaller "
                    "--batch_size or another --anno_percent."
                )

    def run(self) -> None:
        """Train what is left to train, then write weights and results."""
        if self.images.boxes:
            self.images.boxes.save()
        for part in self.parts:
            trainer = self._supervised(part)
            if not self._conduct(trainer, part, "stage2"):
                return
            if self.args.semi_epochs:
                trainer = self._semi(part, trainer)
                if not self._conduct(trainer, part, "stage3"):
                    return
        weights = None
        if self.args.protocol == "official":
            weights = authors_files.weights_name(self.args.dataset, self.args.anno_percent)
            authors_files.save_weights(trainer, self.args.out / weights)
        self._finish(weights)

    # --- the two trainings ---

    def _supervised(self, part: Part) -> Trainer:
        args = self.args
        last = part.folder(args.out, "stage2") / LAST
        model = preparation.build_model(args, not (self.goes_on and last.exists()))
        settings = MixSettings(
            args.Facemixup_active,
            args.Mixup_active,
            args.mixup_alpha,
            args.cutmix_alpha,
            args.mix_prob,
            args.switch_prob,
            args.label_smoothing,
            args.spare_originals,
            one_forward=args.fast,
        )
        method = FaceMix(model, args.nb_classes, settings).to(self.device)
        streams = self._streams(part).supervised(part.train, self.images.boxes is not None)
        steps = streams["labelled"].steps
        optimizer = rates.build_optimizer(model.parameters(), args.lr, args.weight_decay)
        cosine = rates.CosineSettings(
            *(args.lr, args.lr_min, args.warmup_lr_init, args.warmup_epoch),
            *(args.num_epochs, args.num_steps_per_epoch),
        )
        return self._trainer(
            method,
            optimizer,
            rates.cosine_schedule(optimizer, cosine, steps),
            streams,
            Recipe(args.num_epochs, steps, ema_across_epochs=True),
            {"test": self._evaluator(part)},
            part,
            "stage2",
            part.train,
            ema=ParameterEMA(method, args.ema_decay),
        )

    def _semi(self, part: Part, before: Trainer) -> Trainer:
        args = self.args
        # Under kfold the labelled images are drawn anew, as the published code does: more images
        # than stated lend their labels, and some of them are those of the validation.
        split = self._draw() if args.protocol == "kfold" else self.split
        labelled, unlabelled = (self.images.train.take(positions) for positions in split)
        stale = copy.deepcopy(before.method)
        stale.model.load_state_dict(authors_files.averaged_weights(before))
        settings = TeacherSettings(
            args.threshold, args.coefficient_u, args.burnin_epochs, args.ema_teacher, args.ema_decay
        )
        method = EMATeacher(before.method.model, settings).to(self.device)
        streams = self._streams(part).semi(labelled, unlabelled, args.mu)
        optimizer = rates.build_optimizer(
            method.model.parameters(), args.learning_rate, args.weight_decay
        )
        schedule = rates.semi_schedule(args.protocol)
        evaluators = {"test": self._evaluator(part)}
        if args.protocol == "kfold":
            evaluators = {
                "test": StaleAverage(evaluators["test"], stale),
                "teacher": evaluators["test"],
            }
        return self._trainer(
            method,
            optimizer,
            schedule(optimizer) if schedule else None,
            streams,
            Recipe(args.semi_epochs, streams["unlabelled"].steps, schedule_per="epoch"),
            evaluators,
            part,
            "stage3",
            labelled,
            callbacks=(PseudoLabelDiagnostics(labelled.classes),),
        )

    def _streams(self, part: Part) -> data.Streams:
        args, fold = self.args, 0 if part.number is None else part.number + 1
        pin = self.device.type == "cuda"
        seed = 1000 * args.seed + fold
        sizes = (args.input_size, args.batch_size)
        return data.Streams(*sizes, seed, args.num_workers, pin, self.open_train)

    def _evaluator(self, part: Part) -> ClassificationEvaluator:
        args, pin = self.args, self.device.type == "cuda"
        if args.protocol == "kfold":
            loader = RandomViews(self._streams(part).fold_validation(part.held_out))
        else:
            sizes = (args.input_size, args.num_workers)
            loader = data.test_loader(part.held_out, *sizes, pin, args.square_crop, self.open_test)
        return ClassificationEvaluator(loader, self.device, channels_last=args.channels_last)

    def _trainer(
        self, method, optimizer, scheduler, streams, recipe, evaluators, part, stage, train, **more
    ) -> Trainer:
        """The trainer of a stage, where it stands."""
        args = self.args
        recipe.precision, recipe.channels_last = args.precision, args.channels_last
        if args.stop_after_epoch:
            left = max(0, args.stop_after_epoch - self.epochs_before)
            recipe.stop_after_epoch = left if left < recipe.epochs else 0
        self.epochs_before += recipe.epochs
        identity = {n: launch.plain(v) for n, v in vars(args).items() if n not in NEUTRAL}
        folder = part.folder(args.out, stage)
        trainer = Trainer(
            method,
            optimizer,
            scheduler,
            streams,
            recipe,
            self.device,
            evaluators,
            run=RunFolder(folder, flags=("--out", "--out")),
            identity={
                "method": "ssfer",
                "stage": f"{stage} of {part.number}",
                **identity,
                "images": _digest(train),
                "split": self.given.file if self.given else None,
            },
            **more,
        )
        for evaluate in evaluators.values():
            loader = getattr(getattr(evaluate, "evaluate", evaluate), "loader", None)
            if isinstance(loader, RandomViews):
                loader.progress = trainer.progress
        if self.goes_on and (folder / LAST).exists():
            trainer.load_state_dict(checkpoint.load(folder / LAST))
        return trainer

    def _conduct(self, trainer: Trainer, part: Part, stage: str) -> bool:
        """Train a stage; False where the run stops before it has ended."""
        args, run = self.args, trainer.run
        if args.stop_after_epoch and self._used_up(trainer):
            told = resume_command(PROGRAM, self.argv, args.out, takes_path=True)
            print(f"Go on with:\n  {told}")
            return False
        run.open(overwrite=True, resume=self.goes_on and (run.path / LAST).exists())
        log_to(run.path)
        launch.record(
            *(run, "ssfer", args, self.register, self.device, part.train, part.held_out, args.seed),
            more={"split": split_files.record(self.given)} if self.given else None,
        )
        if args.protocol == "kfold":
            log.info("'test' below is the fold's held-out part of the labelled images")
        summary = launch.conduct(trainer, PROGRAM, self.argv, self.images.drawn, True)
        if not summary["finished"]:
            return False
        if args.protocol == "official":
            name = authors_files.weights_name(args.dataset, args.anno_percent)
            authors_files.save_weights(trainer, run.path / name)
        self.rows.append({"fold": part.number, "stage": stage, **_figures(summary)})
        return True

    def _used_up(self, trainer: Trainer) -> bool:
        """Whether ``--stop_after_epoch`` was reached with the stage before."""
        return self.args.stop_after_epoch <= self.epochs_before - trainer.recipe.epochs

    def _finish(self, weights: str | None) -> None:
        means = {}
        for stage in authors_files.STAGES:
            last = [row["last"] for row in self.rows if row["stage"] == stage]
            if last:
                means[stage] = {"mean": statistics.mean(last), "folds": len(last)}
                means[stage]["std"] = statistics.stdev(last) if len(last) > 1 else None
        args = self.args
        result = {
            "protocol": args.protocol,
            "dataset": args.dataset,
            "anno_percent": args.anno_percent,
            "labelled_images": len(self.split[0]),
            "weights": weights,
            "drawn": self.images.drawn,
            "rows": self.rows,
            "last": means,
        }
        write_json(args.out / authors_files.RESULTS, result)
        for stage, row in means.items():
            spread = "" if row["std"] is None else f" ± {100 * row['std']:.2f}"
            over = "" if row["std"] is None else f" over {row['folds']} folds"
            print(f"{stage}: accuracy after the last epoch {100 * row['mean']:.2f} %{spread}{over}")
        if weights:
            print(f"weights: {args.out / weights}")
        print(f"results: {args.out / authors_files.RESULTS}")


def _digest(train: Manifest) -> str:
    """Hash of the training images and their boxes."""
    boxes = "" if "box" not in train.table else str([b.tolist() for b in train.table["box"]])
    return hashlib.sha256((train.fingerprint() + boxes).encode()).hexdigest()


def _figures(summary: dict) -> dict:
    """What the results file says of a stage."""
    test = summary["last"]["test"]
    row = {name: values["value"] for name, values in summary["protocols"].items()}
    row |= {name: test[name] for name in ("macro_f1", "balanced_accuracy")}
    if "teacher" in summary["last"]:
        row["teacher_last"] = summary["last"]["teacher"]["top1"]
    row["seconds"] = summary["wall_s"]
    row["train_images_per_second"] = summary["train_images_per_second"]
    return row
