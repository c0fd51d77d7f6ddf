"""Checkpoints that are either whole or absent, and that cannot run code when they are read."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import logging
import os
import pickle
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from common.cli import UserError
from common.data.images import content_digests
from common.files import replacing, write_json

log = logging.getLogger(__name__)


PREVIOUS = "previous.ckpt"
"""The ``last.ckpt`` before this one, which a damaged one is replaced by."""
MARK = b"sha256:"
RECORD = "record"
"""Key of what a checkpoint says of its network, see :meth:`common.engine.experiment.Experiment`."""


def save(state: dict, path: Path, record: dict | None = None) -> None:
    """Write `state` to `path` in one step: a reader sees the old file or the new one.

    Args:
        record: what the file says of its network: one more key, or ``<path>.json`` beside a plain
            state dict, whose form is kept.
    """
    plain_weights = all(isinstance(value, Tensor) for value in state.values())
    if record and plain_weights:
        write_json(beside(path), record)
    elif record:
        state = {**state, RECORD: record}
    with replacing(path) as part, open(part, "wb") as file:
        torch.save(state, file)


def save_last(state: dict, path: Path, record: dict | None = None) -> None:
    """As :func:`save`, with a digest; what stood there is kept as ``previous.ckpt``.

    Raises:
        UserError: there is not enough room on the disk.
    """
    if path.is_file():
        size, free = path.stat().st_size, shutil.disk_usage(path.parent).free
        if free < 1.1 * size:
            raise UserError(
                f"a checkpoint needs about {size:,} bytes and {path.parent} has {free:,} left, so "
                f"nothing is written and {path.name} stays as it is; make room."
            )
    with replacing(path) as part:
        with open(part, "wb") as file:
            torch.save({**state, RECORD: record} if record else state, file)
        sign(part)
        keep_previous(path)


def keep_previous(path: Path) -> None:
    """Give the file at `path` a second name, where the file system can."""
    second = path.with_name(f".{PREVIOUS}")
    second.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # no links there: the file itself is replaced in one step
        os.link(path, second)
        os.replace(second, path.with_name(PREVIOUS))


def sign(path: Path) -> None:
    """Add the SHA-256 of a zip archive as its comment, which other readers pass over."""
    comment = MARK + content_digests([path], 1)[0].encode()
    with open(path, "r+b") as file:
        file.seek(-2, os.SEEK_END)  # the archive's last field, 0: the length of its comment
        file.write(len(comment).to_bytes(2, "little") + comment)


def signed_and_whole(path: Path) -> bool | None:
    """Whether a file is as :func:`sign` left it; None where it was not signed."""
    length = len(MARK) + 64
    content = path.read_bytes()
    body, comment = content[:-length], content[-length:]
    told = len(comment).to_bytes(2, "little")
    if not comment.startswith(MARK) and not body.endswith(told):
        return None
    digest = hashlib.sha256(body[:-2] + b"\0\0").hexdigest().encode()
    return body.endswith(told) and comment == MARK + digest


def beside(path: Path) -> Path:
    """Where the record of a plain state dict lies."""
    return path.with_name(f"{path.name}.json")


def record_of(path: Path, state: dict) -> dict | None:
    """What a checkpoint says of its network; None where it says nothing, as the authors' files.

    Raises:
        UserError: the record is no dictionary.
    """
    record, place = state.get(RECORD), path
    if record is None and beside(path).is_file():
        place = beside(path)
        try:
            record = json.loads(place.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UserError(f"{place} is no JSON ({error}); delete it, or copy it again.") from None
    if record is not None and not isinstance(record, dict):
        raise UserError(f"the record in {place} is a {type(record).__name__}, not a dictionary.")
    return record


def load(path: Path) -> dict:
    """Read a checkpoint onto the CPU; only tensors and plain containers are accepted.

    Raises:
        UserError: the file is missing, is no checkpoint, is damaged, or holds other objects.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no checkpoint at {path}; give the path of a .ckpt or .pth file.")
    _refuse_other_files(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch names the class, and goes on with advice to load the file all the same.
        name = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it holds a pickled {name[1]}" if name else "it is no pickle of tensors"
        raise UserError(
            f"{path} cannot be read safely ({reason}); expected a checkpoint of tensors and plain "
            "containers. Re-save it as a state dict with torch.save(model.state_dict(), …)."
        ) from None
    except Exception as error:  # damaged bytes make the unpickler raise almost anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{path} is no readable checkpoint ({reason}); "
            "it may be damaged or half copied. Use another one."
        ) from None
    if not isinstance(state, dict):
        raise UserError(f"{path} holds a {type(state).__name__}, expected a dictionary.")
    return state


