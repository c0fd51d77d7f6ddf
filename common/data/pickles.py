"""Pickle files of data, read without running anything that stands in them.

Accepted are plain containers, strings, numbers and NumPy arrays. A pickle may name any function of
any library and have it called on reading; here a name outside the list below ends the reading.
NumPy's own makers are not called either: they believe what a file says of types and sizes, down to
the addresses of objects. Arrays are made anew from their bytes.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from common.cli import UserError
from common.files import replacing

PROTOCOL = 2
"""Written so that Python 2 and 3 can both read it."""


class Refused(pickle.UnpicklingError):
    """A pickle names something that is no plain data."""


class _Dtype:
    """What a pickle says of an array's type: one of numbers, text, bytes, or objects in a list."""

    def __init__(self, spec: str | bytes, _align=False, _copy=False):
        text = spec.decode("latin1") if isinstance(spec, bytes) else str(spec)
        if not re.fullmatch(r"[?biufcSUO][0-9]{0,9}", text, re.ASCII):
            raise Refused(f"the NumPy type {text[:40]!r}")
        self.spec, self.order = text, "|"

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or state[2:5] != (None, None, None) or state[5:] == ():
            raise Refused("a NumPy type of several parts")
        order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "|", "="):
            raise Refused(f"the byte order {str(order)[:40]!r}")
        self.order = order

    def array(self, raw: Any, shape: Any, fortran: bool) -> np.ndarray:
        """The array that these bytes, or this list of objects, are."""
        shape = shape if isinstance(shape, tuple) else (shape,)
        if not all(type(n) is int and n >= 0 for n in shape):
            raise Refused(f"the array shape {str(shape)[:80]}")
        if isinstance(raw, list) == (self.spec[0] != "O"):
            raise Refused("an array whose content does not fit its type")
        if isinstance(raw, list):
            flat = np.empty(len(raw), dtype=object)
            flat[:] = raw
        else:
            raw = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
            dtype = np.dtype(self.order + self.spec)
            if math.prod(shape) * dtype.itemsize != len(raw):
                raise Refused(f"{len(raw)} bytes for an array of shape {shape}")
            flat = np.frombuffer(raw, dtype) if raw else np.empty(0, dtype)
        return flat.reshape(shape, order="F" if fortran else "C").copy()


class _Array:
    """Stands for an array until it is read whole."""

    def __setstate__(self, state: tuple) -> None:
        shape, dtype, fortran, raw = state[-4:]
        if not isinstance(dtype, _Dtype):
            raise Refused("an array without a type")
        self.value = dtype.array(raw, shape, bool(fortran))


def _reconstruct(_kind: type, _shape: tuple, _code: bytes) -> _Array:
    return _Array()


def _scalar(dtype: _Dtype, raw: Any = None) -> np.generic:
    if not isinstance(dtype, _Dtype) or dtype.spec[0] == "O":
        raise Refused("a NumPy scalar that is no number or text")
    return dtype.array(raw, (), False)[()]


def _from_buffer(raw: Any, dtype: _Dtype, shape: Any, order: str) -> np.ndarray:
    if not isinstance(dtype, _Dtype):
        raise Refused("an array without a type")
    return dtype.array(bytes(raw), shape, order == "F")


def _bytes_of(kind: type) -> Any:
    """`kind` without its way of making any number of zeros."""

    def make(*args: Any) -> Any:
        if args and isinstance(args[0], int):
            raise Refused(f"{args[0]} bytes of nothing")
        return kind(*args)

    return make


_BUILTINS = {
    value.__name__: value for value in (set, frozenset, complex, list, dict, tuple, int, float, str)
} | {"unicode": str, "long": int, "bool": bool}
_BUILTINS |= {"bytes": _bytes_of(bytes), "bytearray": _bytes_of(bytearray)}
_COLLECTIONS = {name: getattr(collections, name) for name in ("OrderedDict", "Counter", "deque")}
_NUMPY = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("core.multiarray", "_reconstruct"): _reconstruct,
    ("core.multiarray", "scalar"): _scalar,
    ("core.numeric", "_frombuffer"): _from_buffer,
}
"""Where an array's pickle says its makers are (of NumPy 1 and 2), and what is called instead."""


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
    return _Finished(python2_reads_it).of(value)


class _Finished:
    """What was read, with arrays in the places of what stands for them.

    A container that stands in several places is finished once, so that a small file of references
    to references takes no time.

    Args:
        text: turn Python 2's byte strings, read as Latin-1 so that arrays survive, into the UTF-8
            that they are.
    """

    def __init__(self, text: bool):
        self.text, self.done = text, {}

    def of(self, value: Any) -> Any:
        """The finished value."""
        if isinstance(value, str):
            return self._string(value) if self.text else value
        if not isinstance(value, _CONTAINERS):
            return value
        if id(value) not in self.done:
            self.done[id(value)] = value, self._container(value)  # kept: an id is used again
        return self.done[id(value)][1]

    def _string(self, value: str) -> str:
        try:
            return value if value.isascii() else value.encode("latin1").decode("utf-8")
        except UnicodeError:
            return value

    def _container(self, value: Any) -> Any:
        if isinstance(value, _Dtype):
            raise Refused("a NumPy type without an array")
        if isinstance(value, _Array):
            if not hasattr(value, "value"):
                raise Refused("an array without content")
            return self.of(value.value)
        if isinstance(value, np.ndarray):
            if value.dtype == object:
                value[...] = np.frompyfunc(self.of, 1, 1)(value)
            return value
        if isinstance(value, dict):
            items = {self.of(k): self.of(v) for k, v in value.items()}
            special = isinstance(value, collections.OrderedDict | collections.Counter)
            return type(value)(items) if special else items
        if set(map(type, value)) <= {int, float}:
            return value
        return type(value)(map(self.of, value))


_CONTAINERS = (dict, list, tuple, set, frozenset, collections.deque, np.ndarray, _Array, _Dtype)


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
