"""Named image transforms: the weak, strong and evaluation views of a photograph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torchvision.transforms import v2

from common.data.randaugment import RandAugment

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
Statistics = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Mean and deviation of red, green and blue, on the scale 0..1."""
IMAGENET: Statistics = (IMAGENET_MEAN, IMAGENET_STD)


def to_normalised_tensor(statistics: Statistics = IMAGENET) -> list[Callable]:
    """The end of every view: float32 [3, H, W], normalised by mean and deviation."""
    return [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(*statistics),
        v2.ToPureTensor(),
    ]


def weak_view(size: int = 224, statistics: Statistics = IMAGENET) -> v2.Compose:
    """Short side to `size`, random flip, random crop after reflect-padding by size / 8.

    Draws from torch's global generator: flip, top, left.

    Returns:
        Transform from an RGB Pillow image to float32 [3, size, size], normalised.
    """
    return v2.Compose(
        [
            v2.Resize(size),
            v2.RandomHorizontalFlip(),
            v2.RandomCrop(size, padding=size // 8, padding_mode="reflect"),
            *to_normalised_tensor(statistics),
        ]
    )


def strong_view(size: int = 224, statistics: Statistics = IMAGENET) -> v2.Compose:
    """:class:`RandAugment` of three operations at the image's full size, then the weak view."""
    return v2.Compose([RandAugment(3), weak_view(size, statistics)])


def crop_view(size: int = 224) -> v2.Compose:
    """A random part of the image, resized to `size`, and a random flip.

    Draws from torch's global generator: area and aspect, top, left, flip.
    """
    crop = [v2.RandomResizedCrop(size), v2.RandomHorizontalFlip()]
    return v2.Compose([*crop, *to_normalised_tensor()])


def eval_view(size: int = 224, statistics: Statistics = IMAGENET) -> v2.Compose:
    """Short side to `size`, centre crop; no randomness."""
    return v2.Compose([v2.Resize(size), v2.CenterCrop(size), *to_normalised_tensor(statistics)])
