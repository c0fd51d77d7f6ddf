"""``python dimva/train.py``: read the flags, wire the pieces, train, test."""

from __future__ import annotations

import hashlib
import logging
import sys
from pathlib import Path

if not __package__:  # run as a script: import from the repository's root, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import pandas as pd
import torch

from common import flags, quirks
from common.cli import UserError, choose_device, entry_point
from common.data import cache, split_files
from common.engine import checkpoint, launch
from common.engine.run_folder import RunFolder, log_to
from common.engine.trainer import Recipe, Trainer
from dimva import authors_files, data, evaluation, figure, objective
from dimva.authors_files import Files
from dimva.evaluation import JUDGED, Plan, RatingEvaluator
from dimva.method import Dimensional, Settings
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

PROGRAM = "python dimva/train.py"
QUIRKS = Path(__file__).with_name("quirks.yaml")
# Flags that may differ between a run and its continuation: they do not decide what is computed.
NEUTRAL = {
    *("out", "resume", "load_path", "overwrite", "gpu_num", "device", "data_root", "va_root"),
    *("lexicon", "num_workers", "precision", "channels_last", "compile", "fast", "corrected"),
    *("stop_after_epoch", "pretrained", "finite_loss", "label_order"),
    *("split", "cache", "cache_exact"),  # a split file is part of the identity, not its place
}


def build_model(args, files: Files) -> DimensionalResNet:
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
        start = files.first_stage
        load_weights(model, checkpoint.load(start), start)
    trained = freeze(model, LAST_STAGE)
    log.info("start: %s; %d tensors train, from %s on", start, len(trained), trained[0])
    return model


def build_evaluators(
    sets: data.Sets, kinds: tuple[tuple[str, str], ...], args, device: torch.device
) -> dict[str, RatingEvaluator]:
    """An evaluator for every (set, kind), by the set's name."""
    return {
        name: RatingEvaluator(
            data.stream(sets, name, args, device.type == "cuda"),
            kind,
            sets.converter,
            args.label_order,
            device,
            args.channels_last,
        )
        for name, kind in kinds
    }


def by_role(evaluators: dict[str, RatingEvaluator], plan: Plan) -> dict[str, RatingEvaluator]:
    """The trainer's names: ``val`` picks the checkpoint, ``test`` is the rated test set."""
    roles = {plan.selection: "val", "test_va": "test"}
    return {roles.get(name, name): evaluator for name, evaluator in evaluators.items()}


def build_trainer(
    args, plan: Plan, sets: data.Sets, files: Files, run: RunFolder, device: torch.device
) -> Trainer:
    """Everything a run needs, wired from its flags."""
    model = build_model(args, files)
    if args.compile:
        model.compile()
    multilabel = objective.is_multilabel(args.dataname)
    settings = Settings(args.mode, args.task, multilabel, args.finite_loss)
    layout = torch.channels_last if args.channels_last else torch.preserve_format
    method = Dimensional(model, settings).to(device, memory_format=layout)
    optimizer = build_optimizer(model.parameters(), args.lr, args.decay)
    evaluators = by_role(build_evaluators(sets, plan.evaluations, args, device), plan)
    stream = data.stream(sets, "train", args, device.type == "cuda")
    paths = "\n".join(sets.named["train"].table["path"].map(lambda p: Path(p).name))
    identity = {name: launch.plain(v) for name, v in vars(args).items() if name not in NEUTRAL}
    trainer = Trainer(
        method,
        optimizer,
        schedule(optimizer),
        {"train": stream},
        Recipe(
            args.num_epochs,
            stream.steps,
            precision=args.precision,
            channels_last=args.channels_last,
            metric=JUDGED,
            percent=False,
            stop_after_epoch=args.stop_after_epoch,
            schedule_per="step" if args.schedule_per == "batch" else "epoch",
        ),
        device,
        evaluators,
        run=run,
        callbacks=(Selection(files.checkpoint, args.early_stop, args.keep_best),),
        identity={
            "method": "dimva",
            **identity,
            "training_images": hashlib.sha256(paths.encode()).hexdigest(),
            "split": sets.split.file,
        },
    )
    for evaluator in evaluators.values():
        evaluator.progress = trainer.progress
    return trainer


