"""Trunks from torchvision and the loading of weights into them."""

from __future__ import annotations

import logging
from pathlib import Path

from torch import nn

from common.cli import UserError
from common.engine import checkpoint

log = logging.getLogger(__name__)


def load_pretrained(model: nn.Module, path: Path, heads: tuple[str, ...]) -> dict[str, list[str]]:
    """Load a torchvision state dict or an earlier run's checkpoint into `model`, in place.

    A ``module.`` prefix (DataParallel) is taken off. A checkpoint with the keys ``ema_model`` or
    ``model`` gives that part, the average first. Heads whose shape differs are left at their
    initialisation; everything else must match.

    Args:
        heads: first name components that may be missing or of another shape, e.g. ``("fc",)``.

    Returns:
        ``{"loaded": […], "left": […], "unused": […]}``, key names.

    Raises:
        UserError: unreadable file, or a trunk key that is missing or of another shape.
    """
    state = checkpoint.load(path)
    for part in ("ema_model", "model", "state_dict"):
        if isinstance(state.get(part), dict):
            state = state[part]
            break
    state = {key.removeprefix("module."): value for key, value in state.items()}
    own = model.state_dict()
    fits = {k: v for k, v in state.items() if k in own and v.shape == own[k].shape}
    left = [k for k in own if k not in fits]
    wrong = [k for k in left if k.split(".")[0] not in heads]
    if wrong:
        theirs = tuple(state[wrong[0]].shape) if wrong[0] in state else "absent"
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
