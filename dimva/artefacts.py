"""The files of a run under the authors' names, and ours beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from common.cli import UserError
from common.engine import checkpoint
from common.engine.runlog import LAST
from common.engine.trainer import Trainer

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


def first_stage_state(files: Files, args) -> dict:
    """The weights that the second stage starts from.

    Raises:
        UserError: there are none; the sentence says what to run first.
    """
    if not files.first_stage.is_file():
        command = (
            f"python dimva/train.py --gpu_num {args.gpu_num} --dataname {args.dataname} "
            f"--mode one_stage --task {args.task} --seed {args.seed}"
        )
        raise UserError(
            f"two_stage starts from {files.first_stage}, which is not there; run first `{command}` "
            "with the same --out and --backbone."
        )
    return checkpoint.load(files.first_stage)


def tested_state(files: Files) -> dict:
    """The weights that the final test is on.

    Raises:
        UserError: validation r of valence never rose above 0 and patience did not run out, so
            nothing was saved; the authors' code fails here too.
    """
    if not files.checkpoint.is_file():
        raise UserError(
            f"no epoch's validation r of valence rose above 0, so there is no {files.checkpoint} "
            f"to test; train longer or with another --lr, or give --keep_best. The last weights "
            f"are in {files.run / LAST}."
        )
    return checkpoint.load(files.checkpoint)


def append_results(files: Files, final: dict[str, dict]) -> None:
    """Add the final test to the results file: a line a set."""
    lines = [files.name]
    for name, values in final.items():
        shown = [n for n in (*SHOWN, "accuracy", "accuracy_corrected") if n in values]
        figures = " ".join(f"{n} {_figure(values[n])}" for n in shown)
        lines.append(f"{name}: images {values['images']} {figures}")
    with open(files.results, "a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def _figure(value: float) -> str:
    return "nan" if math.isnan(value) else f"{value:.4g}"


def resume(trainer: Trainer, path: Path) -> None:
    """Go on from `path`: a run folder or its ``last.ckpt``.

    Raises:
        UserError: missing or damaged file, or one of another training.
    """
    state = checkpoint.load(path / LAST if path.is_dir() else path)
    if "identity" not in state:
        raise UserError(f"{path} holds no training to go on with; give a run folder or {LAST}.")
    trainer.load_state_dict(state)
