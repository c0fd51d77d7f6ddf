"""Which epoch's weights are tested: best validation r of valence, and when to stop looking."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path

from common.engine import checkpoint
from common.engine.trainer import Callback, Trainer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """What the epochs so far lead to.

    Attributes:
        saved: epochs (from 0) at whose end the checkpoint was written, the last one stands.
        best: largest r so far; starts at 0, with `keep_best` at minus infinity.
        patience: epochs since then.
        stopped: patience ran out at the last epoch.
    """

    saved: tuple[int, ...]
    best: float
    patience: int
    stopped: bool


def choose(values: list[float], early_stop: int, keep_best: bool = False) -> Choice:
    """Replay the selection over the epochs' validation r of valence.

    An r above the best saves and resets the patience; any other, NaN included, uses it up. When
    patience exceeds `early_stop` training ends and, as in the authors' code, the CURRENT weights
    overwrite the best ones.

    Args:
        values: r of every epoch so far.
        early_stop: patience that is still borne.
        keep_best: nothing overwrites the best epoch, and an r of 0 or less can be the best.
    """
    best, patience, saved = (-math.inf if keep_best else 0.0), 0, []
    for epoch, value in enumerate(values):
        if value > best:
            best, patience = value, 0
            saved.append(epoch)
            continue
        patience += 1
        if patience > early_stop:
            if not keep_best:
                saved.append(epoch)
            return Choice(tuple(saved), best, patience, True)
    return Choice(tuple(saved), best, patience, False)


class Selection(Callback):
    """Writes the checkpoint and ends the training as :func:`choose` says.

    What it knows is the trainer's history, so a resumed run chooses as an uninterrupted one.

    Args:
        path: the checkpoint.
        early_stop, keep_best: see :func:`choose`.
    """

    def __init__(self, path: Path, early_stop: int, keep_best: bool = False):
        self.path, self.early_stop, self.keep_best = Path(path), early_stop, keep_best
        self.choice = Choice((), -math.inf if keep_best else 0.0, 0, False)

    def replay(self, trainer: Trainer, *now: float) -> Choice:
        """Choose over the trainer's history, and the epoch being evaluated where it is given."""
        past = [row[trainer.judged_on][trainer.recipe.metric] for row in trainer.history]
        self.choice = choose([*past, *now], self.early_stop, self.keep_best)
        return self.choice

    def on_evaluated(self, trainer: Trainer, results: dict[str, dict], is_best: bool) -> None:
        """Save the live weights if this epoch is to be kept, and stop when patience is out."""
        metric, split = trainer.recipe.metric, trainer.judged_on
        self.replay(trainer, results[split][metric])
        if trainer.progress.epoch in self.choice.saved:
            checkpoint.save(trainer.method.model.state_dict(), self.path, trainer.record)
        if self.choice.stopped:
            log.info(
                "%s of %s has not risen for %d epochs: the training ends, and %s.",
                *(metric, split, self.choice.patience),
                "the best weights stay" if self.keep_best else "the last weights replace the best",
            )
            trainer.end_early()
