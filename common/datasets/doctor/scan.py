"""Opening every image of a dataset once, in parallel, and keeping what can be said of each."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields

import numpy as np
from PIL import Image
from scipy.fft import dctn
from tqdm import tqdm

from common.cli import UserError
from common.data.images import to_rgb

SIDE, TINY = 32, 16  # pixels of the grey thumbnails that hash and comparison are made from
CHUNK = 128  # images a task of a process has
ORIENTATION = 0x0112  # the EXIF tag
MOVING = ("GIF", "WEBP", "PNG")  # formats that may be animations


@dataclass
class Scan:
    """What is known of n images, in the order of their paths.

    Attributes:
        error: object [n], why an image cannot be decoded, or None.
        pixels: object [n], digest of size and RGB values, equal for equal pictures whatever the
            files' bytes; None where unreadable.
        size: int32 [n, 2], width and height.
        mode: object [n], Pillow's name of the file's colours.
        turned: bool [n], the file asks by EXIF to be turned.
        frames: int32 [n].
        hash: uint64 [n], signs of the lowest cosine frequencies.
        tiny: uint8 [n, 16, 16], grey.
        mean, square: float64 [n, 3], mean of the channels (0..1) and of their squares.
    """

    error: np.ndarray
    pixels: np.ndarray
    size: np.ndarray
    mode: np.ndarray
    turned: np.ndarray
    frames: np.ndarray
    hash: np.ndarray
    tiny: np.ndarray
    mean: np.ndarray
    square: np.ndarray

    def __len__(self) -> int:
        return len(self.error)

    @property
    def readable(self) -> np.ndarray:
        """bool [n]."""
        return np.array([e is None for e in self.error], dtype=bool)


def scan(paths: Sequence[str], workers: int | None = None) -> Scan:
    """Open every image of `paths`.

    Args:
        paths: files, one at least.
        workers: processes; None: as many as there are cores.

    Raises:
        UserError: a process was killed.
    """
    chunks = [list(paths[i : i + CHUNK]) for i in range(0, len(paths), CHUNK)]
    workers = min(workers or os.cpu_count() or 1, len(chunks))
    bar = {"total": len(paths), "unit": "image", "desc": "opening images", "leave": False}
    parts = []
    if workers <= 1:
        with tqdm(**bar, disable=not sys.stderr.isatty()) as progress:
            for chunk in chunks:
                parts.append(scan_chunk(chunk))
                progress.update(len(chunk))
    else:
        with ProcessPoolExecutor(workers, _context(), _quiet) as pool:
            try:
                results = pool.map(scan_chunk, chunks)
                with tqdm(**bar, disable=not sys.stderr.isatty()) as progress:
                    for part in results:
                        parts.append(part)
                        progress.update(len(part))
            except BrokenProcessPool:
                raise UserError(
                    "a process that opens images was killed: the machine may be out of memory; "
                    "--workers 1 does without."
                ) from None
            except BaseException:  # Ctrl-C does not wait for the rest
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    joined = {f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Scan)}
    return Scan(**joined)


def _context() -> multiprocessing.context.BaseContext:
    """Forking is quickest, where it is safe: the children only open images."""
    forks = sys.platform == "linux"
    return multiprocessing.get_context("fork" if forks else None)


def _quiet() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's to handle


def scan_chunk(paths: Sequence[str]) -> Scan:
    """:func:`scan` of a few images, in this process."""
    total = len(paths)
    seen = Scan(
        error=np.full(total, None, dtype=object),
        pixels=np.full(total, None, dtype=object),
        size=np.zeros((total, 2), np.int32),
        mode=np.full(total, "", dtype=object),
        turned=np.zeros(total, bool),
        frames=np.ones(total, np.int32),
        hash=np.zeros(total, np.uint64),
        tiny=np.zeros((total, TINY, TINY), np.uint8),
        mean=np.zeros((total, 3)),
        square=np.zeros((total, 3)),
    )
    grey = np.zeros((total, SIDE, SIDE), np.uint8)
    for i, path in enumerate(paths):
        try:
            grey[i] = _look(path, i, seen)
        except Exception as error:  # damaged bytes make decoders raise almost anything
            seen.error[i] = " ".join(str(error).replace(str(path), "the file").split()) or (
                type(error).__name__
            )
            seen.pixels[i] = None
    seen.hash[:] = perceptual_hash(grey)
    blocks = grey.reshape(total, TINY, SIDE // TINY, TINY, SIDE // TINY)
    seen.tiny[:] = blocks.mean(axis=(2, 4)).astype(np.uint8)
    return seen


def _look(path: str, i: int, seen: Scan) -> np.ndarray:
    """Fill row `i`; returns the grey thumbnail [32, 32]."""
    with Image.open(path) as image:
        seen.mode[i] = image.mode
        if image.format in MOVING:
            seen.frames[i] = getattr(image, "n_frames", 1)
        image.seek(0)
        seen.turned[i] = image.getexif().get(ORIENTATION, 1) not in (0, 1)
        picture = to_rgb(image, upright=True)
    seen.size[i] = picture.size
    pixels = np.asarray(picture)
    seen.pixels[i] = hashlib.blake2b(
        pixels.tobytes(), digest_size=16, key=f"{picture.size}".encode()
    ).digest()
    values = pixels.reshape(-1, 3) / np.float32(255)
    seen.mean[i] = values.mean(axis=0, dtype=np.float64)
    seen.square[i] = np.square(values).mean(axis=0, dtype=np.float64)
    small = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2)
    return np.asarray(small)


def perceptual_hash(grey: np.ndarray) -> np.ndarray:
    """64 bits a picture that change little when it is compressed, scaled or brightened.

    The 8 × 8 lowest frequencies of the cosine transform, each against their median.

    Args:
        grey: [n, 32, 32].

    Returns:
        uint64 [n].
    """
    low = dctn(grey.astype(np.float32), axes=(1, 2), norm="ortho")[:, :8, :8].reshape(-1, 64)
    bits = low > np.median(low[:, 1:], axis=1, keepdims=True)  # the first one is the brightness
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64).ravel()
