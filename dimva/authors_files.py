"""The files of a run under the authors' names, and ours beside them."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from common.cli import UserError
from common.engine import checkpoint, run_folder
from common.engine.checkpoint import Source
from common.engine.run_folder import LAST, RunFolder
from common.engine.trainer import Callback, Trainer
from common.flags import without_option
from dimva import evaluation, figure
from dimva.data import Sets
from dimva.model import load_weights

FINAL = "final.json"
PREDICTIONS = "test_va_predictions.csv"
FIGURE = "test_va.png"
SHOWN = ("r_valence", "p_valence", "r_arousal", "p_arousal", "ccc_valence", "ccc_arousal")


@dataclass(frozen=True)
class Files:
    """Where a run writes.

    Attributes:
        root: ``--out``.
        mode, task, dataname, seed: the flags of these names.
    """

    root: Path
    mode: str
    task: str
    dataname: str
    seed: int

    @classmethod
    def of(cls, args) -> Files:
        """The files of a run with these flags."""
        return cls(args.out, args.mode, args.task, args.dataname, args.seed)

    @property
    def name(self) -> str:
        """``<mode>_<task>_<dataname>_rs_<seed>``."""
        return f"{self.mode}_{self.task}_{self.dataname}_rs_{self.seed}"

    @property
    def checkpoint(self) -> Path:
        """Plain state dict of the tested network."""
        return self.root / "checkpoints" / f"{self.name}.pt"

    @property
    def first_stage(self) -> Path:
        """The one_stage checkpoint of the same task, set and seed."""
        files = Files(self.root, "one_stage", self.task, self.dataname, self.seed)
        return files.checkpoint

    @property
    def results(self) -> Path:
        """Text that every finished run adds to."""
        return self.root / "results" / f"{self.mode}_{self.task}_{self.dataname}_results.txt"

    @property
    def scalars(self) -> Path:
        """TensorBoard's folder."""
        return self.root / "logs" / f"{self.mode}_{self.task}"

    @property
    def run(self) -> Path:
        """This project's run folder."""
        return self.root / "runs" / self.name

    def make_folders(self) -> None:
        """Make the folders of checkpoint, results and TensorBoard."""
        for folder in (self.checkpoint.parent, self.results.parent, self.scalars):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UserError(
                    f"the folder {folder} cannot be made ({error.strerror}); give another --out."
                ) from None


def require_first_stage(files: Files, program: str, argv: list[str]) -> None:
    """Refuse a second stage without the first one's checkpoint.

    Args:
        program: what a person types before `argv`.
        argv: the arguments of this run.

    Raises:
        UserError: there is none; the sentence says what to run first.
    """
    if not files.first_stage.is_file():
        words = shlex.join([*without_option(argv, "--mode"), "--mode", "one_stage"])
        raise UserError(
            f"two_stage starts from {files.first_stage}, which is not there; run first "
            f"`{program} {words}`."
        )


def tested_state(files: Files, keep_best: bool = False) -> dict:
    """The weights that the final test is on.

    Raises:
        UserError: validation r of valence never rose above 0 (with `keep_best`: was never a
            number) and patience did not run out, so nothing was saved; the authors' code fails
            here too.
    """
    if not files.checkpoint.is_file():
        found, also = "rose above 0", ", or give --keep_best"
        if keep_best:
            found, also = "was a number", ""
        raise UserError(
            f"no epoch's validation r of valence {found}, so there is no {files.checkpoint} "
            f"to test; train longer or with another --lr{also}. The last weights are in "
            f"{files.run / LAST}."
        )
    return checkpoint.load(files.checkpoint)


def epoch_figures(row: dict) -> dict[str, float]:
    """What the authors print of an epoch, from a row of the trainer's history.

    The single task has no accuracy, which they print as -1; in the multi task loss and accuracy
    are those of the categorical images.
    """
    out = {"train_loss": row["train"]["loss"]}
    for split in ("val", "test"):
        rated, judged = row[split], row.get(f"{split}_cat", row[split])
        out[f"{split}_acc"] = judged.get("accuracy", -1)
        out |= {f"{split}_{name[0]}": rated[f"r_{name}"] for name in evaluation.DIMENSIONS}
        if split == "val":
            out["val_loss"] = judged["loss"]
    return out


class EpochFigures(Callback):
    """The authors' TensorBoard diagram, ``<mode>/<task>/<dataname>``, a line a rate and seed."""

    def __init__(self, args):
        self.tag = f"{args.mode}/{args.task}/{args.dataname}"
        self.end = f"{args.lr}_{args.seed}"

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """Write the epoch's figures but those of the test."""
        figures = {
            f"{name}_{self.end}": value
            for name, value in epoch_figures(row).items()
            if not name.startswith("test")
        }
        if trainer.run:
            trainer.run.scalar_group(self.tag, figures, row["epoch"])


