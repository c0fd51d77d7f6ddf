"""The files of a run under the authors' names."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from adacm.model import authors_name
from common.cli import UserError
from common.engine import checkpoint
from common.engine.checkpoint import AuthorsCheckpoint
from common.engine.run_folder import LAST
from common.engine.trainer import Callback, Trainer

log = logging.getLogger(__name__)

LATEST, BEST, TABLE = "checkpoint.pth.tar", "model_best.pth.tar", "log.txt"
FILES = (LATEST, BEST, TABLE)
LOG = "run.log"  # the log lines, since log.txt is the authors' table
PREFIX = "module."  # of DataParallel, under which the authors train
KEYS = ("epoch", "state_dict", "ema_state_dict", "acc", "best_acc", "optimizer")
COLUMNS = {
    "Train Loss": ("train", "loss"),
    "Train Loss X": ("train", "sup_loss"),
    "Train Loss U": ("train", "unsup_loss"),
    "Train Loss S": ("train", "contrast_loss"),
    "Test Loss": ("test", "loss"),
    "Test Acc.": ("test", "top1"),
}


def best_before(history: list[dict], split: str = "test", start: float = 0.0) -> float:
    """Best accuracy in percent of all rows but the last, `start` where there are none."""
    return max([start, *(100 * row[split]["top1"] for row in history[:-1])])


class AuthorsFiles(Callback):
    """Writes ``log.txt``, ``checkpoint.pth.tar`` and ``model_best.pth.tar`` after every epoch.

    An epoch is a best one when its accuracy exceeds every earlier one, and 0; a tie is not.

    Args:
        best: accuracy in percent that an earlier part of the training reached.
    """

    def __init__(self, best: float = 0.0):
        self.best = best

    def state_dict(self) -> dict:
        """The accuracy of the earlier part."""
        return {"best": self.best}

    def load_state_dict(self, state: dict, device: torch.device) -> None:
        """Go on from :meth:`state_dict`."""
        self.best = state["best"]

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """Write the files, if the training has a run folder."""
        if not trainer.run:
            return
        folder = trainer.run.path
        write_table(folder / TABLE, trainer.history)
        before = best_before(trainer.history, trainer.judged_on, self.best)
        accuracy = 100 * row[trainer.judged_on]["top1"]
        average = trainer.ema.state_dict().items()
        state = {
            "epoch": row["epoch"] + 1,  # as published: the epoch that comes next
            "state_dict": {
                PREFIX + name: value for name, value in trainer.method.model.state_dict().items()
            },
            "ema_state_dict": {PREFIX + n.removeprefix("model."): v for n, v in average},
            "acc": accuracy,
            "best_acc": max(before, accuracy),
            "optimizer": trainer.optimizer.state_dict(),
        }
        checkpoint.save(state, folder / LATEST, trainer.record)
        if accuracy > before:
            checkpoint.save(state, folder / BEST, trainer.record)


def write_table(path: Path, history: list[dict]) -> None:
    """The authors' table, tab-separated, a row an epoch; ``Test Acc.`` is in percent."""
    lines = ["".join(f"{name}\t" for name in COLUMNS)]
    for row in history:
        cells = [
            row[split][name] * (100 if name == "top1" else 1) for split, name in COLUMNS.values()
        ]
        lines.append("".join(f"{cell:.6f}\t" for cell in cells))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def load(trainer: Trainer, state: dict, path: Path) -> None:
    """Restore model, average, optimiser and epoch from one of the authors' checkpoints.

    The margins, which they do not hold, are computed anew from the average, and the learning rate
    is this run's.

    Raises:
        UserError: the file is of another model, or of the last epoch.
    """
    live, average = (
        {authors_name(name.removeprefix(PREFIX)): value for name, value in state[part].items()}
        for part in ("state_dict", "ema_state_dict")
    )
    rates = [group["lr"] for group in trainer.optimizer.param_groups]
    trainer.method.model.load_state_dict(live)
    trainer.ema.load_state_dict({f"model.{name}": value for name, value in average.items()})
    trainer.optimizer.load_state_dict(state["optimizer"])
    for group, rate in zip(trainer.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    epoch = int(state["epoch"]) - 1  # the file names the epoch that comes next
    if epoch >= trainer.recipe.epochs:
        raise UserError(f"{path} is after epoch {epoch}, the last one; give more --epochs.")
    trainer.progress.epoch = epoch
    trainer.method.epoch.fill_(epoch)
    trainer.method.eval()
    with torch.no_grad(), trainer.averaged():
        trainer.evaluators["labelled"](trainer.method, trainer.progress)
    files = next(c for c in trainer.callbacks if isinstance(c, AuthorsFiles))
    files.best = float(state["best_acc"])
    log.warning(
        "%s holds model, average, optimiser and epoch alone: the margins come from its average "
        "anew, what is drawn differs, and %s and the other tables start anew; that the flags "
        "(seed, labels, learning rate, validation share) are those of its training is not "
        "checked, and the learning rate is --lr. Resume from %s for an exact continuation.",
        path,
        TABLE,
        LAST,
    )


CHECKPOINT = AuthorsCheckpoint(LATEST, frozenset(KEYS), load, "--backbone and --dataset")
