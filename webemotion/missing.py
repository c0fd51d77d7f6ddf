"""The files that a configuration names: what is not there, and the command that makes it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from common.cli import UserError
from webemotion.catalogue import MADE_BY, SCRIPTS, SIDES, STAGES
from webemotion.config import Config, read_by

TEXT_MODEL = "models/model_best.pth.tar"
"""The text model that stands for one where a configuration names none."""
FILES = (*MADE_BY, "visual_model", "resume")
"""Keys that name files and folders."""


def require_files(config: Config, names: Iterable[str], script: str) -> None:
    """Refuse to start without a file or folder that the configuration names.

    Args:
        names: keys in the order in which they are looked at.

    Raises:
        UserError: names the first one that is not there and the command that makes it.
    """
    for name in names:
        value = getattr(config, name, None)
        if value is None or Path(value).exists():
            continue
        raise UserError(
            f"{name} of {config.path}, {value}, is not there; make it with "
            f"`{_maker(config, name, value, script)}`{_or_real(name)}."
        )


def require_read(config: Config, script: str, idle: set[str]) -> None:
    """Refuse to start without a file that a script reads, `idle` ones apart."""
    names = read_by(SCRIPTS[script]) - idle
    require_files(config, [name for name in FILES if name in names], script)


def _maker(config: Config, name: str, value: str, script: str) -> str:
    if name in ("resume", "visual_model"):
        folder = Path(value).parent
        made = folder / "model_best.pth.tar"
        copied = "" if Path(value) == made else f" && cp {made} {value}"
        below = os.path.relpath(folder, "ckpts")
        return f"{_stage_before(script)} --set save_directory={below}{copied}"
    if name == "tag_embeddings":
        text = config.text_ckpt or TEXT_MODEL
        command = MADE_BY[name].format(text_ckpt=text, value=value)
        trained = "" if Path(text).exists() else _maker(config, "text_ckpt", text, script) + " && "
        return trained + command
    side = SIDES.get(SCRIPTS[script].text)
    family = f" --family v2 --model {side.model}" if side and side.family == "v2" else ""
    return MADE_BY[name].format(value=value) + (family if name == "text_ckpt" else "")


def _stage_before(script: str) -> str:
    """The command whose checkpoint a script starts from."""
    row = SCRIPTS[script]
    if row.task == "train" and row.text:
        return STAGES["tags"]
    if row.heads == "joint":
        return STAGES["joint"]
    return STAGES["branches" if row.heads == "2branch" or "2Branch" in script else "tags"]


def _or_real(name: str) -> str:
    if MADE_BY.get(name) == MADE_BY["train_file"]:
        return " (a drawn stand-in), or give the path of your own"
    return ", or give the path of your own"
