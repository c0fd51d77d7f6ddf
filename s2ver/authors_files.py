"""The files of a run under the authors' names."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from common.cli import UserError
from common.engine import checkpoint
from common.engine.run_folder import LAST
from common.engine.trainer import Callback, Trainer
from common.files import write_json
from common.nn.ema import ParameterEMA

log = logging.getLogger(__name__)

BEST = "model_best.pth"


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
            checkpoint.save(state, trainer.run.path / BEST)


def best_of(source: Path) -> Path | None:
    """The ``model_best.pth`` that belongs to a checkpoint or run folder, if it has one."""
    best = (source if source.is_dir() else source.parent) / BEST
    return best if best.is_file() else None


def index_file(run: Path, dataset: str, num_labels: int) -> Path:
    """Where a run keeps the positions of its labelled images."""
    return run / f"sampled_label_idx_{dataset}_{num_labels}.npy"


def write_statistics(
    folder: Path, dataset: str, labels: np.ndarray, classes: tuple[str, ...]
) -> Path:
    """Write the labelled images' class histogram to ``<folder>/<dataset>_<number>.json``."""
    number = np.bincount(labels, minlength=len(classes))
    path = folder / f"{dataset}_{len(labels)}.json"
    content = {
        "distribution": (number / number.sum()).tolist(),
        "counts": number.tolist(),
        "classes": list(classes),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, content)
    except OSError as error:
        raise UserError(
            f"the class histogram cannot be written to {path} ({error.strerror}); move what is in "
            "the way, or start from another folder."
        ) from None
    return path


def resume(trainer: Trainer, path: Path, ema_reload_each_epoch: bool = False) -> None:
    """Go on from `path`: a run folder, its ``last.ckpt``, or a ``model_best.pth``.

    ``last.ckpt`` restores everything. ``model_best.pth`` restores what the authors' code restores,
    model, optimiser and schedule, and the training starts at epoch 0.

    Args:
        ema_reload_each_epoch: the checkpoint's average replaces the run's at the start of every
            epoch, as in the authors' code.

    Raises:
        UserError: missing or damaged file, or one of another model or training.
    """
    path = path / LAST if path.is_dir() else path
    state = checkpoint.load(path)
    if "identity" in state:
        trainer.load_state_dict(state)
        average = state["ema"]
        log.info("going on from %s after epoch %d, step %d", path, state["epoch"], state["step"])
    elif {"model", "optimizer", "ema_model"} <= state.keys():
        _load_best(trainer, state, path)
        average = {
            f"model.{name.removeprefix('module.')}": value
            for name, value in state["ema_model"].items()
        }
        log.warning(
            "%s holds model, optimiser and schedule only, so epochs count from 1 again; resume "
            "from %s for an exact continuation.",
            path,
            LAST,
        )
    else:
        keys = ", ".join(map(str, list(state)[:6]))
        raise UserError(
            f"{path} is neither a {LAST} nor a {BEST} (it has the keys {keys}); "
            "to start from weights alone use --pretrained."
        )
    if ema_reload_each_epoch:
        trainer.ema_reload = average


def _load_best(trainer: Trainer, state: dict, path: Path) -> None:
    try:
        weights = {name.removeprefix("module."): value for name, value in state["model"].items()}
        trainer.method.model.load_state_dict(weights)
        trainer.optimizer.load_state_dict(state["optimizer"])
        if trainer.scheduler and state.get("scheduler"):
            trainer.scheduler.load_state_dict(state["scheduler"])
    except (RuntimeError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise UserError(
            f"{path} is of another model than this run's ({str(error).splitlines()[-1].strip()}); "
            "check --backbone, --num_classes and --low_dim."
        ) from None
    if isinstance(trainer.ema, ParameterEMA):
        trainer.ema.restart(trainer.method)
