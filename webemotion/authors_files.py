"""The files of a run under the authors' names, and ours beside them."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path

import torch

from common.cli import UserError
from common.engine import checkpoint
from common.engine.run_folder import LAST
from common.engine.trainer import Callback, Trainer
from webemotion.authors_log import STAMP, AuthorsLog
from webemotion.catalogue import Script
from webemotion.checkpoints import POLICIES, PREFIX
from webemotion.config import Config

log = logging.getLogger(__name__)

BEST = "model_best.pth.tar"
EVALUATION = "evaluation.json"
HIGHEST_LOSS = 10000.0  # what the one-branch scripts hold their best loss to be, for ever
EMBEDDING = "Loss_ebd"  # what they learn


def run_path(config: Config, row: Script) -> Path:
    """The folder of a run below ``ckpts``, or below ``ckpts_dir`` where the script reads it.

    It is ``<save_directory>``, or ``<name>/<ID>-<time>``. A training that goes on as published has
    such a folder beside the checkpoint that it goes on from, for what is ours.
    """
    own = f"{config.ID}-{stamp()}"
    if resumed_folder(config, row):
        return resumed_folder(config, row) / own
    root = Path(config.ckpts_dir if config.ckpts_dir and "ckpts_dir" in row.optional else "ckpts")
    return root / (config.save_directory or Path(config.name, own))


def resumed_folder(config: Config, row: Script) -> Path | None:
    """Where a training that goes on as published writes: beside the file of ``resume``."""
    goes_on = POLICIES[row.start].proper and config.resume and not config.evaluate
    return Path(config.resume).parent if goes_on and row.task == "train" else None


def stamp() -> str:
    """The time of day in file names, 14 digits."""
    return time.strftime(STAMP)


class AuthorsFiles(Callback):
    """Writes ``checkpoint_<epoch>.pth.tar`` and ``model_best.pth.tar``.

    An epoch is a best one when it exceeds every earlier one and where the training began; a tie
    is not.

    Args:
        saves: ``every``, ``improvements`` or ``all_best``, see :mod:`webemotion.catalogue`.
        arch: for the file.
        best: best metric in percent that an earlier training reached.
        text_head: the file also holds ``text_state_dict``.
        folder: where the files go; None: into the run's folder.
        told: the published log.
    """

    def __init__(
        self,
        saves: str,
        arch: str,
        best: float = 0.0,
        text_head: bool = False,
        folder: Path | None = None,
        told: AuthorsLog | None = None,
    ):
        self.saves, self.arch, self.best, self.text_head = saves, arch, best, text_head
        self.folder, self.told, self.from_run = folder, told, False

    @classmethod
    def of(
        cls, config: Config, row: Script, args, by_loss: bool, earlier: dict, told: AuthorsLog
    ) -> AuthorsFiles:
        """What a script writes.

        Args:
            by_loss: the epoch with the lowest loss is the best one.
            earlier: checkpoint of the training that is gone on with; empty without.
            told: the published log.
        """
        saves, best = row.saves, best_of(earlier)
        if by_loss:
            saves, best = "every", -HIGHEST_LOSS
        elif args.honour_save_best_only and config.save_best_only:
            saves = "improvements"
        folder = resumed_folder(config, row)
        return cls(saves, config.arch, best, row.saves_text_head, folder, told)

    def state_dict(self) -> dict:
        """The best value so far, and whether an epoch of this training reached it."""
        return {"best": self.best, "from_run": self.from_run}

    def load_state_dict(self, state: dict, device: torch.device) -> None:
        """Go on from :meth:`state_dict`."""
        self.best, self.from_run = state["best"], state["from_run"]

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """Write the files, if the training has a run folder."""
        by_loss = trainer.recipe.mode == "min"
        value = row[trainer.judged_on][trainer.recipe.metric]
        value = -value if by_loss else 100 * value
        improved, self.from_run = value > self.best, self.from_run or value >= self.best
        self.best = max(self.best, value)
        always = self.saves == "all_best"
        if not trainer.run:
            return
        if self.saves == "improvements":
            self.told.write(f" * BestPrec@1 {self.best:.3f}")
            if not improved:
                return
        best = self.told.average(EMBEDDING) if always else abs(self.best)
        if always:
            improved = best < HIGHEST_LOSS
        elif trainer.recipe.metric == "hits" and self.from_run:  # a tensor in the published files
            best = torch.tensor(best, dtype=torch.float32)
        state = {
            "epoch": row["epoch"],
            "arch": self.arch,
            "state_dict": {PREFIX + k: v for k, v in trainer.method.model.state_dict().items()},
            "best_prec1": best,
            "optimizer": trainer.optimizer.state_dict(),
        }
        if self.text_head:
            state["text_state_dict"] = trainer.method.head.state_dict()
        folder = self.folder or trainer.run.path
        name = f"checkpoint_{row['epoch'] - 1:04d}.pth.tar"
        for file in (name, BEST) if improved else (name,):
            checkpoint.save(state, folder / file, trainer.record)


class Unreadable(Callback):
    """Tells at the end of an epoch how many images could not be read."""

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """Count them."""
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
