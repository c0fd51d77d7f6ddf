"""Trunks from torchvision and the loading of weights into them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from common.cli import UserError
from common.engine import checkpoint

log = logging.getLogger(__name__)


def load_pretrained(
    model: nn.Module,
    path: Path,
    heads: tuple[str, ...],
    rename: Callable[[str], str] = lambda key: key,
    parts: tuple[str, ...] = ("ema_model", "model", "state_dict"),
    ignored: tuple[str, ...] | None = None,
) -> dict[str, list[str]]:
    """Load a torchvision state dict or an earlier run's checkpoint into `model`, in place.

    A ``module.`` prefix (DataParallel) is taken off. A checkpoint with the keys ``ema_model`` or
    ``model`` gives that part, the average first. Heads whose shape differs are left at their
    initialisation; everything else must match.

    Args:
        model: changed in place.
        path: the file.
        heads: first name components that may be missing or of another shape, e.g. ``("fc",)``.
        rename: the model's name of a key of the file.
        parts: keys under which a checkpoint may hold the weights; the first one it has counts.
        ignored: first name components that the file may have and the model not; where given, any
            other name that the model does not have is refused too, and all that is wrong is listed.

    Returns:
        ``{"loaded": […], "left": […], "unused": […]}``, key names.

    Raises:
        UserError: unreadable file, or a trunk key that is missing or of another shape, or, with
            `ignored`, one that is unexpected.
    """
    state = checkpoint.load(path)
    for part in parts:
        if isinstance(state.get(part), dict):
            state = state[part]
            break
    state = {rename(key.removeprefix("module.")): value for key, value in state.items()}
    own = model.state_dict()
    fits = {k: v for k, v in state.items() if k in own and _shape(v) == own[k].shape}
    left = [k for k in own if k not in fits]
    wrong = [k for k in left if k.split(".")[0] not in heads]
    if ignored is not None:
        _refuse_other_names(path, state, own, fits, heads, ignored)
        wrong = []
    if wrong:
        theirs = _shape(state[wrong[0]]) if wrong[0] in state else "absent"
        raise UserError(
            f"--pretrained {path} does not fit this backbone: {len(wrong)} trunk tensors are "
            f"missing or of another shape, the first {wrong[0]} ({theirs} there, "
            f"{tuple(own[wrong[0]].shape)} here). Check --backbone."
        )
    model.load_state_dict(fits, strict=False)
    report = {"loaded": list(fits), "left": left, "unused": [k for k in state if k not in fits]}
    log.info(
        "%s: %d tensors loaded; left at their initialisation: %s; not used: %s",
        path,
        len(fits),
        ", ".join(left) or "none",
        ", ".join(report["unused"]) or "none",
    )
    return report


def _shape(value) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _refuse_other_names(path, state, own, fits, heads, ignored) -> None:
    """The strict check: every name that is missing, of another shape or unexpected is listed."""

    def counts(key: str, free: tuple[str, ...]) -> bool:
        # Files older than the counter lack it; no weight depends on it.
        return key.split(".")[0] not in free and not key.endswith("num_batches_tracked")

    lists = {
        "missing": [k for k in own if k not in state and counts(k, heads)],
        "of another shape": [k for k in own if k in state and k not in fits and counts(k, heads)],
        "unexpected": [k for k in state if k not in own and counts(k, (*heads, *ignored))],
    }
    told = "; ".join(f"{name}: {_some(keys)}" for name, keys in lists.items() if keys)
    if told:
        raise UserError(f"--pretrained {path} does not fit this network ({told}).")


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:8])
    return shown if len(names) <= 8 else f"{shown} and {len(names) - 8} more"
