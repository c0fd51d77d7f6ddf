"""RandAugment with a weakening, always-signed operation list and a final cut-out.

The variant that FixMatch-style PyTorch code shares: 14 Pillow operations drawn with replacement,
each with a strength drawn from its own range, then one square cut-out. The order of the random
draws is part of the contract (see :class:`RandAugment`).
"""

from __future__ import annotations

import random

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

CUTOUT_COLOUR = (125, 123, 114)  # the mean colour of natural images
MAX_CUTOUT = 0.5  # share of the width


def _affine(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix)


# name -> (operation, lowest strength, highest strength); the order is that of the random draw
OPERATIONS = {
    "AutoContrast": (lambda image, v: ImageOps.autocontrast(image), 0, 1),
    "Brightness": (lambda image, v: ImageEnhance.Brightness(image).enhance(v), 0.05, 0.95),
    "Color": (lambda image, v: ImageEnhance.Color(image).enhance(v), 0.05, 0.95),
    "Contrast": (lambda image, v: ImageEnhance.Contrast(image).enhance(v), 0.05, 0.95),
    "Equalize": (lambda image, v: ImageOps.equalize(image), 0, 1),
    "Identity": (lambda image, v: image, 0, 1),
    "Posterize": (lambda image, v: ImageOps.posterize(image, max(1, int(v))), 4, 8),
    "Rotate": (lambda image, v: image.rotate(v), -30, 30),
    "Sharpness": (lambda image, v: ImageEnhance.Sharpness(image).enhance(v), 0.05, 0.95),
    "ShearX": (lambda image, v: _affine(image, (1, v, 0, 0, 1, 0)), -0.3, 0.3),
    "ShearY": (lambda image, v: _affine(image, (1, 0, 0, v, 1, 0)), -0.3, 0.3),
    "Solarize": (lambda image, v: ImageOps.solarize(image, v), 0, 256),
    "TranslateX": (lambda image, v: _affine(image, (1, 0, v * image.width, 0, 1, 0)), -0.3, 0.3),
    "TranslateY": (lambda image, v: _affine(image, (1, 0, 0, 0, 1, v * image.height)), -0.3, 0.3),
}


def cut_out(image: Image.Image, fraction: float) -> Image.Image:
    """Paint one square of side `fraction` * width, drawn with NumPy's global generator.

    ``np.random.uniform(width)`` is low = width, high = 1: the centre is never left of or above
    pixel 1. A square over the left or top edge is moved inside whole, one over the right or bottom
    edge is cut. `fraction` <= 0 returns the image without a draw.
    """
    if fraction <= 0:
        return image
    width, height = image.size
    side = fraction * width
    x, y = np.random.uniform(width), np.random.uniform(height)
    left, top = int(max(0, x - side / 2.0)), int(max(0, y - side / 2.0))
    box = (left, top, min(width, left + side), min(height, top + side))
    image = image.copy()
    ImageDraw.Draw(image).rectangle(box, CUTOUT_COLOUR)
    return image


class RandAugment:
    """Apply `n` random operations and a cut-out to an RGB image.

    Draws, in this order: ``random.choices`` of the names; per operation one ``random.random()``
    for its strength, also where it has none; ``random.random()`` for the size of the cut-out; two
    from ``np.random`` for its place.

    Args:
        n: operations an image.
    """

    def __init__(self, n: int):
        self.n = n
        self.last_names: list[str] = []

    def __call__(self, image: Image.Image) -> Image.Image:
        self.last_names = random.choices(list(OPERATIONS), k=self.n)
        for name in self.last_names:
            operation, low, high = OPERATIONS[name]
            image = operation(image, low + (high - low) * random.random())
        return cut_out(image, random.random() * MAX_CUTOUT)
