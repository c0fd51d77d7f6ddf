"""Finding images that cannot be decoded before they stop a training."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

from common.cli import UserError
from common.data.images import DECODE_ERRORS, opened
from common.data.manifest import Manifest

log = logging.getLogger(__name__)

TOLERATED = 0.01  # share of unreadable images above which a dataset is refused


def decode_error(path: str | Path) -> str | None:
    """Why an image cannot be decoded to its last byte, or None when it can.

    JPEGs are decoded at an eighth of their size: that reads all of the file and is several times
    quicker.
    """
    try:
        with opened(path) as image:
            image.draft("RGB", (max(1, image.width // 8), max(1, image.height // 8)))
            image.load()
    except DECODE_ERRORS as error:
        return str(error) or type(error).__name__
    return None


def decode_errors(paths: Sequence[str | Path], workers: int = 2) -> list[str | None]:
    """:func:`decode_error` of every path, in order."""
    with ThreadPoolExecutor(max(1, workers)) as pool:  # Pillow decodes outside Python's lock
        checks = tqdm(
            pool.map(decode_error, paths),
            total=len(paths),
            desc="checking images",
            unit="image",
            leave=False,
            disable=not sys.stderr.isatty(),
        )
        return list(checks)


def drop_unreadable(manifest: Manifest, workers: int = 2) -> Manifest:
    """Open every image once and leave out, by name and with a count, those that cannot be decoded.

    Raises:
        UserError: more than 1% are unreadable.
    """
    paths = [str(manifest.root / p) for p in manifest.table["path"]]
    errors = decode_errors(paths, workers)
    bad = np.array([e is not None for e in errors])
    if not bad.any():
        return manifest
    named = [f"{p} ({e})" for p, e in zip(paths, errors, strict=True) if e is not None]
    if bad.mean() > TOLERATED:
        raise UserError(
            f"{bad.sum()} of {len(bad)} images of {manifest.name} cannot be decoded, more than "
            f"{TOLERATED:.0%}, the first being {named[0]}; copy the dataset again."
        )
    for line in named:
        log.warning("unreadable image left out: %s", line)
    log.warning(
        "%d of %d images of %s are unreadable and left out.", bad.sum(), len(bad), manifest.name
    )
    kept = manifest.take(np.flatnonzero(~bad))
    kept.notes.append(f"{bad.sum()} unreadable images left out: {'; '.join(named)}")
    return kept


def refuse_oblong(manifest: Manifest, reason: str, most: int | None = None) -> None:
    """Refuse images that are not square, where a view leaves oblong ones oblong.

    Args:
        reason: why they must be square, for the message.
        most: look at no more than about so many, spread over all.

    Raises:
        UserError: names an image and its size.
    """
    step = max(1, len(manifest) // most) if most else 1
    for path in manifest.table["path"].iloc[::step]:
        with opened(manifest.root / path) as image:
            width, height = image.size
        if width != height:
            raise UserError(
                f"{manifest.root / path} is {width} x {height}, but {reason}; give --square_crop "
                "to crop the middle."
            )
