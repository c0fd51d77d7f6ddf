"""The files of a run under the authors' names."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from torch import Tensor

from common.cli import UserError
from common.data.splits import Images
from common.engine import checkpoint
from common.engine.checkpoint import AuthorsCheckpoint, Source
from common.engine.run_folder import LAST, RunFolder
from common.engine.trainer import Callback, Trainer
from common.files import replacing
from common.nn.ema import ParameterEMA

log = logging.getLogger(__name__)

BEST = "model_best.pth"
FILES = (BEST, "*.pth", "log.txt", "sampled_label_idx_*.npy", "events.out.tfevents.*")
"""What the published code leaves in a run's folder."""


class BestCheckpoint(Callback):
    """Writes ``model_best.pth`` whenever an epoch is at least as good as every earlier one.

    Keys: ``model`` (live), ``ema_model`` (averaged parameters, live buffers), ``optimizer``,
    ``scheduler``, ``it``.

    Args:
        count_iterations: write the number of steps as ``it``; the authors' counter never moves.
    """

    def __init__(self, count_iterations: bool = False):
        self.count_iterations = count_iterations

    def on_evaluated(self, trainer: Trainer, results: dict[str, dict], is_best: bool) -> None:
        """Write the file if this epoch is a best one."""
        if not (is_best and trainer.run):
            return
        model = trainer.method.model
        live = {name: value.clone() for name, value in model.state_dict().items()}
        with trainer.averaged():
            state = {
                "model": live,
                "optimizer": trainer.optimizer.state_dict(),
                "scheduler": trainer.scheduler.state_dict() if trainer.scheduler else None,
                "it": trainer.progress.global_step if self.count_iterations else 0,
                "ema_model": model.state_dict(),
            }
            checkpoint.save(state, trainer.run.path / BEST, trainer.record)


def index_file(run: Path, args) -> Path:
    """Where a run keeps the positions of its labelled images."""
    return run / f"sampled_label_idx_{args.dataset}_{args.num_labels}.npy"


def index_to_read(args) -> Path:
    """The index file to look for: this run's, else that of the run that is resumed."""
    own = index_file(Path(args.save_dir) / args.save_name, args)
    if own.exists() or not args.resume:
        return own
    source = Path(args.load_path)
    return index_file(source if source.is_dir() else source.parent, args)


def write_beginning(args, images: Images, run: RunFolder) -> None:
    """Write the labelled images' positions, and their class histogram to ``data_statistics/``.

    Raises:
        UserError: the histogram's folder cannot be written to.
    """
    if images.split.reused:
        log.warning(
            "labelled images read back from %s, whatever the seeds say; delete it to draw others",
            index_to_read(args),
        )
    np.save(index_file(run.path, args), images.split.labelled)
    number = np.bincount(images.labelled.labels, minlength=len(images.train.classes))
    path = Path("data_statistics") / f"{args.dataset}_{number.sum()}.json"
    try:
        with replacing(path) as part:
            part.write_text(json.dumps({"distribution": (number / number.sum()).tolist()}))
    except OSError as error:
        raise UserError(
            f"the class histogram cannot be written to {path} ({error.strerror}); move what is in "
            "the way, or start from another folder."
        ) from None


def carry_over(trainer: Trainer, args, source: Source) -> Callable[[], None] | None:
    """What a run that is gone on with brings along: its average, and its best checkpoint.

    The average of an authors' file replaces the run's at the start of every epoch, as in their
    code; that of a ``last.ckpt`` only with ``--ema_reload_each_epoch``.
    """
    if not source.exact:  # as published: after a resume the file's average counts every epoch
        trainer.ema_reload = _average_of(source.state)
    elif args.ema_reload_each_epoch:
        trainer.ema_reload = source.state["ema"]
    best = source.path.parent / BEST
    if source.same_folder or not best.is_file():
        return None
    return partial(trainer.run.take_over, best)


def _average_of(state: dict) -> dict[str, Tensor]:
    named = state["ema_model"].items()
    return {f"model.{name.removeprefix('module.')}": value for name, value in named}


def load(trainer: Trainer, state: dict, path: Path) -> None:
    """Restore what the authors' code restores, model, optimiser and schedule; epochs count anew.

    Raises:
        RuntimeError: the file is of another model (or another error of torch's).
    """
    weights = {name.removeprefix("module."): value for name, value in state["model"].items()}
    trainer.method.model.load_state_dict(weights)
    trainer.optimizer.load_state_dict(state["optimizer"])
    if trainer.scheduler and state.get("scheduler"):
        trainer.scheduler.load_state_dict(state["scheduler"])
    if isinstance(trainer.ema, ParameterEMA):
        trainer.ema.restart(trainer.method)
    log.warning(
        "%s holds model, optimiser and schedule only, so epochs count from 1 again; resume from "
        "%s for an exact continuation.",
        path,
        LAST,
    )


CHECKPOINT = AuthorsCheckpoint(
    BEST,
    frozenset({"model", "optimizer", "ema_model"}),
    load,
    "--backbone, --num_classes and --low_dim",
)
