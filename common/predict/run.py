"""Many photographs through a model: found, loaded by other processes, answered in batches."""

from __future__ import annotations

import base64
import io
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from common.cli import UserError
from common.data.images import DECODE_ERRORS, decode, printable
from common.data.streams import quiet_worker
from common.datasets.readers.folder import EXTENSIONS, images_below
from common.predict.model import Model, told

log = logging.getLogger(__name__)

THUMBNAIL = 160
"""Pixels of the long side of a picture on the page."""


@dataclass
class Seen:
    """What became of the photographs.

    Attributes:
        answered: how many have an answer.
        left_out: those that could not be read, with the reason.
        cut: how many are far from square, of which only the middle was seen.
        outside: how many have a valence or arousal outside the scale.
    """

    answered: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)
    cut: int = 0
    outside: int = 0


def find_images(source: str) -> dict[str, Path]:
    """The photographs that ``--images`` means, by the name that the answers give them.

    Args:
        source: a folder, with its sub-folders (names are relative to it); an image; a text file
            with a path a line; ``-`` for such lines from the standard input.

    Raises:
        UserError: there is nothing there, or no image among it.
    """
    if source == "-":
        return _listed(sys.stdin.read(), Path(), "the standard input")
    path = Path(source)
    if path.is_dir():
        found = images_below(path)
        if not found:
            raise UserError(f"there is no image in {path}; --images takes a folder of images.")
        return {printable(file.relative_to(path).as_posix()): file for file in found}
    if not path.is_file():
        raise UserError(f"--images {path} does not exist; give a folder, an image or a list.")
    if path.name.lower().endswith(EXTENSIONS):
        return {printable(path): path}
    try:
        return _listed(path.read_text(encoding="utf-8"), path.parent, str(path))
    except UnicodeDecodeError:
        raise UserError(
            f"--images {path} is neither an image ({', '.join(EXTENSIONS)}) nor a list in UTF-8."
        ) from None


def _listed(text: str, folder: Path, where: str) -> dict[str, Path]:
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if not names:
        raise UserError(f"{where} names no image; give a path a line.")
    return {name: Path(name) if Path(name).exists() else folder / name for name in names}


class _Photographs(Dataset):
    """Items (number, image as the network is shown it or None, what to tell of it)."""

    def __init__(self, paths: list[Path], model: Model, thumbnails: bool):
        self.paths, self.shown, self.thumbnails = paths, model.preprocessing, thumbnails
        self.transform = model.transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[int, torch.Tensor | None, dict]:
        try:
            if not self.paths[index].is_file():
                raise OSError("there is no such file")
            image = decode(self.paths[index], upright=self.shown.upright)
        except DECODE_ERRORS as error:
            return index, None, {"error": str(error) or type(error).__name__}
        about = {"oblong": max(image.size) > 1.5 * min(image.size)}
        if self.thumbnails:
            about["thumbnail"] = thumbnail(image)
        return index, self.transform(image), about


def thumbnail(image: Image.Image) -> str:
    """A small JPEG as a data URI."""
    small, buffer = image.copy(), io.BytesIO()
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    small.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _batch(items: list) -> tuple[list[int], torch.Tensor | None, list[dict], list]:
    good = [item for item in items if item[1] is not None]
    images = torch.stack([item[1] for item in good]) if good else None
    bad = [(item[0], item[2]["error"]) for item in items if item[1] is None]
    return [item[0] for item in good], images, [item[2] for item in good], bad


def answers(
    model: Model,
    images: dict[str, Path],
    seen: Seen,
    batch_size: int = 32,
    workers: int = 1,
    thumbnails: bool = False,
) -> Iterator[dict[str, Any]]:
    """One row an image that can be read, in order; no more than a few batches are held.

    Args:
        images: by name, see :func:`find_images`.
        seen: counts what became of them.
        workers: processes that load.
        thumbnails: rows have a ``thumbnail``, for the page.

    Yields:
        ``path`` (the name) and what :func:`common.predict.model.told` says.

    Raises:
        UserError: none of the images could be read.
    """
    names = list(images)
    loader = DataLoader(
        _Photographs(list(images.values()), model, thumbnails),
        batch_size,
        num_workers=workers,
        collate_fn=_batch,
        worker_init_fn=quiet_worker,
    )
    with tqdm(total=len(names), unit=" images", disable=None) as bar:
        for numbers, batch, about, bad in loader:
            for number, reason in bad:
                seen.left_out.append((names[number], reason))
                log.warning("unreadable image left out: %s (%s)", names[number], reason)
            rows = told(model, model.answer(batch)) if batch is not None else []
            for number, row, notes in zip(numbers, rows, about, strict=True):
                seen.answered += 1
                seen.cut += notes.pop("oblong")
                seen.outside += _outside(row, model)
                yield {"path": names[number], **row, **notes}
            bar.update(len(numbers) + len(bad))
    if not seen.answered:
        name, reason = seen.left_out[0]
        raise UserError(
            f"none of the {len(seen.left_out)} images could be read, {name} being the first "
            f"({reason}); copy them again."
        )


def _outside(row: dict, model: Model) -> bool:
    if model.scale is None:
        return False
    low, high = model.scale
    return not all(low <= row[name] <= high for name in ("valence", "arousal"))
