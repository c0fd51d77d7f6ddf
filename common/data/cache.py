"""``--cache DIR``: images decoded and resized once, in a memory-mapped file that runs share."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import zipfile
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import PIL
import torchvision
from filelock import FileLock
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F
from tqdm import tqdm

from common.cli import UserError
from common.data.dataset import ViewDataset, open_rgb
from common.data.images import content_digests
from common.data.manifest import Manifest
from common.data.randaugment import RandAugment
from common.files import replacing

log = logging.getLogger(__name__)

Views = dict[str, Callable]
Opener = Callable[[str], Image.Image]
FORMAT = "emolab-pixels-2"  # part of the key: raised when the files change their form
AHEAD = 256  # images that are decoded before they are written


@dataclass(frozen=True)
class Plan:
    """How a set of views reads its images from a cache.

    Attributes:
        size: short side of the stored images; None: stored as they are.
        exact: whether the views give the same values, to the bit, as without a cache.
    """

    size: int | None
    exact: bool

    @property
    def transform(self) -> str:
        """In words, part of the cache's key."""
        return "as decoded" if self.size is None else f"short side {self.size}, bilinear"


def plan(views: Views, exact_only: bool = False) -> Plan:
    """What may be stored for these views.

    A view that begins with the resize of the short side sees the same image, resized before or
    not: a second resize to the size an image has does nothing. One that begins with
    :class:`RandAugment` and then resizes sees an approximation. Any other view, or views of
    different sizes, or `exact_only` where one would be approximate, get the image at full size.
    """
    steps = [_flat(view) for view in views.values()]
    sizes = {_size(of_view) for of_view in steps}
    exact = all(_resizes(of_view[0]) for of_view in steps)
    if len(sizes) != 1 or None in sizes or (exact_only and not exact):
        return Plan(None, True)
    return Plan(sizes.pop(), exact)


def _flat(view: Callable) -> list[Callable]:
    if isinstance(view, v2.Compose):
        return [step for part in view.transforms for step in _flat(part)]
    return [view]


def _size(steps: list[Callable]) -> int | None:
    """The short side a view resizes to first, random operations aside."""
    first = next((step for step in steps if not isinstance(step, RandAugment)), None)
    return first.size[0] if first is not None and _resizes(first) else None


def _resizes(step: Callable) -> bool:
    return (
        isinstance(step, v2.Resize)
        and len(step.size or ()) == 1
        and step.max_size is None
        and getattr(step.interpolation, "value", step.interpolation) == "bilinear"
    )


def add_flags(group) -> None:
    """Add ``--cache`` and ``--cache_exact``."""
    group.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        neutral=True,
        help="decode and resize once into DIR; views that augment first become approximate",
    )
    group.add_argument(
        "--cache_exact",
        action="store_true",
        neutral=True,
        help="with --cache: store images of such views at full size, so that nothing changes",
    )


def kind(args: argparse.Namespace, *of_streams: Views) -> str | None:
    """None without a cache, else ``exact`` or ``approximate``, for checkpoints and records."""
    if args.cache is None:
        return None
    exact = all(plan(views, args.cache_exact).exact for views in of_streams)
    return "exact" if exact else "approximate"


def identity(cached_as: str | None) -> str | None:
    """What a checkpoint must share: an exact cache computes the same as none."""
    return cached_as if cached_as == "approximate" else None


def opener(
    args: argparse.Namespace,
    cache_manifest: Manifest,
    views: Views,
    open_image: Opener | None = None,
) -> Opener | None:
    """What opens the images of a dataset: `open_image`, or the cache that the flags ask for.

    Args:
        args: ``cache``, ``cache_exact``, ``num_workers``.
        cache_manifest: all images of the split, so that its parts share one cache.
        views: of the dataset.
        open_image: decodes a path; None: :func:`common.data.dataset.open_rgb`.

    Raises:
        UserError: the cache cannot be written or is damaged.
    """
    if args.cache is None:
        return open_image
    asked = plan(views, args.cache_exact)
    if not asked.exact:
        log.warning(
            "--cache is approximate for %s: the published views augment before they resize. "
            "--cache_exact keeps those images at full size.",
            ", ".join(views),
        )
    paths = [str(cache_manifest.root / p) for p in cache_manifest.table["path"]]
    return cached(args.cache, paths, asked, open_image or open_rgb, max(1, args.num_workers))


def dataset(
    args: argparse.Namespace,
    images: Manifest,
    views: Views,
    cached_with: Manifest | None = None,
    open_image: Opener | None = None,
    **options,
) -> ViewDataset:
    """The dataset of some images under `views`, from the cache that the flags ask for.

    Args:
        cached_with: all images that share the cache; None: these alone.
        open_image: see :func:`opener`.
        options: of :class:`common.data.dataset.ViewDataset`.
    """
    opened = opener(args, images if cached_with is None else cached_with, views, open_image)
    published = getattr(args, "draws", "seeded") == "authors"
    return ViewDataset(images, views, open_image=opened, published=published, **options)