def final_test(trainer: Trainer, sets: data.Sets, files: Files, args) -> dict[str, dict]:
    """Test the checkpoint that the selection left, and write what is found.

    Writes the authors' results file, and ``final.json``, the predictions and the scatter figure
    in the run folder.

    Raises:
        UserError: the selection left no checkpoint.
    """
    method = trainer.method
    state = authors_files.tested_state(files, args.keep_best)
    load_weights(method.model, state, files.checkpoint)
    method.eval()
    evaluators = build_evaluators(sets, evaluation.AFTER_LOADING, args, trainer.device)
    final = {}
    for name, evaluator in evaluators.items():
        evaluator.progress = trainer.progress
        with torch.no_grad():
            seen = evaluator.seen(method)
        final[name] = evaluation.report(
            seen, evaluator.kind, method.settings, sets.converter, args.label_order, intervals=True
        )
    trainer.run.write(authors_files.FINAL, final)
    authors_files.append_results(files, final)
    columns = evaluation.paths_and_values(seen, sets.named["test_va"].table["path"].to_numpy())
    pd.DataFrame(columns).to_csv(trainer.run.path / authors_files.PREDICTIONS, index=False)
    figure.scatter(trainer.run.path / authors_files.FIGURE, columns, sets.words)
    return final


def final_text(final: dict[str, dict], files: Files) -> str:
    """The final test in a few lines."""
    lines = [f"final test of {files.checkpoint}:"]
    for name, values in final.items():
        parts = []
        for dimension in evaluation.DIMENSIONS:
            low, high = values[f"r_{dimension}_interval_95"]
            r = f"r of {dimension} {values[f'r_{dimension}']:.4f} (95% {low:.3f} to {high:.3f})"
            parts.append(f"{r}, CCC {values[f'ccc_{dimension}']:.4f}")
        if "accuracy" in values:
            both = (values["accuracy_authors"], values["accuracy_corrected"])
            parts.append("accuracy {:.2%} as the authors, {:.2%} corrected".format(*both))
        lines.append(f"  {name}, {values['images']} images: {'; '.join(parts)}")
    return "\n".join([*lines, f"results file: {files.results}"])


def train(argv: list[str]) -> int:
    """Read the flags, train, test and write the files.

    Raises:
        UserError: a mistake in the flags or the data.
        Interrupted: a signal came; the text says how to go on.
    """
    log_to()
    args, explicit = flags.parse(build_parser, argv)
    args.pretrained = str(args.pretrained)
    device = choose_device(args.device, args.gpu_num)
    register = quirks.load(QUIRKS)
    launch.settle(args, explicit, device, register)
    args.split_once = args.split_once or args.split is not None  # a file holds one split
    if args.resume != (args.load_path is not None):
        raise UserError("--resume and --load_path go together: the second says what to go on from.")
    if not 0 < args.val_fraction < 1:
        raise UserError("--val_fraction must be above 0: the checkpoint is picked on those images.")
    files = Files(args.out, args.mode, args.task, args.dataname, args.seed)
    run = RunFolder(files.run, files.scalars)
    goes_on = args.resume and run.holds(args.load_path)  # nothing of the run is replaced
    may_write = args.overwrite or goes_on
    if files.run.is_dir() and any(files.run.iterdir()) and not may_write:
        raise UserError(
            f"{files.run} holds this run already; give --overwrite to replace it, or another --out "
            "or --seed."
        )
    run.check(may_write)
    if args.mode == "two_stage" and not args.resume:
        authors_files.require_first_stage(files, PROGRAM, argv)
    plan = evaluation.plan(args.mode, args.task)

    # All that can be refused is refused before the first file is written or replaced.
    sets = data.read(args, plan.trained)
    launch.seed_everything(args.seed)
    trainer = build_trainer(args, plan, sets, files, run, device)
    chosen = None
    if args.resume:
        chosen = authors_files.resume(trainer, args.load_path, trainer.callbacks[0], files)
    run.open(overwrite=may_write, resume=goes_on)
    files.make_folders()
    authors_files.take_over(files, chosen)
    log_to(run.path)
    tested = sets.named["test_va"]
    shown = (data.train_views(args.image_size), data.eval_views(args.image_size))
    more = {"split": split_files.record(sets.split), "cache": cache.kind(args, *shown)}
    launch.record(run, "dimva", args, register, device, sets.named["train"], tested, more=more)
    summary = launch.conduct(trainer, PROGRAM, argv, sets.drawn)
    if summary["finished"]:
        print(final_text(final_test(trainer, sets, files, args), files))
    return 0


def main(argv: list[str] | None = None) -> int:
    """Train and test; returns the exit code."""
    return entry_point(train, argv)


def cli() -> None:
    """The installed script ``dimva``."""
    raise SystemExit(main())


if __name__ == "__main__":
    cli()
