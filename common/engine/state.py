"""Everything an exact continuation of a training needs, taken from its parts and put back."""

from __future__ import annotations

import random
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from common.cli import UserError
from common.engine import distributed
from common.engine.run_folder import LAST

FORMAT = 1
PARTS = ("method", "optimizer", "scheduler", "scaler", "ema")
OPTIONAL = {"changes", "gradients", "other_processes", "waiting"}


class Stateful(Protocol):
    """A part of a training that can be taken down and set up again."""

    def state_dict(self) -> dict:
        """Tensors and plain containers."""

    def load_state_dict(self, state: dict) -> Any:
        """Go on from :meth:`state_dict`."""


def capture(
    parts: dict[str, Stateful | None],
    sums: dict[str, Tensor],
    gradients: dict[str, Tensor],
    **plain,
) -> dict:
    """The state of a training, as plain containers and tensors.

    What differs between processes, the generators and the running sums, is there once a process;
    every process must call this together.

    Args:
        parts: name -> part; None is kept as None.
        sums: running sums of the epoch, of this process.
        gradients: those that wait to be used.
        plain: what else there is to remember.
    """
    own = {
        "rng": rng_state(),
        "sums": {name: total.cpu() for name, total in sums.items()},
    }
    first, *others = distributed.gather(own)
    return {
        "format": FORMAT,
        **plain,
        **{name: part.state_dict() if part else None for name, part in parts.items()},
        **first,
        **({"gradients": gradients} if gradients else {}),
        **({"other_processes": others} if others else {}),
    }


def restore(
    parts: dict[str, Stateful | None], saved: dict, now: dict, may_change: tuple[str, ...] = ()
) -> tuple[dict[str, Tensor], list[str]]:
    """Set the parts up, in place, and the generators, from what :func:`capture` took.

    Args:
        parts: as they were captured.
        saved: the state to go on from.
        now: what :func:`capture` says of the training before.
        may_change: names in the identity that may differ. Rates are then those of `parts` as
            they are, moved along the schedule as far as it has come.

    Returns:
        (the running sums of this process, on the CPU; what differs, in words).

    Raises:
        UserError: the checkpoint is of another model or another training.
    """
    if lacking := sorted(now.keys() - OPTIONAL - saved.keys()):
        raise UserError(
            f"the checkpoint lacks {', '.join(lacking)}, so it is not one that a training can go "
            f"on from; give a {LAST}."
        )
    changes = _changes(now["identity"], saved["identity"], may_change)
    optimizer = parts["optimizer"]
    rates = [group.get("initial_lr", group["lr"]) for group in optimizer.param_groups]
    try:
        parts["method"].load_state_dict(saved["method"])
    except RuntimeError as error:
        raise UserError(
            f"the checkpoint is of another model: {str(error).splitlines()[-1].strip()}"
        ) from None
    if now["streams"] != saved["streams"]:
        raise UserError(
            f"the checkpoint was made with other data: it draws from {saved['streams']}, "
            f"this run from {now['streams']}."
        )
    for name, part in parts.items():
        if part and name != "method":
            part.load_state_dict(saved[name])
    if changes:
        _set_rates(optimizer, parts["scheduler"], rates)
    own = [saved, *saved.get("other_processes", [])][distributed.rank()]
    set_rng_state(own["rng"])
    return own["sums"], changes


def _changes(ours: dict, theirs: dict, may_change: tuple[str, ...]) -> list[str]:
    if unknown := sorted(set(may_change) - ours.keys()):
        raise UserError(
            f"--allow_change {', '.join(unknown)}: no flag that decides this training; expected "
            f"some of {', '.join(sorted(ours))}."
        )
    differing = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
    told = {k: f"{k} was {theirs.get(k)!r} and is now {ours.get(k)!r}" for k in differing}
    if refused := [text for k, text in told.items() if k not in may_change]:
        raise UserError(
            f"the checkpoint is of another training: {'; '.join(refused)}. Resume with the flags "
            "it was started with, or start a new run."
        )
    return list(told.values())


def _set_rates(optimizer, scheduler, rates: list[float]) -> None:
    """Give a restored optimiser the starting rates `rates`, where its schedule stands."""
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        before = group.get("initial_lr", group["lr"])
        group["lr"] = group["lr"] * rate / before if before else rate
        if "initial_lr" in group:
            group["initial_lr"] = rate
    if hasattr(scheduler, "base_lrs"):
        scheduler.base_lrs = list(rates)


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and torch's global generators; cuDNN keeps to deterministic sums."""
    torch.backends.cudnn.deterministic = True
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def rng_state() -> dict:
    """States of Python's, NumPy's, torch's and every CUDA device's global generator."""
    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state()
    return {
        "python": [version, list(words), gauss],
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_rng_state(state: dict) -> None:
    """Restore what :func:`rng_state` returned; CUDA only for as many devices as there are now."""
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words), gauss))
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available():
        for device, saved in enumerate(state["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(saved, device)
