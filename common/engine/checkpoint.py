"""Checkpoints that are either whole or absent, and that cannot run code when they are read."""

from __future__ import annotations

import argparse
import pickle
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from common.cli import UserError
from common.files import replacing


def save(state: dict, path: Path) -> None:
    """Write `state` to `path` in one step: a reader sees the old file or the new one."""
    with replacing(path) as part, open(part, "wb") as file:
        torch.save(state, file)


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
    if not zipfile.is_zipfile(path):
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
