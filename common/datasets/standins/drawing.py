"""Building blocks of drawn images: textures, glyphs, scenes and the accidents of photography.

Arrays are float64 throughout. In float32 the last bit of a sine, which differs between CPUs,
would now and then change a pixel, and a drawing would no longer be the same on two machines.
"""

from __future__ import annotations

import colorsys

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

TEXTURES = ("level", "upright", "diagonal", "blotches", "speckles", "checks", "rings", "dots")
GLYPHS = ("disc", "star", "triangle", "square", "cross", "crescent", "ring", "burst")
SCENES = ("slope", "horizon", "vignette", "clouds")

SUPERSAMPLING = 2


def plane(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates x, y (float64 [h, w]) of pixel centres, 0 at the middle, long side = 1."""
    long_side = max(width, height)
    x = (np.arange(width) + 0.5 - width / 2) / long_side
    y = (np.arange(height) + 0.5 - height / 2) / long_side
    return np.broadcast_to(x, (height, width)), np.broadcast_to(y[:, None], (height, width))


def colour(hue: float, saturation: float, value: float) -> np.ndarray:
    """RGB in 0..1 (float64 [3]); the hue wraps around, the others are clipped."""
    saturation, value = np.clip([saturation, value], 0.0, 1.0)
    return np.array(colorsys.hsv_to_rgb(hue % 1.0, float(saturation), float(value)))


def blotches(rng: Generator, width: int, height: int, cells: float) -> np.ndarray:
    """Smooth noise (float64 [h, w], about -1..1) with `cells` random values along the long side."""
    long_side = max(width, height)
    columns = max(2, round(cells * width / long_side))
    rows = max(2, round(cells * height / long_side))
    coarse = rng.integers(0, 256, size=(rows, columns), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float64) / 127.5 - 1.0


def texture(kind: str, rng: Generator, width: int, height: int) -> np.ndarray:
    """A pattern (float64 [h, w] in -1..1) that means the same when mirrored left to right.

    Args:
        kind: one of `TEXTURES`. Tilt, frequency and phase vary within a kind.
        rng: source of that variation.
        width: pixels.
        height: pixels.
    """
    if kind == "blotches":
        return blotches(rng, width, height, rng.uniform(5, 8))
    if kind == "speckles":
        return np.sign(blotches(rng, width, height, rng.uniform(20, 28)) - 0.35)
    x, y = plane(width, height)
    waves = 2 * np.pi * rng.uniform(6.0, 10.0)
    phase, other_phase = rng.uniform(0, 2 * np.pi, size=2)
    if kind == "rings":
        centre_x, centre_y = rng.uniform(-0.25, 0.25, size=2)
        return np.sin(waves * np.hypot(x - centre_x, y - centre_y) + phase)
    mirrored = rng.choice((-1.0, 1.0))
    upright = {"level": 0.5 * np.pi, "upright": 0.0, "diagonal": 0.25 * np.pi}.get(kind, 0.0)
    tilt = mirrored * upright + rng.normal(0, 0.09)
    along = waves * (x * np.cos(tilt) + y * np.sin(tilt)) + phase
    if kind in ("level", "upright", "diagonal"):
        return np.sin(along)
    across = waves * (y * np.cos(tilt) - x * np.sin(tilt)) + other_phase
    if kind == "checks":
        return np.sign(np.sin(along) * np.sin(across))
    if kind == "dots":
        return np.where(np.sin(along) + np.sin(across) > 1.0, 1.0, -0.4)
    raise ValueError(f"unknown texture {kind}")


def _arc(start: float, end: float, points: int = 24) -> np.ndarray:
    angle = np.linspace(start, end, points)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _spikes(number: int, inner: float) -> np.ndarray:
    angle = np.pi * np.arange(2 * number) / number
    radius = np.where(np.arange(2 * number) % 2 == 0, 1.0, inner)
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def glyph(kind: str) -> np.ndarray:
    """Outline (float64 [n, 2]) of one of `GLYPHS` within the unit circle."""
    if kind == "disc":
        return _arc(0, 2 * np.pi)
    if kind == "star":
        return _spikes(5, 0.4)
    if kind == "burst":
        return _spikes(11, 0.62)
    if kind == "triangle":
        return _arc(0, 2 * np.pi, 4)[:3]
    if kind == "square":
        return _arc(0, 2 * np.pi, 5)[:4]
    if kind == "cross":
        arm = 0.3
        corner = np.array([(1, -arm), (1, arm), (arm, arm)])
        turn = np.array([(0.0, 1.0), (-1.0, 0.0)])
        return np.concatenate([corner @ np.linalg.matrix_power(turn, k) for k in range(4)])
    if kind == "ring":  # the polygon's seam has no width, so the inner circle becomes a hole
        return np.concatenate([_arc(0, 2 * np.pi), 0.55 * _arc(2 * np.pi, 0)])
    if kind == "crescent":
        inner = _arc(1.7 * np.pi, 0.3 * np.pi) * np.array([0.75, 0.99])
        return np.concatenate([_arc(0.3 * np.pi, 1.7 * np.pi), inner + np.array([0.15, 0.0])])
    raise ValueError(f"unknown glyph {kind}")


def cover(outlines: list[np.ndarray], width: int, height: int) -> np.ndarray:
    """How much of each pixel the filled outlines cover.

    Args:
        outlines: polygons (float64 [n, 2]) in the coordinates of :func:`plane`.
        width: pixels.
        height: pixels.

    Returns:
        float64 [h, w] in 0..1.
    """
    size = (width * SUPERSAMPLING, height * SUPERSAMPLING)
    canvas = Image.new("L", size)
    pen = ImageDraw.Draw(canvas)
    for outline in outlines:
        corners = outline * max(size) + np.array(size) / 2
        pen.polygon([(float(x), float(y)) for x, y in corners], fill=255)
    return np.asarray(canvas.reduce(SUPERSAMPLING), dtype=np.float64) / 255.0


def placed(outline: np.ndarray, centre: tuple[float, float], radius: float, angle: float):
    """An outline turned by `angle` (radians), scaled by `radius` and moved to `centre`."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return radius * outline @ np.array([[cosine, sine], [-sine, cosine]]) + np.array(centre)


def scene(kind: str, rng: Generator, width: int, height: int) -> np.ndarray:
    """Where a background is of its second colour: float64 [h, w] in 0..1, for one of `SCENES`."""
    x, y = plane(width, height)
    if kind == "slope":
        angle = rng.uniform(0, 2 * np.pi)
        return np.clip(0.5 + rng.uniform(0.4, 1.2) * (x * np.cos(angle) + y * np.sin(angle)), 0, 1)
    if kind == "horizon":
        edge = rng.uniform(-0.15, 0.2) + rng.normal(0, 0.12) * x
        return 1 / (1 + np.exp(np.clip((edge - y) * rng.uniform(15, 90), -50, 50)))
    if kind == "vignette":
        centre_x, centre_y = rng.uniform(-0.2, 0.2, size=2)
        return np.clip(rng.uniform(1.2, 2.0) * np.hypot(x - centre_x, y - centre_y), 0, 1)
    if kind == "clouds":
        return np.clip(0.5 + 0.5 * blotches(rng, width, height, rng.uniform(2, 4)), 0, 1)
    raise ValueError(f"unknown scene {kind}")


def photographed(pixels: np.ndarray, rng: Generator) -> Image.Image:
    """Give a drawing (float64 [h, w, 3] in 0..1) the accidents of a photograph.

    A lighting gradient, a colour cast, contrast, brightness and gamma, then blur, then noise.
    """
    height, width = pixels.shape[:2]
    x, y = plane(width, height)
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + rng.uniform(0, 0.6) * (x * np.cos(angle) + y * np.sin(angle))
    pixels = pixels * light[..., None] * rng.uniform(0.88, 1.12, size=3)
    pixels = 0.5 + (pixels - 0.5) * rng.uniform(0.65, 1.2) + rng.normal(0, 0.06)
    pixels = np.clip(pixels, 0, 1) ** np.exp(rng.normal(0, 0.22))
    if rng.random() < 0.4:
        radius = rng.uniform(0.002, 0.011) * max(width, height)
        image = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
        image = image.filter(ImageFilter.GaussianBlur(radius))
        pixels = np.asarray(image, dtype=np.float64) / 255.0
    noise = rng.normal(0, rng.uniform(0.0, 0.05), size=(height, width, 1))
    return Image.fromarray(np.rint(np.clip(pixels + noise, 0, 1) * 255).astype(np.uint8))
