"""Opening image files: every kind that datasets hold, as three channels of eight bits.

Imports nothing heavy, so that processes which only open images start quickly.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

DECODE_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises of files that are damaged, no images, or far larger than any photograph."""


def decode(path: str | Path, upright: bool = False) -> Image.Image:
    """Decode a file's first frame as RGB.

    Alpha is dropped, of 16-bit grey the high byte is kept (Pillow alone would clip it to white),
    CMYK and palettes are converted. Pillow's limit against decompression bombs stays in force.

    Args:
        path: the file.
        upright: turn the image as its camera's EXIF orientation says.

    Raises:
        DECODE_ERRORS: it cannot be decoded to its last byte.
    """
    with opened(path) as image:
        return to_rgb(image, upright)


def opened(path: str | Path) -> Image.Image:
    """Pillow's image of a regular file; a pipe would wait for ever.

    Raises:
        DECODE_ERRORS: it cannot be opened, or is no regular file.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(f"{path} is no regular file")
    return Image.open(path)


def to_rgb(image: Image.Image, upright: bool = False) -> Image.Image:
    """An opened image as RGB, see :func:`decode`."""
    deep = image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG")
    if deep:
        image = Image.fromarray((np.asarray(image).astype(np.int32) >> 8).astype(np.uint8))
    elif image.mode == "P" and isinstance(image.info.get("transparency"), bytes):
        image = image.convert("RGBA")  # as Pillow asks for; the colours are the palette's
    return (ImageOps.exif_transpose(image) if upright else image).convert("RGB")


def escaping_link(paths: Iterable[str | Path], root: Path) -> Path | None:
    """The first path that is, or stands below, a link which leads out of `root`; None: none does.

    Args:
        paths: absolute, or relative to the working directory.
        root: the dataset's folder; it may be a link itself.
    """
    home = os.path.realpath(root)
    inside: dict[str, bool] = {}
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in inside:
            inside[folder] = _within(os.path.realpath(folder), home)
        whole = os.path.join(folder, name)
        if not inside[folder] or (
            os.path.islink(whole) and not _within(os.path.realpath(whole), home)
        ):
            return Path(path)
    return None


def _within(path: str, home: str) -> bool:
    return path == home or path.startswith(home.rstrip(os.sep) + os.sep)


def content_digests(paths: Sequence[str | Path], workers: int = 4) -> list[str]:
    """SHA-256 of every file's bytes, in order.

    Raises:
        OSError: a file cannot be read.
    """
    with ThreadPoolExecutor(max(1, workers)) as pool:  # hashing works outside Python's lock
        return list(pool.map(_digest, paths))


def _digest(path: str | Path) -> str:
    total = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            total.update(block)
    return total.hexdigest()


def printable(path: str | Path) -> str:
    """A path as text that every file can hold; bytes that are no UTF-8 become ``\\xNN``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
