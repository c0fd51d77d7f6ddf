"""The two stages of a fine-tuning as experiments: what each trains, on what, judged how."""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from common import flags
from common.data.manifest import Manifest
from common.data.splits import Images
from common.engine.evaluate import ClassificationEvaluator
from common.engine.experiment import Experiment, Parts
from common.engine.pseudo_labels import PseudoLabelDiagnostics
from common.engine.run_folder import RunFolder
from common.engine.trainer import Recipe, Trainer
from common.nn.ema import ParameterEMA
from ssfer import prediction
from ssfer.finetune import authors_files, data, faces, rates, start
from ssfer.finetune.method import (
    EMATeacher,
    FaceMix,
    FaceMixConfig,
    StaleAverage,
    TeacherConfig,
)
from ssfer.finetune.options import build_parser

log = logging.getLogger(__name__)

UNJUDGED = {"metric": "loss", "mode": "min", "percent": False}


@dataclass(frozen=True, kw_only=True)
class Stage(Images):
    """What one stage trains on (``train``) and is judged by (``test``).

    Attributes:
        name: ``stage2`` or ``stage3``.
        fold: number; None under the protocol ``official``.
        whole: all images of the run.
        pool: the unlabelled images, for stage 3.
        before: the finished stage 2, for stage 3.
        fresh: the starting weights are read; not needed where a checkpoint brings them.
        epochs_before: of earlier stages, which count for ``--stop_after_epoch``.
    """

    name: str
    fold: int | None
    whole: Images
    seed: int
    pool: Manifest | None = None
    before: Trainer | None = None
    fresh: bool = True
    epochs_before: int = 0

    @property
    def drawn(self) -> bool:
        """Whether any image of the run is a drawn stand-in."""
        return self.whole.drawn

    def fingerprint(self) -> str:
        """Of all training images of the run."""
        return self.whole.fingerprint()

    def stop_after(self, args, epochs: int) -> int:
        """Where in this stage of `epochs` the flag ``--stop_after_epoch`` ends it; 0: nowhere."""
        left = max(0, args.stop_after_epoch - self.epochs_before)
        return left if args.stop_after_epoch and left < epochs else epochs + 1


class RandomViews:
    """Batches of a stream, drawn anew every epoch, for an evaluator."""

    def __init__(self, stream):
        self.stream = stream

    def __call__(self, method, progress) -> dict:
        """The report on the batches of the epoch."""
        batches = self.stream.batches(progress.epoch)
        return ClassificationEvaluator(batches)(method, progress)


def evaluator(stage: Stage, args) -> Callable:
    """What a stage is judged by: the test images, or the fold's under the training view."""
    if args.protocol == "kfold":
        return RandomViews(data.fold_validation(stage, args))
    return ClassificationEvaluator(data.test_loader(stage.test, args))


def as_published(args) -> bool:
    """Whether a run draws as the script: then it validates the second stage alone, and once."""
    return args.draws == "authors" and args.protocol == "kfold"


def build_supervised(args, stage: Stage, device: torch.device) -> Parts:
    """Stage 2: FaceMix on the labelled images."""
    published = as_published(args)
    model = start.build_model(args, pretrained=stage.fresh)
    detector = faces.nobody
    if args.Facemixup_active and args.detector != "file":
        detector = faces.build_detector(args.detector, args.detector_weights)
        if detector is faces.nobody:
            log.warning("--detector none: %s", faces.NO_DETECTOR)
    config = flags.settings_of(FaceMixConfig, args, one_forward=args.fast)
    method = FaceMix(model, args.nb_classes, config, detector)
    stream = data.supervised_stream(stage, args)
    cosine = flags.settings_of(rates.CosineConfig, args)
    optimizer = rates.build_optimizer(model.parameters(), args.lr, args.weight_decay)
    return Parts(
        method,
        optimizer,
        {"labelled": stream},
        Recipe(
            args.num_epochs,
            stream.steps,
            ema_across_epochs=True,
            stop_after_epoch=stage.stop_after(args, args.num_epochs),
            **(UNJUDGED if published else {}),
        ),
        rates.cosine_schedule(optimizer, cosine, stream.steps),
        {} if published else {"test": evaluator(stage, args)},
        lambda method: ParameterEMA(method, args.ema_decay),
        callbacks=(authors_files.Lines(stage),),
    )


def build_semi(args, stage: Stage, device: torch.device) -> Parts:
    """Stage 3: the teacher, on labelled and unlabelled images."""
    before = stage.before
    method = EMATeacher(before.method.model, flags.settings_of(TeacherConfig, args))
    streams = data.semi_streams(stage, args)
    optimizer = rates.build_optimizer(
        method.model.parameters(), args.learning_rate, args.semi_weight_decay
    )
    schedule = rates.semi_schedule(args.protocol)
    evaluators = {"test": evaluator(stage, args)}
    if args.protocol == "kfold":  # the published code judges by the average of the stage before
        stale = copy.deepcopy(before.method)
        stale.model.load_state_dict(authors_files.averaged_weights(before))
        also = {} if as_published(args) else {"teacher": evaluators["test"]}
        evaluators = {"test": StaleAverage(evaluators["test"], stale), **also}
    return Parts(
        method,
        optimizer,
        streams,
        Recipe(
            args.semi_epochs,
            streams["unlabelled"].steps,
            schedule_per="epoch",
            stop_after_epoch=stage.stop_after(args, args.semi_epochs),
        ),
        schedule(optimizer) if schedule else None,
        evaluators,
        callbacks=(authors_files.Lines(stage), PseudoLabelDiagnostics(stage.train.classes)),
    )


def stage_folder(args, stage: Stage) -> RunFolder:
    """Where a stage writes."""
    inner = Path(stage.name) if stage.fold is None else Path(f"fold{stage.fold}") / stage.name
    return RunFolder(args.out / inner, may_write=True, flags=("--out", "--out"))


def decides(args, stage: Stage) -> dict:
    """What else must be equal in a continuation: which stage it is, on which images and boxes."""
    boxes = "" if "box" not in stage.train.table else str([*map(list, stage.train.table["box"])])
    return {
        "stage": f"{stage.name} of {stage.fold}",
        "trained_images": stage.train.fingerprint(),
        "boxes": hashlib.sha256(boxes.encode()).hexdigest(),
    }


SUPERVISED = Experiment(
    name="ssfer",
    command="python ssfer/fine_tune.py",
    quirks=Path(__file__).parents[1] / "quirks.yaml",
    parser=build_parser,
    read=data.read,
    build=build_supervised,
    folder=lambda args: RunFolder(args.out),
    labels="anno_percent",
    labels_are_share=True,
    decides=decides,
    describes=prediction.describe,
)
SEMI = replace(SUPERVISED, build=build_semi)
