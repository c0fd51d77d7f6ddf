"""The files of a run under the authors' names, and ours beside them."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path

import torch

from common.cli import UserError
from common.engine import checkpoint
from common.engine.method import StepOutput
from common.engine.run_folder import LAST
from common.engine.trainer import Callback, Trainer
from webemotion.catalogue import Script
from webemotion.checkpoints import PREFIX
from webemotion.config import Config

log = logging.getLogger(__name__)

BEST = "model_best.pth.tar"
EVALUATION = "evaluation.json"
HIGHEST_LOSS = 10000.0  # what the one-branch scripts hold their best loss to be, for ever


def run_path(config) -> Path:
    """``save_directory``, or ``ckpts/<name>/<ID>-<time>``."""
    if config.save_directory:
        return Path(config.save_directory)
    return Path("ckpts") / config.name / f"{config.ID}-{stamp()}"


def stamp() -> str:
    """The time of day in file names."""
    return time.strftime("%Y-%m-%d_%H-%M-%S")


class AuthorsFiles(Callback):
    """Writes ``checkpoint_<epoch>.pth.tar`` and ``model_best.pth.tar``.

    An epoch is a best one when it exceeds every earlier one and where the training began; a tie
    is not.

    Args:
        saves: ``every``, ``improvements`` or ``all_best``, see :mod:`webemotion.catalogue`.
        arch: for the file.
        best: best metric in percent that an earlier training reached.
        text_head: the file also holds ``text_state_dict``.
    """

    def __init__(self, saves: str, arch: str, best: float = 0.0, text_head: bool = False):
        self.saves, self.arch, self.best, self.text_head = saves, arch, best, text_head

    @classmethod
    def of(cls, config: Config, row: Script, args, by_loss: bool, earlier: dict) -> AuthorsFiles:
        """What a script writes.

        Args:
            by_loss: the epoch with the lowest loss is the best one.
            earlier: checkpoint of the training that is gone on with; empty without.
        """
        saves, best = row.saves, best_of(earlier)
        if by_loss:
            saves, best = "every", -HIGHEST_LOSS
        elif args.honour_save_best_only and config.save_best_only:
            saves = "improvements"
        return cls(saves, config.arch, best, row.saves_text_head)

    def state_dict(self) -> dict:
        """The best value so far."""
        return {"best": self.best}

    def load_state_dict(self, state: dict, device: torch.device) -> None:
        """Go on from :meth:`state_dict`."""
        self.best = state["best"]

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """Write the files, if the training has a run folder."""
        by_loss = trainer.recipe.mode == "min"
        value = row[trainer.judged_on][trainer.recipe.metric]
        value = -value if by_loss else 100 * value
        improved = value > self.best
        self.best = max(self.best, value)
        always = self.saves == "all_best"
        if not trainer.run or (self.saves == "improvements" and not improved):
            return
        state = {
            "epoch": row["epoch"],
            "arch": self.arch,
            "state_dict": {PREFIX + k: v for k, v in trainer.method.model.state_dict().items()},
            "best_prec1": HIGHEST_LOSS if always else abs(self.best),
            "optimizer": trainer.optimizer.state_dict(),
        }
        if self.text_head:
            state["text_state_dict"] = trainer.method.head.state_dict()
        folder = trainer.run.path
        checkpoint.save(state, folder / f"checkpoint_{row['epoch'] - 1:04d}.pth.tar")
        if improved or always:
            checkpoint.save(state, folder / BEST)


class Plateau(Callback):
    """Cuts the rate when the validation loss has not fallen for more than `patience` epochs."""

    def __init__(self, optimizer: torch.optim.Optimizer, patience: int):
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, mode="min", factor=0.1, patience=patience, threshold=1e-4
        )

    def state_dict(self) -> dict:
        """The lowest loss and how long ago it was."""
        state = self.scheduler.state_dict()
        return {name: value for name, value in state.items() if isinstance(value, int | float)}

    def load_state_dict(self, state: dict, device: torch.device) -> None:
        """Go on from :meth:`state_dict`."""
        self.scheduler.load_state_dict(state)

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """Move on by the validation loss of the epoch."""
        self.scheduler.step(row[trainer.judged_on]["loss"])


class Lines(Callback):
    """A log line every `frequency` steps, and the end of the epoch's unreadable images."""

    def __init__(self, frequency: int):
        self.frequency = frequency

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        """Log loss and rate."""
        step, steps = trainer.progress.step, trainer.progress.steps_per_epoch
        if step % self.frequency == 0:
            when = f"epoch {trainer.progress.epoch}, step {step} of {steps}"
            log.info("%s: loss %.4f, lr %g", when, output.loss.item(), trainer.rate_used)

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """Count what could not be read."""
        left_out = round(row["train"].get("unreadable", 0) * trainer.recipe.steps_per_epoch)
        if left_out:
            log.warning("%d training images could not be read and were left out", left_out)


def last_checkpoint(path: str) -> Path:
    """The ``last.ckpt`` that ``--resume`` means.

    Raises:
        UserError: it is not there, or another file is meant.
    """
    file = Path(path) / LAST if Path(path).is_dir() else Path(path)
    if file.name != LAST or not file.is_file():
        raise UserError(
            f"--resume {path}: there is no {LAST}; give a run folder. Starting weights alone are "
            "given by the key resume of the configuration."
        )
    return file


def best_of(state: dict) -> float:
    """``best_prec1`` of a checkpoint, which may be a tensor."""
    value = state.get("best_prec1", 0.0)
    value = value.item() if isinstance(value, torch.Tensor) else float(value)
    return 0.0 if math.isnan(value) else value
