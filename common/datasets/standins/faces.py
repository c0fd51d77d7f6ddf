"""Drawn faces: an expression in facial actions, and everything else that makes a face.

The actions follow Ekman and Friesen's Facial Action Coding System; 0 is at rest, 1 is strong.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.random import Generator
from PIL import Image

from common.datasets.standins import drawing
from common.datasets.standins.features import draw_features, draw_head
from common.datasets.standins.people import Canvas, Identity, Pose

ACTIONS = {
    "inner_brow_raise": "AU1",
    "outer_brow_raise": "AU2",
    "brow_lower": "AU4",
    "lid_raise": "AU5",
    "cheek_raise": "AU6",
    "lid_tighten": "AU7",
    "nose_wrinkle": "AU9",
    "lip_raise": "AU10",
    "corner_pull": "AU12",
    "corner_depress": "AU15",
    "chin_raise": "AU17",
    "lip_stretch": "AU20",
    "lip_tighten": "AU23",
    "lips_part": "AU25",
    "jaw_drop": "AU26",
    "lid_droop": "AU43",
}


ACCIDENTS = 0.45
"""Share of a photograph's accidents (light, cast, contrast, blur, noise) that a face is given."""


def draw_face(
    actions: Mapping[str, float], rng: Generator, size: int, who: Identity | None = None
) -> Image.Image:
    """Draw a person who does `actions`.

    Args:
        actions: strengths of some of `ACTIONS`; the others are 0. Both sides of the face get
            them with a little disagreement.
        rng: source of identity, pose, light, background and of everything else.
        size: pixels of a side.
        who: the person; None draws one.
    """
    who, pose = who or Identity.draw(rng), Pose(rng)
    canvas = Canvas(_background(rng, size))
    full = {name: float(actions.get(name, 0.0)) for name in ACTIONS}
    draw_head(canvas, who, pose, full, rng)
    draw_features(canvas, who, pose, full, rng)
    drawn = canvas.pixels()
    lit = np.asarray(drawing.photographed(drawn, rng), dtype=np.float64) / 255.0
    mixed = ACCIDENTS * lit + (1 - ACCIDENTS) * drawn
    return Image.fromarray(np.rint(np.clip(mixed, 0, 1) * 255).astype(np.uint8))


def _background(rng: Generator, size: int) -> np.ndarray:
    first, second = (
        255 * drawing.colour(rng.random(), rng.uniform(0, 0.4), rng.uniform(0.15, 0.9))
        for _ in range(2)
    )
    blend = drawing.scene(str(rng.choice(drawing.SCENES)), rng, size, size)[..., None]
    return first * (1 - blend) + second * blend
