"""Checkpoints that are either whole or absent, and that cannot run code when they are read."""

from __future__ import annotations

import argparse
import hashlib
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

from common.cli import UserError
from common.engine.run_folder import LAST, PREVIOUS
from common.files import read_json, replacing, write_json

log = logging.getLogger(__name__)

_SEAL, _DIGEST = b"sha256:", 64  # a checkpoint ends with its SHA-256, as the archive's comment
_SEALED = len(_SEAL) + _DIGEST
RECORD = "record"
"""Key of what a checkpoint says of its network, see ``Experiment.describes``."""


class Damaged(UserError):
    """A checkpoint that is missing or not as it was written."""


def save(state: dict, path: Path, record: dict | None = None, previous: Path | None = None) -> None:
    """Write `state` to `path` in one step: a reader sees the old file or the new one.

    The file ends with a SHA-256 of all the rest, which :func:`load` compares.

    Args:
        record: what the file says of its network: one more key, or ``<path>.json`` beside a plain
            state dict, whose form is kept.
        previous: gets the checkpoint that stood at `path`, if that is whole.

    Raises:
        UserError: the disk has no room for it; what stood at `path` stays.
        OSError: the place cannot be written.
    """
    path = Path(path)
    _check_room(state, path.parent)
    if record and all(isinstance(value, torch.Tensor) for value in state.values()):
        write_json(beside(path), record)
    elif record:
        state = {**state, RECORD: record}
    with replacing(path) as part:
        with open(part, "wb") as file:
            torch.save(state, file)
        _seal(part)
        if previous and path.is_file() and _sealed(path):
            previous.unlink(missing_ok=True)
            try:
                os.link(path, previous)
            except OSError:  # a file system without links
                shutil.copyfile(path, previous)


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
        record = read_json(place, "what a checkpoint says of its network")
    if record is not None and not isinstance(record, dict):
        raise UserError(f"the record in {place} is a {type(record).__name__}, not a dictionary.")
    return record


def _check_room(state: dict, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = _bytes(state), shutil.disk_usage(folder).free
    if needed > free:
        raise UserError(
            f"a checkpoint takes {needed / 1e6:.0f} MB, but the disk of {folder} has "
            f"{free / 1e6:.0f} MB left; what was saved before stays. Make room."
        )


def _bytes(state) -> int:
    """Of all tensors in nested containers."""
    if isinstance(state, torch.Tensor):
        return state.numel() * state.element_size()
    parts = state.values() if isinstance(state, dict) else state
    return sum(map(_bytes, parts)) if isinstance(state, dict | list | tuple) else 0


def _seal(path: Path) -> None:
    with open(path, "r+b") as file:
        file.seek(-2, os.SEEK_END)  # the length of the archive's comment
        file.write(_SEALED.to_bytes(2, "little"))
    digest = _digest(path, path.stat().st_size)
    with open(path, "ab") as file:
        file.write(_SEAL + digest)


def _digest(path: Path, size: int) -> bytes:
    """Hexadecimal SHA-256 of the first `size` bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while size > 0 and (block := file.read(min(size, 1 << 20))):
            digest.update(block)
            size -= len(block)
    return digest.hexdigest().encode()


def _sealed(path: Path) -> bool | None:
    """Whether the file is as :func:`save` wrote it; None where it has no SHA-256."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        file.seek(max(0, size - _SEALED))
        end = file.read()
    if not end.startswith(_SEAL):
        return None
    return _digest(path, size - _SEALED) == end[len(_SEAL) :]


def load(path: Path) -> dict:
    """Read a checkpoint onto the CPU; only tensors and plain containers are accepted.

    Where a run's ``last.ckpt`` is damaged, the one before it is read, with a warning.

    Raises:
        UserError: the file is missing, is no checkpoint, is damaged, or holds other objects.
    """
    path = Path(path)
    previous = path.with_name(PREVIOUS)
    try:
        return _load(path)
    except Damaged as error:
        if path.name != LAST or not previous.is_file():
            raise
        state = _load(previous)
        log.warning("%s Going on from the one before it, %s.", error, previous)
        return state


def _load(path: Path) -> dict:
    if not path.is_file():
        raise Damaged(f"there is no checkpoint at {path}; give the path of a .ckpt or .pth file.")
    _refuse_other_files(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch names the class, and goes on with advice to load the file all the same.
        name = re.search(r"GLOBAL (\S+)", str(error))
        reason = f"it holds a pickled {name[1]}" if name else "it is no pickle of tensors"
        raise (UserError if name else Damaged)(
            f"{path} cannot be read safely ({reason}); expected a checkpoint of tensors and plain "
            "containers. Re-save it as a state dict with torch.save(model.state_dict(), …)."
        ) from None
    except Exception as error:  # damaged bytes make the unpickler raise almost anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise Damaged(
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
    if (sealed := _sealed(path)) is not None:
        if not sealed:
            raise Damaged(f"{path} is damaged: its SHA-256 is another one; use another copy.")
        return
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = "its end" if archive.comment else archive.testzip()
    except Exception as error:  # damaged bytes make the reader raise almost anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise Damaged(f"{path} is damaged ({reason}); use another copy.") from None
    if damaged:
        raise Damaged(f"{path} is damaged: {damaged} is not as it was written; use another copy.")


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


def take_up(trainer, path: Path, authors: AuthorsCheckpoint | None) -> tuple[dict, bool]:
    """Set a trainer up from a run's exact state, or from a file of the authors.

    Returns:
        The file's content, and whether it was an exact state.

    Raises:
        UserError: missing or damaged file, or one of another model or training.
    """
    state = load(path)
    if "identity" in state:
        trainer.load_state_dict(state)
        where = state["epoch"], state["step"]
        log.info("going on from %s after epoch %d, step %d", path, *where)
        return state, True
    if authors is None or not authors.keys <= state.keys():
        expected = f"neither a {LAST} nor a {authors.name}" if authors else f"no {LAST}"
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
