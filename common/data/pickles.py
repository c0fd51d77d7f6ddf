"""Pickle files of data, read without running anything that stands in them.

Accepted are plain containers, strings, numbers and NumPy arrays. A pickle may name any function of
any library and have it called on reading; here a name outside the list below ends the reading.
"""

from __future__ import annotations

import collections
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import UserError
from common.files import replacing

PROTOCOL = 2
"""Written so that Python 2 and 3 can both read it."""

_BUILTINS = {
    value.__name__: value
    for value in (set, frozenset, complex, bytearray, list, dict, tuple, int, float, str, bytes)
} | {"unicode": str, "long": int, "bool": bool}
_COLLECTIONS = {name: getattr(collections, name) for name in ("OrderedDict", "Counter", "deque")}
_NUMPY = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("core.multiarray", "_reconstruct"): np.zeros(1).__reduce__()[0],
    ("core.multiarray", "scalar"): np.float64(0).__reduce__()[0],
    ("core.numeric", "_frombuffer"): np.zeros(1).__reduce_ex__(5)[0],
}
"""Where an array's pickle says its makers are (of NumPy 1 and 2), and what they are."""


class Refused(pickle.UnpicklingError):
    """A pickle names something that is no plain data."""


def _encode(text: str, encoding: str) -> bytes:
    """How protocol 2 writes the bytes of Python 3; nothing but that encoding is allowed."""
    if encoding != "latin1":
        raise Refused(f"_codecs.encode with the encoding {encoding!r}")
    return text.encode("latin1")


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module in ("builtins", "__builtin__") and name in _BUILTINS:
            return _BUILTINS[name]
        if module == "collections" and name in _COLLECTIONS:
            return _COLLECTIONS[name]
        if (module, name) == ("_codecs", "encode"):
            return _encode
        if module.startswith(("numpy.core.", "numpy._core.")):
            module = "core." + module.rpartition("core.")[2]
        if (module, name) in _NUMPY:
            return _NUMPY[module, name]
        raise Refused(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise Refused("a persistent id")


def loads(content: bytes) -> Any:
    """Plain data from a pickle's bytes, of Python 2 or 3.

    Raises:
        Refused: the pickle names a class or function that is no plain data; its name is the text.
        Exception: anything a damaged pickle makes the reader raise.
    """
    value = _PlainUnpickler(io.BytesIO(content), encoding="latin1").load()
    python2_reads_it = content[:1] != b"\x80" or content[1:2] <= b"\x02"
    return _readable(value) if python2_reads_it else value


def _readable(value: Any) -> Any:
    """Python 2's byte strings, read as Latin-1 so that arrays survive, as the UTF-8 they are."""
    if isinstance(value, str):
        if value.isascii():
            return value
        try:
            return value.encode("latin1").decode("utf-8")
        except UnicodeError:
            return value
    if isinstance(value, dict):
        items = ((_readable(k), _readable(v)) for k, v in value.items())
        if isinstance(value, collections.OrderedDict | collections.Counter):
            return type(value)(dict(items))
        return dict(items)
    if isinstance(value, list | tuple | set | frozenset | collections.deque):
        if set(map(type, value)) <= {int, float}:
            return value
        return type(value)(_readable(item) for item in value)
    return value


def load(path: Path, expected: str = "plain lists, dictionaries, numbers and arrays") -> Any:
    """Read a pickle file of plain data.

    Args:
        path: the file.
        expected: what it should hold, for messages.

    Raises:
        UserError: the file is missing, damaged, or holds objects of other classes.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"the file {path} does not exist; expected a pickle of {expected}.")
    try:
        return loads(path.read_bytes())
    except Refused as error:
        raise UserError(
            f"{path} holds {error}, which could run code on reading and is refused; expected "
            f"{expected}. Use a file that holds nothing else, or JSON Lines."
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    except Exception as error:  # damaged bytes make the unpickler raise almost anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{path} is no readable pickle ({reason}); expected {expected}. It may be damaged or "
            "half copied."
        ) from None


def save(value: Any, path: Path) -> None:
    """Write plain data to `path` in one step."""
    write_bytes(pickle.dumps(value, protocol=PROTOCOL), path)


def write_bytes(content: bytes, path: Path) -> None:
    """Write a file in one step: a reader sees the old one or the new one.

    Raises:
        UserError: the place cannot be written.
    """
    try:
        with replacing(path) as part:
            part.write_bytes(content)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from None
