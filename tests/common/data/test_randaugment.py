import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from common.data.randaugment import CUTOUT_COLOUR, OPERATIONS, RandAugment, cut_out


def photograph(width=40, height=24):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def seeded():
    before = random.getstate(), np.random.get_state()
    random.seed(7)
    np.random.seed(7)
    yield
    random.setstate(before[0])
    np.random.set_state(before[1])


def test_names_three_strengths_cut_out_size_and_place_are_drawn(seeded):
    augment = RandAugment(3)
    augment(photograph())
    following = random.random(), np.random.random()

    random.seed(7)
    np.random.seed(7)
    assert random.choices(list(OPERATIONS), k=3) == augment.last_names
    for _ in range(3 + 1):
        random.random()
    np.random.random(2)
    assert (random.random(), np.random.random()) == following


def test_strengths_are_applied_in_the_order_of_the_names(seeded, monkeypatch):
    seen = []
    for name, (_, low, high) in OPERATIONS.items():
        record = lambda image, v, name=name: seen.append((name, v)) or image  # noqa: E731
        monkeypatch.setitem(OPERATIONS, name, (record, low, high))
    RandAugment(5)(photograph())

    random.seed(7)
    names = random.choices(list(OPERATIONS), k=5)
    shares = [random.random() for _ in range(5)]
    ranges = [OPERATIONS[name][1:] for name in names]
    strengths = [low + (high - low) * s for (low, high), s in zip(ranges, shares, strict=True)]
    assert seen == list(zip(names, strengths, strict=True))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    width=st.integers(8, 70),
    height=st.integers(8, 70),
    n=st.integers(0, 5),
)
def test_mode_and_size_stay_and_the_original_is_untouched(seed, width, height, n):
    random.seed(seed)
    np.random.seed(seed)
    image = photograph(width, height)
    before = image.tobytes()
    result = RandAugment(n)(image)
    assert (result.mode, result.size) == ("RGB", (width, height))
    assert image.tobytes() == before


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_keeps_mode_and_size_over_its_range(name):
    operation, low, high = OPERATIONS[name]
    for strength in (low, (low + high) / 2, high):
        result = operation(photograph(), strength)
        assert (result.mode, result.size) == ("RGB", (40, 24))


def test_identity_is_the_image():
    image = photograph()
    assert OPERATIONS["Identity"][0](image, 0.3) is image
    assert np.array_equal(OPERATIONS["TranslateX"][0](image, 0.0), image)
    assert np.array_equal(OPERATIONS["Solarize"][0](image, 256), image)


def test_translation_moves_by_a_share_of_the_side():
    image = photograph()
    pixels = np.asarray(image)
    moved = np.asarray(OPERATIONS["TranslateX"][0](image, 0.25))
    assert np.array_equal(moved[:, :30], pixels[:, 10:])
    assert not moved[:, 30:].any()
    moved = np.asarray(OPERATIONS["TranslateY"][0](image, -0.25))
    assert np.array_equal(moved[6:], pixels[:-6])


def test_cut_out_is_one_grey_square_of_the_wanted_side(seeded):
    image = Image.new("RGB", (100, 100))
    for _ in range(20):
        grey = (np.asarray(cut_out(image, 0.3)) == CUTOUT_COLOUR).all(axis=2)
        rows, columns = np.flatnonzero(grey.any(axis=1)), np.flatnonzero(grey.any(axis=0))
        assert grey.sum() == len(rows) * len(columns) > 0
        assert len(rows) <= 32 and len(columns) <= 32  # the far edges are drawn too
        if rows[-1] < 99:
            assert 30 <= len(rows) <= 31


def test_no_cut_out_draws_nothing(seeded):
    image = photograph()
    before = np.random.get_state()[2]
    assert cut_out(image, 0) is image
    assert np.random.get_state()[2] == before
