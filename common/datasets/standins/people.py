"""Who is drawn and how paint gets onto the picture: identity, pose, canvas.

Coordinates have their origin at the middle of the image, x to the right, y down, side 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

from common.datasets.standins import drawing

SKIN = np.array(
    [
        *((246, 237, 228), (243, 231, 219), (247, 234, 208), (234, 218, 186), (215, 189, 150)),
        *((160, 126, 86), (130, 92, 67), (96, 65, 52), (58, 49, 42), (41, 36, 32)),
    ]
)
"""The ten tones of the Monk scale, RGB 0..255, light to dark."""
HAIR = np.array(
    [(25, 20, 18), (52, 35, 26), (98, 66, 40), (190, 150, 90), (150, 75, 40), (190, 188, 185)]
)
IRIS = np.array([(50, 32, 22), (84, 56, 34), (70, 96, 72), (84, 120, 150), (40, 30, 26)])
STYLES = ("bald", "short", "parted", "fringe", "long", "curly")
FACIAL_HAIR = ("none", "none", "none", "stubble", "moustache", "beard")

Colour = np.ndarray
SUPERSAMPLING = 2


@dataclass(frozen=True)
class Identity:
    """What stays when the expression changes; lengths are factors around 1."""

    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    width: float
    height: float
    jaw: float
    eye_size: float
    eye_opening: float
    eye_distance: float
    brow_height: float
    brow_thickness: float
    brow_slant: float
    nose: float
    mouth_width: float
    mouth_height: float
    lip_fullness: float
    corner_rest: float
    lines: float
    style: str
    facial_hair: str
    glasses: bool

    @staticmethod
    def draw(rng: Generator) -> Identity:
        """A person at random; no trait depends on another, but for lips and their skin."""
        tone = rng.uniform(0, len(SKIN) - 1)
        low = min(int(tone), len(SKIN) - 2)
        skin = SKIN[low] + (tone - low) * (SKIN[low + 1] - SKIN[low]) + rng.normal(0, 5, 3)
        red = np.array((165, 62, 70)) * np.clip(skin.mean() / 190, 0.45, 1.0)

        def around(spread: float) -> float:
            return float(np.clip(rng.normal(1, spread), 0.6, 1.4))

        return Identity(
            skin=skin,
            hair=HAIR[rng.integers(len(HAIR))] + rng.normal(0, 6, 3),
            iris=IRIS[rng.integers(len(IRIS))],
            lips=skin + rng.uniform(0.25, 0.75) * (red - skin),
            width=around(0.07),
            height=around(0.05),
            jaw=float(rng.uniform(0.62, 1.0)),
            eye_size=around(0.1),
            eye_opening=around(0.16),
            eye_distance=around(0.05),
            brow_height=around(0.14),
            brow_thickness=around(0.22),
            brow_slant=float(rng.normal(0, 0.008)),
            nose=around(0.12),
            mouth_width=around(0.09),
            mouth_height=around(0.05),
            lip_fullness=around(0.22),
            corner_rest=float(rng.normal(0, 0.007)),
            lines=float(rng.uniform(0, 0.35)),
            style=str(rng.choice(STYLES)),
            facial_hair=str(rng.choice(FACIAL_HAIR)),
            glasses=bool(rng.random() < 0.18),
        )


class Pose:
    """A head's turn (yaw and nod move the features within the outline) and the whole's place."""

    def __init__(self, rng: Generator):
        self.yaw = float(np.clip(rng.normal(0, 0.35), -1, 1))
        self.nod = float(np.clip(rng.normal(0, 0.3), -1, 1))
        self.roll = rng.normal(0, 0.06)
        self.scale = rng.uniform(1.06, 1.2)
        self.shift = rng.normal(0, 0.015, 2)

    def feature(self, points: np.ndarray) -> np.ndarray:
        """Turn points on the face's surface (float64 [n, 2])."""
        x, y = points[:, 0], points[:, 1]
        depth = np.sqrt(np.clip(1 - (x / 0.42) ** 2, 0, 1))
        return self.place(np.stack([x + 0.06 * self.yaw * depth, y + 0.03 * self.nod], axis=1))

    def place(self, points: np.ndarray) -> np.ndarray:
        """Roll, scale and shift points of the head (float64 [n, 2])."""
        return drawing.placed(points, tuple(self.shift), self.scale, self.roll)


class Canvas:
    """A picture that outlines are painted on, opaque or not, twice as fine as it is returned."""

    def __init__(self, ground: np.ndarray):
        self.side = SUPERSAMPLING * len(ground)
        image = Image.fromarray(np.rint(np.clip(ground, 0, 255)).astype(np.uint8))
        self._image = image.resize((self.side, self.side), Image.Resampling.NEAREST)
        self._pen = ImageDraw.Draw(self._image, "RGBA")

    def _points(self, outline: np.ndarray) -> list[tuple[float, float]]:
        return [(float(x), float(y)) for x, y in (outline + 0.5) * self.side]

    def fill(self, outline: np.ndarray, colour: Colour, opacity: float = 1.0) -> None:
        """Fill a polygon (float64 [n, 2])."""
        self._pen.polygon(self._points(outline), fill=_ink(colour, opacity))

    def line(self, points: np.ndarray, width: float, colour: Colour, opacity: float = 1.0) -> None:
        """Draw a stroke through points (float64 [n, 2]); one too thin to see gets fainter."""
        pixels = width * self.side
        opacity *= min(1.0, pixels)
        self._pen.line(
            self._points(points), _ink(colour, opacity), max(1, round(pixels)), joint="curve"
        )

    def pixels(self) -> np.ndarray:
        """float64 [h, w, 3] in 0..1."""
        return np.asarray(self._image.reduce(SUPERSAMPLING), dtype=np.float64) / 255.0


def _ink(colour: Colour, opacity: float) -> tuple[int, int, int, int]:
    values = np.rint(np.clip([*colour, 255 * opacity], 0, 255))
    return tuple(int(v) for v in values)


def ellipse(x: float, y: float, width: float, height: float, points: int = 24) -> np.ndarray:
    """Outline (float64 [n, 2]) with half axes `width` and `height`."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([x + width * np.cos(angle), y + height * np.sin(angle)], axis=1)
