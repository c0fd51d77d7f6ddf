"""The classes that a pickled file would make, read off without making any of them."""

from __future__ import annotations

import pickle
import pickletools
import zipfile
import zlib
from pathlib import Path

# Makers of tensors and plain containers: every torch file names some of them.
PLAIN = ("collections", "torch._utils", "torch.storage", "builtins", "__builtin__")
PLAIN_NAMES = {"torch.Size", "torch.dtype", "torch.device"}
DAMAGE = (OSError, ValueError, KeyError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error)


def foreign_classes(path: Path) -> list[str]:
    """Classes and functions, other than tensors' and containers', that a torch file names.

    Args:
        path: a file of ``torch.save``, of either format, or a plain pickle.

    Returns:
        ``module.name`` in the order of the file, which puts the outermost object first; empty
        where nothing is found, or the file is no pickle or damaged.
    """
    names: dict[str, None] = {}
    for content in _pickles(Path(path)):
        names.update(dict.fromkeys(_globals(content)))
    return [name for name in names if not _is_plain(name)]


def _is_plain(name: str) -> bool:
    module = name.rpartition(".")[0]
    storage = module == "torch" and name.endswith("Storage")
    return module in PLAIN or name in PLAIN_NAMES or storage


def _pickles(path: Path) -> list[bytes]:
    if not zipfile.is_zipfile(path):
        return [path.read_bytes()]
    try:
        with zipfile.ZipFile(path) as archive:
            return [archive.read(n) for n in archive.namelist() if n.endswith("data.pkl")]
    except DAMAGE:
        return []


def _globals(content: bytes) -> list[str]:
    """``module.name`` of every opcode that looks a class up; the old format has many pickles."""
    found: list[str] = []
    while content:
        texts: list[str] = []
        end = 0
        try:
            for opcode, argument, position in pickletools.genops(content):
                if opcode.name == "GLOBAL":
                    found.append(argument.replace(" ", "."))
                elif opcode.name == "STACK_GLOBAL" and len(texts) > 1:
                    found.append(f"{texts[-2]}.{texts[-1]}")
                elif isinstance(argument, str):
                    texts.append(argument)
                end = position + 1
        except (ValueError, IndexError, pickle.UnpicklingError):  # the tensors' bytes, or damage
            return found
        content = content[end:]
    return found
