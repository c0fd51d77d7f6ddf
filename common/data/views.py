"""Named image transforms: the weak, strong and evaluation views of a photograph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torchvision.transforms import v2

from common.data.randaugment import RandAugment

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def to_normalised_tensor() -> list[Callable]:
    """The end of every view: float32 [3, H, W] with ImageNet's mean and deviation."""
    return [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        v2.ToPureTensor(),
    ]


def weak_view(size: int = 224) -> v2.Compose:
    """Short side to `size`, random flip, random crop after reflect-padding by size / 8.

    Draws from torch's global generator: flip, top, left.

    Returns:
        Transform from an RGB Pillow image to float32 [3, size, size], ImageNet-normalised.
    """
    return v2.Compose(
        [
            v2.Resize(size),
            v2.RandomHorizontalFlip(),
            v2.RandomCrop(size, padding=size // 8, padding_mode="reflect"),
            *to_normalised_tensor(),
        ]
    )


def strong_view(size: int = 224, operations: int = 3) -> v2.Compose:
    """:class:`RandAugment` on the image at its full size, then the weak view."""
    return v2.Compose([RandAugment(operations), weak_view(size)])


def crop_view(size: int = 224) -> v2.Compose:
    """A random part of the image, resized to `size`, and a random flip.

    Draws from torch's global generator: area and aspect, top, left, flip.
    """
    crop = [v2.RandomResizedCrop(size), v2.RandomHorizontalFlip()]
    return v2.Compose([*crop, *to_normalised_tensor()])


def eval_view(size: int = 224) -> v2.Compose:
    """Short side to `size`, centre crop; no randomness."""
    return v2.Compose([v2.Resize(size), v2.CenterCrop(size), *to_normalised_tensor()])
