"""Checkpoints that are either whole or absent, and that cannot run code when they are read."""

from __future__ import annotations

import os
import pickle
import random
import tempfile
from pathlib import Path

import numpy as np
import torch

from common.cli import UserError
from common.engine.pickled import foreign_classes


def save(state: dict, path: Path) -> None:
    """Write `state` to `path` in one step: a reader sees the old file or the new one."""
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp's are for the owner alone
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load(path: Path) -> dict:
    """Read a checkpoint onto the CPU; only tensors and plain containers are accepted.

    Raises:
        UserError: the file is missing, is no checkpoint, is damaged, or holds other objects.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there is no checkpoint at {path}; give the path of a .ckpt or .pth file.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0] if str(error) else "unreadable pickle"
        if classes := foreign_classes(path):
            named = ", ".join(classes[:3]) + (" and others" if len(classes) > 3 else "")
            reason = f"it holds a pickled {named}"
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
