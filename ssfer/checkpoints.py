"""Weights of others in our transformers: what fits, what is missing, what is reshaped."""

from __future__ import annotations

import argparse
import logging
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from common.cli import UserError
from common.engine import checkpoint
from ssfer.positions import interpolate_positions

log = logging.getLogger(__name__)

HEAD = ("head.weight", "head.bias")
POSITIONS = ("pos_embed", "decoder_pos_embed")
PARTS = ("model", "state_dict", "method")  # under which a file may hold the weights
PREFIXES = ("module.", "model.")  # of data-parallel wrappers, and of our own checkpoints


@dataclass
class Report:
    """How a state dict met a model.

    Attributes:
        missing: names of the model that the file does not have.
        unexpected: names of the file that the model does not have.
        reshaped: position embeddings that were resized -> (shape before, shape after).
        dropped: heads that were left out.
        kept: names of the file that remained after dropping.
    """

    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    reshaped: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    @property
    def only_head_missing(self) -> bool:
        """What the published fine-tuning insists on: exactly the head was not in the file."""
        return set(self.missing) == set(HEAD)

    def lines(self) -> list[str]:
        """The report for people, one sentence a line."""
        shapes = [f"{name} {a} -> {b}" for name, (a, b) in self.reshaped.items()]
        parts = {
            "missing": self.missing,
            "unexpected": self.unexpected,
            "reshaped": shapes,
            "dropped": self.dropped,
        }
        return [f"{name} ({len(found)}): {_some(found)}" for name, found in parts.items()]


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict in a file: safetensors, or a torch file of the authors, MAE, timm or ours.

    Of a checkpoint the part ``model`` (or ``state_dict``) is taken; prefixes of wrappers go.

    Raises:
        UserError: no such file, unreadable, pickled objects (their classes are named), or no
            tensors in it.
    """
    path = Path(path)
    if path.suffix == ".safetensors" and path.is_file():
        state = _read_safetensors(path)
    else:
        with torch.serialization.safe_globals([argparse.Namespace]):  # MAE's files hold their flags
            state = checkpoint.load(path)
        state = next((state[part] for part in PARTS if isinstance(state.get(part), dict)), state)
    state = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    for prefix in PREFIXES:
        if state and all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    if not state:
        raise UserError(
            f"{path} holds no weights; expected a state dict, or one under {' or '.join(PARTS)}."
        )
    return state


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except safetensors.SafetensorError as error:
        raise UserError(f"{path} is no readable safetensors file ({error}).") from None


def fit_state(model: nn.Module, state: dict[str, Tensor]) -> Report:
    """Load `state` into `model` as the published fine-tuning does, non-strictly, in place.

    A head of another shape is dropped, position embeddings of another grid are resized, the rest
    must have the model's shapes.

    Raises:
        UserError: a tensor other than these has another shape.
    """
    own, report, fitting = model.state_dict(), Report(), {}
    for name, value in state.items():
        if name in HEAD and name in own and value.shape != own[name].shape:
            report.dropped.append(name)
            continue
        fitting[name] = value
        if name in POSITIONS and name in own and value.shape != own[name].shape:
            fitting[name] = _resized(name, value, own[name])
            report.reshaped[name] = tuple(value.shape), tuple(own[name].shape)
    report.kept = list(fitting)
    wrong = [k for k, v in fitting.items() if k in own and v.shape != own[k].shape]
    if wrong:
        raise UserError(
            f"the weights are of another model: {len(wrong)} tensors have another shape, the first "
            f"{wrong[0]} ({tuple(fitting[wrong[0]].shape)} there, {tuple(own[wrong[0]].shape)} "
            "here). Check --model."
        )
    report.missing, report.unexpected = map(list, model.load_state_dict(fitting, strict=False))
    return report


def _resized(name: str, value: Tensor, own: Tensor) -> Tensor:
    if value.ndim != 3 or value.shape[-1] != own.shape[-1]:
        return value  # of another width: reported with the other shapes that do not fit
    try:
        return interpolate_positions(value, own.shape[1] - 1)
    except ValueError as error:
        raise UserError(f"{name} cannot be resized: {error}.") from None


def load_pretrained(model: nn.Module, path: Path) -> Report:
    """Start a classifier from a file: everything but the head, which stays as it is.

    Args:
        model: a classifier of :mod:`ssfer.vit`, changed in place.
        path: see :func:`read_weights`; a head in it is left out, and so are a masked
            autoencoder's decoder and mask token.

    Returns:
        What was missing, unexpected, reshaped and dropped; also logged.

    Raises:
        UserError: unreadable file, another shape, or an encoder that is not whole.
    """
    state = read_weights(path)
    heads = [name for name in HEAD if name in state]
    try:
        report = fit_state(model, {k: v for k, v in state.items() if k not in heads})
    except UserError as error:
        raise UserError(f"{path} does not fit: {error}") from None
    report.dropped = heads
    if not report.only_head_missing:
        lacking = [name for name in report.missing if name not in HEAD]
        raise UserError(
            f"{path} is no whole encoder of this kind: it lacks {_some(lacking)}. Give the file of "
            "a masked autoencoder or of a vision transformer with a class token."
        )
    for line in report.lines():
        log.info("%s: %s", path, line)
    return report


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:4]) or "none"
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
