"""The parts of a drawn face: head and hair, then what the facial actions move."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from common.datasets.standins import drawing
from common.datasets.standins.people import Canvas, Identity, Pose, ellipse

U = np.linspace(-1, 1, 17)
ARCH = 1 - U**2
EYE_Y, NOSE_Y, MOUTH_Y = -0.06, 0.11, 0.245
WHITE, DARK = np.array((238, 234, 228)), np.array((28, 16, 16))

Actions = dict[str, float]


def draw_head(canvas: Canvas, who: Identity, pose: Pose, a: Actions, rng: Generator) -> None:
    """Shoulders, hair behind, ears, the skin with its shades, beard and hair in front."""
    half, top = 0.345 * who.width, -0.45 * who.height
    chin = 0.44 * who.height + 0.035 * a["jaw_drop"] - 0.008 * a["chin_raise"]
    clothes = 255 * drawing.colour(rng.random(), rng.uniform(0, 0.8), rng.uniform(0.1, 0.9))
    shade = 0.72 * who.skin
    canvas.fill(pose.place(ellipse(0, 0.68, 0.55, 0.25)), clothes)
    canvas.fill(pose.place(ellipse(0, 0.45, 0.55 * half, 0.2)), shade)
    if who.style == "long":
        canvas.fill(pose.place(ellipse(0, 0.05, half + 0.06, 0.56)), who.hair)
    elif who.style == "curly":
        canvas.fill(pose.place(ellipse(0, -0.18, half + 0.1, 0.4)), who.hair)
    for side in (-1, 1):
        canvas.fill(pose.place(ellipse(side * (half + 0.005), 0.02, 0.04, 0.085)), 0.88 * who.skin)

    outline = _outline(half, top, chin, who.jaw)
    canvas.fill(pose.place(outline), who.skin)
    light = rng.choice((-1.0, 1.0))
    far = outline[outline[:, 0] * light > 0]
    far = far[np.argsort(far[:, 1])]
    crescent = np.concatenate([far, far[::-1] * np.array([0.75, 1.0])])
    canvas.fill(pose.place(crescent), 0.6 * who.skin, rng.uniform(0, 0.25))
    _facial_hair(canvas, who, pose, outline, chin)
    _front_hair(canvas, who, pose, half, top, rng)


def _outline(half: float, top: float, chin: float, jaw: float) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    x, y = np.cos(angle), np.sin(angle)
    squareness = np.where(y > 0, 0.75 + 0.25 * (1 - jaw), 0.85)
    x = half * np.sign(x) * np.abs(x) ** squareness
    x = np.where(y > 0, x * (1 - (1 - jaw) * 0.5 * y**2), x)
    return np.stack([x, np.where(y > 0, chin * y, -top * y)], axis=1)


def _facial_hair(canvas, who, pose, outline, chin) -> None:
    if who.facial_hair == "none":
        return
    if who.facial_hair in ("stubble", "beard"):
        low = outline[outline[:, 1] > 0.1]
        low = low[np.argsort(np.arctan2(low[:, 1], low[:, 0]))]
        upper = np.stack([0.3 * U[::-1] * who.width, 0.17 + 0.02 * ARCH], axis=1)[::-1]
        area = np.concatenate([low, upper])
        canvas.fill(pose.place(area), who.hair, 0.22 if who.facial_hair == "stubble" else 0.8)
    if who.facial_hair in ("moustache", "beard"):
        area = ellipse(0, MOUTH_Y - 0.055, 0.12, 0.028)
        canvas.fill(pose.feature(area), who.hair, 0.85)


def _front_hair(canvas, who, pose, half, top, rng) -> None:
    if who.style == "bald":
        return
    hairline = {"short": -0.33, "parted": -0.3, "fringe": -0.23, "long": -0.3, "curly": -0.29}
    low = hairline[who.style] + rng.normal(0, 0.012)
    lean = rng.uniform(-0.09, 0.09) if who.style in ("parted", "long") else 0.0
    over = half + 0.02
    cap = ellipse(0, -0.08, over, -top - 0.08 + 0.05, 48)
    cap = cap[cap[:, 1] < -0.08]
    cap = cap[np.argsort(cap[:, 0])]
    fringe = low + lean * U + (0.02 if who.style == "fringe" else 0.17) * U**4
    if who.style == "curly":
        fringe = fringe + 0.012 * np.cos(9 * U)
    line = np.stack([U * over * 0.97, np.minimum(fringe, -0.09)], axis=1)[::-1]
    canvas.fill(pose.place(np.concatenate([cap, line])), who.hair)


def draw_features(canvas: Canvas, who: Identity, pose: Pose, a: Actions, rng: Generator) -> None:
    """Eyes, brows, nose, mouth, the lines that they leave, and glasses."""
    gaze = rng.normal(0, 0.25, 2).clip(-0.6, 0.6)
    _folds(canvas, who, pose, a, rng)
    for side in (-1, 1):
        own = {name: max(0.0, v + rng.normal(0, 0.04)) for name, v in a.items()}
        _eye(canvas, who, pose, own, side, gaze)
        _brow(canvas, who, pose, own, side)
    _nose(canvas, who, pose, a)
    _mouth(canvas, who, pose, a, rng)
    if who.glasses:
        _glasses(canvas, who, pose, rng)


def _eye(canvas, who, pose, a, side, gaze) -> None:
    centre, half = side * 0.15 * who.eye_distance, 0.08 * who.eye_size
    upper = 0.04 * (1 + 0.9 * a["lid_raise"] - 0.5 * a["lid_tighten"] - 0.8 * a["lid_droop"])
    lower = 0.025 * (1 + 0.25 * a["lid_raise"] - 0.65 * a["cheek_raise"] - 0.5 * a["lid_tighten"])
    upper, lower = (max(0.0, v) * who.eye_opening * who.eye_size for v in (upper, lower))
    x = centre + half * U
    above, below = EYE_Y - upper * ARCH**0.8, EYE_Y + lower * ARCH
    almond = np.concatenate(
        [np.stack([x, above], axis=1), np.stack([x[::-1], below[::-1]], axis=1)]
    )
    socket = ellipse(centre, EYE_Y - 0.012, 1.25 * half, 0.055)
    canvas.fill(pose.feature(socket), 0.7 * who.skin, 0.28)
    canvas.fill(pose.feature(almond), WHITE)
    middle_x, middle_y = centre + 0.4 * half * gaze[0], EYE_Y - 0.004 + 0.01 * gaze[1]
    for radius, colour in ((0.027, who.iris), (0.012, DARK)):
        disc = ellipse(middle_x, middle_y, radius * who.eye_size, radius * who.eye_size)
        disc[:, 1] = np.clip(
            disc[:, 1], np.interp(disc[:, 0], x, above), np.interp(disc[:, 0], x, below)
        )
        canvas.fill(pose.feature(disc), colour)
    lash = np.stack([x, above], axis=1)
    canvas.line(pose.feature(lash), 0.011, 0.3 * who.skin * 0.6)
    canvas.line(pose.feature(np.stack([x, below], axis=1)), 0.005, 0.5 * who.skin, 0.8)
    crease = np.stack([x, above - 0.014 + 0.006 * a["lid_raise"]], axis=1)[2:-2]
    canvas.line(pose.feature(crease), 0.005, 0.55 * who.skin, 0.5)
    pouch = np.stack([x, below + 0.016 - 0.006 * a["cheek_raise"]], axis=1)[3:-3]
    strength = 0.15 + 0.5 * max(a["cheek_raise"], a["lid_tighten"])
    canvas.line(pose.feature(pouch), 0.006, 0.6 * who.skin, strength)


def _brow(canvas, who, pose, a, side) -> None:
    up, out, down = a["inner_brow_raise"], a["outer_brow_raise"], a["brow_lower"]
    base = EYE_Y - 0.078 * who.brow_height
    slant = who.brow_slant
    inner = base - 0.064 * up + 0.056 * down + 0.014 * a["nose_wrinkle"] + slant
    middle = base - 0.022 - 0.034 * up - 0.044 * out + 0.04 * down + 0.006 * a["nose_wrinkle"]
    outer = base - 0.002 - 0.052 * out + 0.016 * down - slant
    near = 0.06 - 0.016 * down
    x = np.array([near, 0.5 * (near + 0.155), 0.155, 0.205, 0.245]) * who.eye_distance
    y = np.array([inner, 0.55 * middle + 0.45 * inner, middle, 0.5 * (middle + outer), outer])
    thick = 0.018 * who.brow_thickness * np.array([1.0, 1.15, 1.0, 0.7, 0.25])
    upper, lower = np.stack([side * x, y - thick], axis=1), np.stack([side * x, y + thick], axis=1)
    colour = 0.75 * who.hair if who.hair.mean() > 90 else who.hair
    canvas.fill(pose.feature(np.concatenate([upper, lower[::-1]])), colour, 0.92)


def _nose(canvas, who, pose, a) -> None:
    tip = NOSE_Y * who.nose - 0.014 * a["nose_wrinkle"] - 0.005 * a["lip_raise"]
    wing = 0.05 * who.nose * (1 + 0.22 * a["nose_wrinkle"] + 0.1 * a["corner_pull"])
    dark = 0.62 * who.skin
    side = 1 if pose.yaw >= 0 else -1
    bridge = np.array([(side * 0.025, EYE_Y + 0.01), (side * 0.022, 0.04), (side * 0.04, tip)])
    canvas.line(pose.feature(bridge), 0.009, dark, 0.45)
    for s in (-1, 1):
        canvas.fill(pose.feature(ellipse(s * 0.024, tip + 0.012, 0.013, 0.008, 10)), 0.4 * who.skin)
        arc = np.array([(s * wing, tip - 0.03), (s * (wing + 0.01), tip), (s * wing, tip + 0.014)])
        canvas.line(pose.feature(arc), 0.008, dark, 0.6)
    for k in range(3):  # across the bridge
        y = EYE_Y - 0.012 + 0.024 * k
        wrinkle = np.stack([0.034 * U, y + 0.008 * ARCH], axis=1)
        canvas.line(pose.feature(wrinkle), 0.007, dark, 0.85 * a["nose_wrinkle"])


def _mouth(canvas, who, pose, a, rng) -> None:
    middle = MOUTH_Y * who.mouth_height
    narrow = 0.14 * a["jaw_drop"] + 0.16 * a["lip_tighten"] + 0.08 * a["chin_raise"]
    half = 0.118 * who.mouth_width * (1 + 0.3 * a["corner_pull"] + 0.32 * a["lip_stretch"] - narrow)
    skew, tooth, tint = rng.normal(0, 0.004), rng.uniform(0.008, 0.018), rng.uniform(0.82, 1.0)
    corner = who.corner_rest - 0.08 * a["corner_pull"] + 0.065 * a["corner_depress"]
    corner = corner + 0.012 * a["lip_stretch"]
    base = middle - 0.012 * a["chin_raise"] + corner * U**2 + skew * U
    raised = 0.034 * a["lip_raise"] + 0.008 * a["nose_wrinkle"]
    gap_up = 0.012 * a["lips_part"] + 0.02 * a["jaw_drop"] + raised * min(1.0, a["lips_part"])
    gap_low = 0.016 * a["lips_part"] + 0.095 * a["jaw_drop"]
    fullness = who.lip_fullness * (1 - 0.65 * min(1.0, a["lip_tighten"]))
    bow = 1 - 0.16 * np.exp(-((U / 0.16) ** 2))
    upper_lip = (0.025 * fullness + raised * (1 - min(1.0, a["lips_part"]))) * bow
    lower_lip = 0.033 * fullness * (1 + 0.25 * a["chin_raise"])
    x = half * U
    rise = ARCH**0.7
    top, bottom = base - (gap_up + upper_lip) * rise, base + (gap_low + lower_lip) * rise
    inside_top, inside_bottom = base - gap_up * rise, base + gap_low * rise

    def between(first, second):
        return pose.feature(
            np.concatenate([np.stack([x, first], axis=1), np.stack([x, second], axis=1)[::-1]])
        )

    canvas.fill(between(top, inside_top), 0.88 * who.lips)
    canvas.fill(between(inside_bottom, bottom), who.lips)
    if gap_up + gap_low > 0.008:
        canvas.fill(between(inside_top, inside_bottom), DARK)
        depth = tooth + 0.02 * max(a["corner_pull"], a["lip_raise"])
        teeth = np.minimum(inside_bottom, inside_top + depth)
        canvas.fill(between(inside_top, teeth), WHITE * tint)
        if a["lip_stretch"] + a["lip_tighten"] > 0.5:
            lower_teeth = np.maximum(inside_top, inside_bottom - 0.012)
            canvas.fill(between(lower_teeth, inside_bottom), WHITE * 0.85)
    else:
        seam = pose.feature(np.stack([x, base], axis=1))
        canvas.line(seam, 0.008, 0.45 * who.lips)
    shade = np.stack([0.6 * x, bottom + 0.016 - 0.004 * ARCH], axis=1)
    canvas.line(pose.feature(shade), 0.012, 0.65 * who.skin, 0.2 + 0.4 * a["chin_raise"])
    for k in range(int(a["chin_raise"] > 0.3) * 3):
        dimple = ellipse(0.025 * (k - 1), middle + 0.1 + 0.01 * (k % 2), 0.008, 0.006, 8)
        canvas.fill(pose.feature(dimple), 0.7 * who.skin, 0.5 * a["chin_raise"])


def _folds(canvas, who, pose, a, rng) -> None:
    dark = 0.6 * who.skin
    cheek = max(a["corner_pull"], a["lip_raise"], 0.8 * a["nose_wrinkle"])
    for s in (-1, 1):
        out = 0.115 + 0.04 * a["corner_pull"] + 0.015 * a["lip_raise"]
        end = MOUTH_Y - 0.02 * a["corner_pull"] - 0.02 * a["lip_raise"]
        fold = np.array(
            [(s * 0.058, NOSE_Y - 0.01), (s * 0.1, 0.5 * (NOSE_Y + end)), (s * out, end)]
        )
        canvas.line(pose.feature(fold), 0.01, dark, np.clip(who.lines + 0.55 * cheek, 0, 0.8))
        for k in (-1, 0, 1):  # beside the eyes
            start = np.array([s * 0.228, EYE_Y + 0.006 + 0.012 * k])
            foot = np.stack([start, start + np.array([s * 0.035, 0.014 * k + 0.004])])
            canvas.line(pose.feature(foot), 0.006, dark, 0.5 * who.lines + 0.5 * a["cheek_raise"])
        frown = np.array([(s * 0.018, EYE_Y - 0.085), (s * 0.022, EYE_Y - 0.035)])
        canvas.line(pose.feature(frown), 0.009, dark, 0.4 * who.lines + 0.6 * a["brow_lower"])
    raised = max(a["inner_brow_raise"], a["outer_brow_raise"])
    reach = 0.2 if a["outer_brow_raise"] > 0.4 else 0.11
    for k in range(3):
        y = EYE_Y - 0.17 - 0.035 * k - 0.02 * raised
        row = np.stack([reach * U, y - 0.01 * ARCH + rng.normal(0, 0.003)], axis=1)
        canvas.line(pose.feature(row), 0.007, dark, 0.5 * who.lines + 0.45 * raised)


def _glasses(canvas, who, pose, rng) -> None:
    ink = 255 * drawing.colour(rng.random(), rng.uniform(0, 0.6), rng.uniform(0.05, 0.6))
    width, height = 0.098 * rng.uniform(0.9, 1.1), 0.07 * rng.uniform(0.85, 1.15)
    thick = rng.uniform(0.007, 0.016)
    for s in (-1, 1):
        rim = ellipse(s * 0.15 * who.eye_distance, EYE_Y + 0.005, width, height)
        canvas.fill(pose.feature(rim), np.array((230, 240, 250)), rng.uniform(0.02, 0.18))
        canvas.line(pose.feature(np.concatenate([rim, rim[:2]])), thick, ink)
        arm = np.array([(s * (0.15 * who.eye_distance + width), EYE_Y), (s * 0.34, EYE_Y - 0.01)])
        canvas.line(pose.feature(arm), thick, ink)
    canvas.line(pose.feature(np.array([(-0.055, EYE_Y), (0.055, EYE_Y)])), thick, ink)
