"""Named image transforms: the weak, strong and evaluation views of a photograph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from PIL import Image
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


@dataclass(frozen=True)
class Preprocessing:
    """How a network is shown images in evaluation, as plain values that a checkpoint can hold.

    Attributes:
        resize: pixels of the short side.
        crop: side of the middle square; None leaves the image as it is.
        mean, std: what the channels are normalised by, on the scale 0..1.
        channel_order: ``rgb``, or ``bgr`` as OpenCV reads; `mean` and `std` follow the order.
        upright: turned as the camera's EXIF orientation says.
        interpolation: ``bilinear`` or ``bicubic``.
    """

    resize: int
    crop: int | None
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    channel_order: str = "rgb"
    upright: bool = False
    interpolation: str = "bilinear"

    def plain(self) -> dict:
        """As JSON holds it."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    def transform(self) -> Callable[[Image.Image], torch.Tensor]:
        """From an RGB Pillow image to float32 [3, crop, crop]; an oblong image is cut square."""
        crop = v2.CenterCrop(self.crop or self.resize)
        order = [swapped] if self.channel_order == "bgr" else []
        resize = v2.Resize(self.resize, v2.InterpolationMode(self.interpolation))
        return v2.Compose([*order, resize, crop, *to_normalised_tensor((self.mean, self.std))])


def swapped(image: Image.Image) -> Image.Image:
    """The channels in the other order: blue, green, red."""
    return Image.fromarray(np.ascontiguousarray(np.asarray(image)[..., ::-1]))
