"""How fast S2-VER's unlabelled images come in: three views of each, with and without a cache.

The measure is the plain pipeline of Pillow and torchvision that the authors' loader is: decode,
then for every view resize, flip, crop after reflect-padding, tensor, normalise, the strong ones
after RandAugment on the whole photograph.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as v1

from common.data import cache
from common.data.dataset import ViewDataset, seeded
from common.data.manifest import Manifest
from common.data.randaugment import RandAugment
from common.data.streams import quiet_worker
from common.data.views import IMAGENET_MEAN, IMAGENET_STD
from s2ver.data import unlabelled_views

WIDTH, HEIGHT = 500, 375
QUALITY = 90
BATCH = 16
PLAIN = "plain Pillow and torchvision"


def draw_photographs(folder: Path, number: int, seed: int = 0) -> Manifest:
    """JPEGs of 500 × 375 pixels with the file size of photographs, about 90 kB: shapes and grain.

    Args:
        folder: an existing folder to fill.
        number: images.
        seed: of the drawing.
    """
    rng = np.random.default_rng(seed)
    names = [f"{k:05d}.jpg" for k in range(number)]
    for name in names:
        coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        shapes = Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        grain = rng.normal(0, 12, (HEIGHT, WIDTH, 1))
        pixels = np.clip(np.asarray(shapes) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name, quality=QUALITY)
    table = pd.DataFrame({"path": names, "label": 0, "split": "train"})
    return Manifest("photographs", folder, ("photograph",), table, drawn=True)


class PlainTriple(Dataset):
    """Weak view and two strong ones of an image, with nothing but Pillow and torchvision."""

    def __init__(self, paths: list[str], size: int):
        self.paths = paths
        self.weak = v1.Compose(
            [
                v1.Resize(size),
                v1.RandomHorizontalFlip(),
                v1.RandomCrop(size, padding=size // 8, padding_mode="reflect"),
                v1.ToTensor(),
                v1.Normalize(IMAGENET_MEAN, IMAGENET_STD),
            ]
        )
        self.strong = v1.Compose([RandAugment(3), self.weak])

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        with Image.open(self.paths[index]) as file:
            image = file.convert("RGB")
        return self.weak(image), self.strong(image), self.strong(image)


class SameDraws(Dataset):
    """A dataset whose item draws what its index says, so that all variants do the same work."""

    def __init__(self, data: Dataset):
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict | tuple[Tensor, ...]:
        with seeded(index):
            return self.data[index]


def passes(folder: Path, images: int, size: int, workers: int) -> dict[str, Callable[[], None]]:
    """Name -> a function that loads every image once.

    Args:
        folder: an existing empty folder for photographs and caches.
        images: number of photographs.
        size: side of the views.
        workers: loader processes.
    """
    (folder / "photographs").mkdir()
    manifest = draw_photographs(folder / "photographs", images)
    views = unlabelled_views(size)
    paths = [str(manifest.root / p) for p in manifest.table["path"]]

    def ours(**flags) -> Dataset:
        args = argparse.Namespace(num_workers=max(1, workers), **flags)
        return SameDraws(
            ViewDataset(manifest, views, open_image=cache.opener(args, manifest, views))
        )

    kept = folder / "cache"
    return {
        PLAIN: _pass(SameDraws(PlainTriple(paths, size)), workers),
        "without a cache": _pass(ours(cache=None), workers),
        "--cache (approximate)": _pass(ours(cache=kept, cache_exact=False), workers),
        "--cache --cache_exact": _pass(ours(cache=kept, cache_exact=True), workers),
    }


def _pass(dataset: Dataset, workers: int) -> Callable[[], None]:
    loader = DataLoader(
        dataset,
        batch_size=BATCH,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=quiet_worker,
        generator=torch.Generator(),
    )

    def load() -> None:
        for _ in loader:
            pass

    return load
