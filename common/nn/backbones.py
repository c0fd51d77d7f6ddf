"""Trunks from torchvision and the loading of weights into them."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import get_model_weights

from common.cli import UserError
from common.engine import checkpoint

log = logging.getLogger(__name__)

DOWNLOAD_SECONDS = 30
"""A server that is silent for so long counts as out of reach."""


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


BLOCKS_OF_LAYER3 = {1: "resnet10", 2: "resnet18", 6: "resnet34", 23: "resnet101", 36: "resnet152"}


def resnet_of(keys: Iterable[str], layer1: str = "layer1", layer3: str = "layer3") -> str | None:
    """The name of the ResNet whose tensors are called so; None where it is another network.

    Args:
        keys: of a state dict.
        layer1, layer3: what torchvision's layers of these names are called.
    """
    keys = set(keys)
    depth = layer3.count(".") + 1
    blocks = len({key.split(".")[depth] for key in keys if key.startswith(f"{layer3}.")})
    bottlenecks = f"{layer1}.0.conv3.weight" in keys
    name = BLOCKS_OF_LAYER3.get(blocks)
    return "resnet50" if bottlenecks and name == "resnet34" else name


def imagenet_file(backbone: str) -> Path:
    """Where torch keeps torchvision's ImageNet weights of a trunk, if they were ever fetched."""
    url = get_model_weights(backbone)["IMAGENET1K_V1"].url
    return Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name


def load_imagenet(
    model: nn.Module,
    backbone: str,
    heads: tuple[str, ...],
    otherwise: str,
    rename: Callable[[str], str] = lambda key: key,
) -> str:
    """Load torchvision's ImageNet weights of a ResNet, its ``fc`` apart, into `model`, in place.

    They come from where torch keeps them, or from the network.

    Args:
        model: changed in place.
        backbone: torchvision's name, e.g. ``resnet50``.
        heads: first name components that stay at their initialisation.
        otherwise: what to do where the weights cannot be had, for the message.
        rename: the model's name of a key of torchvision.

    Returns:
        What the trunk starts from, in words.

    Raises:
        UserError: the weights cannot be had, or lack a tensor of the trunk.
    """
    weights = get_model_weights(backbone)["IMAGENET1K_V1"]
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_SECONDS)
    try:
        state = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # no network, or a damaged download
        raise UserError(
            f"torchvision's ImageNet weights of {backbone} could not be had ({error}); {otherwise}."
        ) from None
    finally:
        socket.setdefaulttimeout(before)
    kept = {rename(name): value for name, value in state.items() if not name.startswith("fc.")}
    lacking = model.load_state_dict(kept, strict=False).missing_keys
    lacking = [name for name in lacking if name.split(".")[0] not in heads]
    if lacking:
        raise UserError(f"torchvision's weights of {backbone} lack {lacking[0]}.")
    return f"torchvision {weights}"


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
