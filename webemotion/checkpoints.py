"""Starting weights: the authors' loose matching of names, and how each script uses it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from common.cli import UserError
from common.engine import checkpoint
from common.engine.run_folder import CONFIG
from webemotion.model import ARCHS, HEADS, EmotionNet, start_as_configured

log = logging.getLogger(__name__)

PREFIX = "module."
FC = ("fc.weight", "fc.bias")
SHOWN = 6


@dataclass(frozen=True)
class Policy:
    """How a script reads starting weights.

    Attributes:
        exclude: names that are never loaded.
        bare_exclude: the same, where the file is a bare state dict.
        proper: the file is a training that goes on: epoch, best value, optimiser, strict names.
        strict: torch's own loading of every name.
        whole_evaluation: a run that only evaluates loads all, and every name must be there; further
            ones may be, and tensors of another size are skipped.
        partial: torch's own loading, missing and unexpected names allowed.
    """

    exclude: tuple[str, ...] = ()
    bare_exclude: tuple[str, ...] = ()
    proper: bool = False
    strict: bool = False
    whole_evaluation: bool = False
    partial: bool = False


POLICIES: dict[str, Policy] = {
    "training": Policy(bare_exclude=FC),
    "no_fc": Policy(FC, FC),
    "all": Policy(),
    "finetuning": Policy(FC, FC, whole_evaluation=True),
    "strict": Policy(strict=True),
    "nonstrict": Policy(partial=True),
    "proper": Policy(proper=True),
}
"""``start`` of a script -> policy."""


@dataclass
class Report:
    """Names of the network, in its order, by what became of them."""

    loaded: list[str] = field(default_factory=list)
    excluded: list[str] = field(default_factory=list)
    size_mismatch: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The report in one line."""
        parts = [f"{len(self.loaded)} tensors loaded"]
        for name in ("excluded", "size_mismatch", "missing"):
            names = getattr(self, name)
            parts.append(f"{name.replace('_', ' ')}: {_some(names) if names else 'none'}")
        return "; ".join(parts)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


@torch.no_grad()
def loose_load(
    own: Mapping[str, Tensor], state: Mapping[str, Tensor], exclude: Iterable[str] = ()
) -> Report:
    """Copy `state` into `own` as the authors do: names with or without 7 characters in front.

    A source counts when it has as many elements, whatever its shape. The 7 characters are those of
    ``module.``, and are taken off any name.

    Args:
        own: changed in place.
        state: the file's tensors.
        exclude: names that stay as they are.
    """
    report, exclude = Report(), set(exclude)
    for name, target in own.items():
        spellings = (name, PREFIX + name, name[len(PREFIX) :])
        source = next((s for s in spellings if s in state), None)
        if exclude & set(spellings):
            report.excluded.append(name)
        elif source is not None and state[source].numel() == target.numel():
            target.copy_(state[source].reshape(target.shape))
            report.loaded.append(name)
        elif source is not None:
            report.size_mismatch.append(name)
        else:
            report.missing.append(name)
    return report


def read_state(path: Path) -> tuple[dict[str, Tensor], dict, bool]:
    """A file's tensors, the whole file, and whether it is a bare state dict.

    Raises:
        UserError: missing, damaged or unsafe file, or one without tensors.
    """
    held = checkpoint.load(path)
    bare = "state_dict" not in held
    state = held if bare else held["state_dict"]
    if not isinstance(state, dict) or not any(isinstance(v, Tensor) for v in state.values()):
        raise UserError(f"{path} holds no state_dict and no tensors, so it is no checkpoint.")
    return {name: v for name, v in state.items() if isinstance(v, Tensor)}, held, bare


def start_from(
    model: nn.Module, path: Path, policy: Policy, evaluate: bool = False, loose: bool = False
) -> Report:
    """Load starting weights as the script does, and log what became of every name.

    A checkpoint of one of this project's run folders must fit in its trunk, name by name and shape
    by shape, unless `loose`; any other file may fit in part, as published.

    Raises:
        UserError: the file does not fit as it must.
    """
    state, _, bare = read_state(path)
    own = model.state_dict()
    strict, whole = policy.proper or policy.strict, policy.whole_evaluation and evaluate
    if strict or policy.partial:
        report = _load_by_name(model, state, path, strict)
    else:
        if is_ours(path) and not loose:
            _check_trunk(own, state, path)
        exclude = policy.bare_exclude if bare else policy.exclude
        report = loose_load(own, state, () if whole else exclude)
    if whole and report.missing:
        raise UserError(f"{path} is of another network: it lacks {_some(report.missing)}.")
    if not report.loaded:
        raise UserError(f"{path} holds no tensor of this network; give another file.")
    log.info("%s: %s", path, report.text())
    return report


def starting_weights(model: EmotionNet, config, start: str, loose: bool) -> dict:
    """Load what a configuration starts from: ImageNet's weights, a checkpoint, both, or nothing.

    Args:
        model: changed in place.
        config: keys ``pretrained``, ``visual_model``, ``resume``, ``evaluate``, ``arch`` and
            ``depth`` are read.
        start: key of :data:`POLICIES`.
        loose: see :func:`start_from`.

    Returns:
        The file where the script goes on with its training; empty where it only takes weights.
    """
    if config.pretrained:
        trunk = config.depth or ARCHS[config.arch][0]
        log.info("start: %s", start_as_configured(model, trunk, config.pretrained))
    path, policy = config.visual_model or config.resume, POLICIES[start]
    if not path:
        if not config.pretrained:
            log.info("start: random weights")
        return {}
    start_from(model, Path(path), policy, config.evaluate, loose)
    if not policy.proper:
        return {}
    held = read_state(Path(path))[1]
    lacking = [name for name in ("epoch", "optimizer") if name not in held]
    if lacking:
        log.warning(
            "%s holds no %s: its weights are taken, and the training begins at start_epoch",
            path,
            " and no ".join(lacking),
        )
        return {}
    return held


def is_ours(path: Path) -> bool:
    """Whether a checkpoint stands in a run folder of this package."""
    try:
        held = json.loads((Path(path).parent / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(held, dict) and held.get("method") == "webemotion"


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(PREFIX): value for name, value in state.items()}


def _load_by_name(model: nn.Module, state: dict[str, Tensor], path: Path, strict: bool) -> Report:
    """torch's own loading."""
    try:
        missing = model.load_state_dict(_plain(state), strict=strict).missing_keys
    except RuntimeError as error:
        raise UserError(
            f"{path} is of another network: {str(error).splitlines()[-1].strip()} Check arch and "
            "num_classes."
        ) from None
    return Report([n for n in model.state_dict() if n not in missing], missing=list(missing))


def _check_trunk(own: Mapping[str, Tensor], state: dict[str, Tensor], path: Path) -> None:
    state = _plain(state)
    trunk = [name for name in own if name.split(".")[0] not in HEADS]
    wrong = [n for n in trunk if n not in state or state[n].shape != own[n].shape]
    if wrong:
        raise UserError(
            f"{path} is a checkpoint of another trunk: {len(wrong)} of {len(trunk)} tensors are "
            f"missing or of another shape ({_some(wrong)}). Check arch and depth, or give --loose "
            "to load what fits."
        )
