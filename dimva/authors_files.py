"""The files of a run under the authors' names, and ours beside them."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path

from common.cli import UserError
from common.engine import checkpoint
from common.engine.run_folder import LAST
from common.engine.trainer import Trainer
from common.flags import without_option
from dimva.selection import Selection

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


def resume(trainer: Trainer, path: Path, selection: Selection, files: Files) -> dict | None:
    """Go on from `path`: a run folder or its ``last.ckpt``.

    Returns:
        The weights that the run chose so far, which stand in ``checkpoints`` beside the ``runs``
        of `path`; None where no epoch was saved.

    Raises:
        UserError: missing or damaged file, or one of another training; or the chosen weights are
            not there, without which the final test could not be made.
    """
    path = path / LAST if path.is_dir() else path
    state = checkpoint.load(path)
    if "identity" not in state:
        raise UserError(f"{path} holds no training to go on with; give a run folder or {LAST}.")
    trainer.load_state_dict(state)
    saved = selection.replay(trainer).saved
    if not saved:
        return None
    chosen = files.checkpoint
    if not trainer.run.holds(path):
        chosen = path.resolve().parent.parent.parent / "checkpoints" / chosen.name
    if not chosen.is_file():
        raise UserError(
            f"{path} goes on with a run whose epoch {saved[-1] + 1} is the chosen one, but its "
            f"weights, {chosen}, are not there; put them back, or train anew without --resume."
        )
    return checkpoint.load(chosen)


def take_over(files: Files, chosen: dict | None) -> None:
    """Put the weights chosen so far in place; None takes an older run's away."""
    if chosen is None:
        files.checkpoint.unlink(missing_ok=True)
    else:
        checkpoint.save(chosen, files.checkpoint)