def append_results(args, final: dict[str, dict]) -> None:
    """Add the final test to the results file: the authors' lines, then ours, a line a set.

    Theirs are an empty line, the flags, and one line of both correlations on the rated set with
    the accuracy on the categorical one.
    """
    files, rated = Files.of(args), final["test_va"]
    flags = (args.seed, args.lr, args.decay, args.batch_size, args.early_stop)
    accuracies = [values["accuracy"] for values in final.values() if "accuracy" in values]
    accuracy = accuracies[0] if accuracies else math.nan
    parts = [
        f"[{name[0]}] r: {rated[f'r_{name}']}, p-value: {rated[f'p_{name}']}"
        for name in evaluation.DIMENSIONS
    ]
    lines = ["", "".join(f"{value} | " for value in flags).rstrip()]
    lines += ["".join(parts) + f"[acc] r: {accuracy}", files.name]
    for name, values in final.items():
        shown = [n for n in (*SHOWN, "accuracy", "accuracy_corrected") if n in values]
        figures = " ".join(f"{n} {_figure(values[n])}" for n in shown)
        lines.append(f"{name}: images {values['images']} {figures}")
    with open(files.results, "a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def _figure(value: float) -> str:
    return "nan" if math.isnan(value) else f"{value:.4g}"


def write_beginning(args, sets: Sets, run: RunFolder) -> None:
    """Make the folders; a run that begins anew takes an older one's chosen weights away."""
    files = Files.of(args)
    files.make_folders()
    if not args.resume:
        files.checkpoint.unlink(missing_ok=True)


def summarise(trainer: Trainer, wall_s: float) -> dict:
    """As every run's; at its end the final test, the authors' number, is told before it."""
    return run_folder.summarise(trainer, wall_s, tell=not trainer.finished)


def carry_over(trainer: Trainer, args, source: Source) -> Callable[[], None]:
    """The weights that the run chose so far go along with it.

    They stand in ``checkpoints`` beside the ``runs`` of the checkpoint that is gone on with.

    Raises:
        UserError: they are not there, without which the final test could not be made.
    """
    files = Files.of(args)
    saved = trainer.callbacks[0].replay(trainer).saved
    chosen = files.checkpoint
    if not source.same_folder:
        chosen = source.path.resolve().parent.parent.parent / "checkpoints" / chosen.name
    if saved and not chosen.is_file():
        raise UserError(
            f"{source.path} goes on with a run whose epoch {saved[-1] + 1} is the chosen one, but "
            f"its weights, {chosen}, are not there; put them back, or train anew without --resume."
        )

    def take() -> None:
        if not trainer.finished:
            (files.run / FINAL).unlink(missing_ok=True)
        if saved:
            checkpoint.save(checkpoint.load(chosen), files.checkpoint, trainer.record)
        else:
            files.checkpoint.unlink(missing_ok=True)

    return take


def final_test(trainer: Trainer, args, sets: Sets) -> None:
    """Test the checkpoint that the selection left; write and tell what is found.

    Writes the authors' results file, and ``final.json``, the predictions and the scatter figure
    in the run folder.

    Raises:
        UserError: the selection left no checkpoint.
    """
    files, method, run = Files.of(args), trainer.method, trainer.run
    if (run.path / FINAL).is_file():  # gone on with after its end
        print(f"the final test was made: {run.path / FINAL}, {files.results}")
        return
    load_weights(method.model, tested_state(files, args.keep_best), files.checkpoint)
    method.eval()
    pin, final = trainer.device.type == "cuda", {}
    tests = evaluation.evaluators(sets, evaluation.AFTER_LOADING, args, pin)
    for name, evaluator in tests.items():
        with torch.no_grad():
            seen = evaluator.seen(method, trainer.progress.epoch)
        final[name] = evaluation.report(
            seen, evaluator.kind, method.config, sets.converter, args.label_order, intervals=True
        )
    run.write(FINAL, final)
    append_results(args, final)
    columns = evaluation.paths_and_values(seen, sets.test.table["path"].to_numpy())
    pd.DataFrame(columns).to_csv(run.path / PREDICTIONS, index=False)
    figure.scatter(run.path / FIGURE, columns, sets.words)
    print(final_text(final, files))
    print(run_folder.headline_text(run_folder.read_summary(run.path), run.path))


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