def cached(
    folder: Path, paths: list[str], asked: Plan, open_image: Opener, workers: int = 2
) -> CachedImages:
    """The images of `paths` from their file in `folder`, which is made where it is not there.

    Two processes that ask at once make it once: the second waits.

    Raises:
        UserError: the folder cannot be written to, or an image cannot be read.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        key = _key(_digests(_signature(paths)), asked, open_image)
        file = folder / f"{key}.pixels"
        with FileLock(folder / f"{key}.lock"):
            try:
                index = _read_index(file)
            except ValueError as reason:
                if file.exists():
                    log.warning("%s is half-written or damaged (%s): made anew", file, reason)
                index = _build(file, paths, asked, open_image, workers)
    except OSError as error:
        raise UserError(
            f"the cache in {folder} cannot be made ({error.strerror or error}: "
            f"{error.filename or folder}); give another --cache or do without."
        ) from None
    return CachedImages(file, paths, index)


def _signature(paths: list[str]) -> tuple[tuple[str, int, int], ...]:
    stats = [(path, os.stat(path)) for path in paths]
    return tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stats)


@lru_cache(maxsize=16)  # the streams of a run share their images
def _digests(signature: tuple[tuple[str, int, int], ...]) -> list[str]:
    return content_digests([path for path, _, _ in signature])


def _key(digests: list[str], asked: Plan, open_image: Opener) -> str:
    function = getattr(open_image, "func", open_image)  # of a partial
    said = {
        "format": FORMAT,
        "transform": asked.transform,
        "opened_by": f"{function.__module__}.{function.__qualname__}",
        "with": sorted(map(str, getattr(open_image, "keywords", {}).items())),
        "libraries": [PIL.__version__, torchvision.__version__],
        "images": digests,
    }
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]


def _build(
    file: Path, paths: list[str], asked: Plan, open_image: Opener, workers: int
) -> dict[str, np.ndarray]:
    """Write the pixels one after another, then the index; returns the index."""

    def pixels(path: str) -> np.ndarray:
        image = open_image(path)
        return np.asarray(image if asked.size is None else F.resize(image, [asked.size]))

    shapes, sums = [], []
    bar = tqdm(total=len(paths), desc=f"cache {file.name[:8]}", unit="image", leave=False)
    with replacing(file) as part, open(part, "wb") as out, ThreadPoolExecutor(workers) as pool, bar:
        for start in range(0, len(paths), AHEAD):
            for array in pool.map(pixels, paths[start : start + AHEAD]):
                data = array.tobytes()
                out.write(data)
                shapes.append(array.shape[:2])
                sums.append(zlib.crc32(data))
                bar.update()
    shape = np.array(shapes, np.int64).reshape(-1, 2)
    index = {"shape": shape, "crc": np.array(sums, np.uint32)}
    with replacing(_index_file(file)) as part, open(part, "wb") as out:
        np.savez(out, **index)
    total = file.stat().st_size / 1e6
    log.info("cache: %d images (%s) in %s, %.0f MB", len(paths), asked.transform, file, total)
    return index


def _index_file(file: Path) -> Path:
    return file.with_suffix(".index")


def _read_index(file: Path) -> dict[str, np.ndarray]:
    """``shape`` int64 [n, 2] (height, width) and ``crc`` uint32 [n] of a cache file's images.

    Raises:
        ValueError: the file or its index is not whole.
    """
    try:
        with np.load(_index_file(file), allow_pickle=False) as content:
            index = {name: content[name] for name in ("shape", "crc")}
        size = file.stat().st_size
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error):
        raise ValueError("it has no whole index") from None
    if int(3 * index["shape"].prod(axis=1).sum()) != size:
        raise ValueError("pixels are missing")
    return index


class CachedImages:
    """Opens images from a cache file: path -> RGB image. May be sent to other processes.

    Args:
        file: whole cache file, the uint8 [height, width, 3] of every image one after another.
        paths: of the images in it, in their order.
        index: their ``shape`` and ``crc``.
    """

    def __init__(self, file: Path, paths: list[str], index: dict[str, np.ndarray]):
        self.file, self._position = file, {path: i for i, path in enumerate(paths)}
        self._index = index
        self._start = np.concatenate([[0], np.cumsum(3 * index["shape"].prod(axis=1))])
        self._pixels: np.memmap | None = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_pixels": None}  # every process maps the file itself

    def __contains__(self, path: str) -> bool:
        return path in self._position

    def __call__(self, path: str) -> Image.Image:
        """The stored image.

        Raises:
            UserError: its bytes are damaged, or the file went away.
        """
        i = self._position[path]
        height, width = self._index["shape"][i].tolist()
        try:
            if self._pixels is None:
                self._pixels = np.memmap(self.file, np.uint8, mode="r")
            data = self._pixels[self._start[i] : self._start[i + 1]]
        except OSError as error:
            raise UserError(
                f"the cache {self.file} cannot be read any more ({error.strerror}); resume the "
                "run, which makes it anew."
            ) from None
        if zlib.crc32(data) != int(self._index["crc"][i]):
            raise UserError(
                f"the cache {self.file} is damaged at the image {path}; delete it and resume the "
                "run, which makes it anew."
            )
        return Image.frombytes("RGB", (width, height), data.tobytes())