def _refuse_other_files(path: Path) -> None:
    """Name what is often saved in a checkpoint's place; check every byte of torch's archives.

    torch itself stores a checksum of every tensor and does not look at it.
    """
    with open(path, "rb") as file:
        head = file.read(200)
    safetensors, head = head[8:10] == b'{"', head.lstrip()
    if head.startswith(b"version https://git-lfs"):
        raise UserError(f"{path} is a Git LFS pointer, not the file; fetch it with `git lfs pull`.")
    if head[:14].lower().startswith((b"<!doctype html", b"<html", b"<head")):
        raise UserError(f"{path} is a web page, not a checkpoint; download the file itself again.")
    if safetensors:
        raise UserError(
            f"{path} is a safetensors file; expected torch's form: load it with "
            "safetensors.torch.load_file and save that dictionary with torch.save."
        )
    whole = signed_and_whole(path)
    if whole is False:
        raise UserError(f"{path} is damaged: it is not as it was written; use another copy.")
    if whole or not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # damaged bytes make the reader raise almost anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path} is damaged ({reason}); use another copy.") from None
    if damaged:
        raise UserError(f"{path} is damaged: {damaged} is not as it was written; use another copy.")


@dataclass(frozen=True)
class AuthorsCheckpoint:
    """How a paper's own checkpoint files are gone on with.

    Attributes:
        name: of such a file, for messages.
        keys: that it has at least.
        load: (trainer, content, path) -> None: sets the trainer up from it.
        flags: those that decide whether the file fits, for messages.
    """

    name: str
    keys: frozenset[str]
    load: Callable[..., None]
    flags: str


@dataclass(frozen=True)
class Source:
    """The checkpoint that a run goes on from.

    Attributes:
        path: the file.
        state: its content.
        exact: it is a ``last.ckpt``, not one of the authors' files.
        same_folder: it lies in the folder that the run writes to.
    """

    path: Path
    state: dict
    exact: bool
    same_folder: bool


def source_of(args: argparse.Namespace) -> Path | None:
    """What a run goes on from: ``--resume PATH``, or ``--resume --load_path PATH``.

    Raises:
        UserError: ``--resume`` without the path.
    """
    if not args.resume:
        return None
    path = getattr(args, "load_path", args.resume)
    if not path:
        raise UserError("--resume needs --load_path: the run folder or checkpoint to go on from.")
    return Path(path)


def load_or_previous(path: Path) -> dict:
    """A run's exact state; where it is damaged, the one before it.

    Raises:
        UserError: both are missing or damaged.
    """
    previous = path.with_name(PREVIOUS)
    try:
        return load(path)
    except UserError as error:
        if not previous.is_file():
            raise
        state = load(previous)
        log.warning("%s Going on from the one before it, %s.", error, previous)
        return state


def take_up(trainer, path: Path, last: str, authors: AuthorsCheckpoint | None) -> tuple[dict, bool]:
    """Set a trainer up from a run's exact state, or from a file of the authors.

    Args:
        last: name of the files that hold an exact state.

    Returns:
        The file's content, and whether it was an exact state.

    Raises:
        UserError: missing or damaged file, or one of another model or training.
    """
    state = load_or_previous(path) if path.name == last else load(path)
    if "identity" in state:
        trainer.load_state_dict(state)
        where = state["epoch"], state["step"]
        log.info("going on from %s after epoch %d, step %d", path, *where)
        return state, True
    if authors is None or not authors.keys <= state.keys():
        expected = f"neither a {last} nor a {authors.name}" if authors else f"no {last}"
        keys = ", ".join(map(str, list(state)[:6]))
        raise UserError(
            f"{path} is {expected} (it has the keys {keys}); to start from weights alone use "
            "--pretrained."
        )
    try:
        authors.load(trainer, state, path)
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{path} is of another model than this run's "
            f"({str(error).splitlines()[-1].strip()}); check {authors.flags}."
        ) from None
    return state, False
