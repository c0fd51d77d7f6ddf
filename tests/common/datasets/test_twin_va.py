"""The drawn stand-in whose valence and arousal can be seen."""

import colorsys

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from common.datasets.__main__ import main
from common.datasets.lexicon import read_lexicon
from common.datasets.readers.emotion6 import read_emotion6
from common.datasets.readers.folder import read_folders
from common.datasets.standins import va


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    out = tmp_path_factory.mktemp("twin") / "va"
    assert main(["twin", "va", "--out", str(out), "--scale", "0.0001", "--size", "32"]) == 0
    return out


def test_readers_take_it_and_know_that_it_is_drawn(drawn):
    folders = {split: drawn / "FI" / split for split in ("train", "val", "test")}
    fi, rated = read_folders("FI", folders), read_emotion6(drawn / "Emotion6")
    assert fi.drawn and rated.drawn
    assert len(fi.classes) == 8 and len(rated.classes) == 6
    assert rated.table[["valence", "arousal"]].notna().all(axis=None)


def test_lexicon_says_that_it_is_made_up(drawn, caplog):
    lexicon = read_lexicon(drawn / "NRC-VAD-Lexicon.txt")
    assert lexicon.made_up and "MADE-UP" in caplog.text
    assert lexicon.points(("amusement", "fear", "neutral")).shape == (3, 2)


def test_same_seed_same_bytes(drawn, tmp_path):
    flags = ["--scale", "0.0001", "--size", "32"]
    assert main(["twin", "va", "--out", str(tmp_path / "again"), *flags]) == 0
    for path in drawn.rglob("*"):
        if path.is_file():
            again = tmp_path / "again" / path.relative_to(drawn)
            assert again.read_bytes() == path.read_bytes()


def test_valence_shows_in_brightness_and_arousal_in_saturation():
    rng = np.random.default_rng(0)
    truth, seen = [], []
    for _ in range(150):
        point = rng.uniform(1.5, 8.5, 2)
        pixels = (
            np.asarray(va.draw(*point, rng.random(), rng, 24), dtype=float).mean(axis=(0, 1)) / 255
        )
        _, saturation, value = colorsys.rgb_to_hsv(*pixels)
        truth.append(point)
        seen.append((value, saturation))
    truth, seen = np.array(truth), np.array(seen)
    for d in range(2):
        assert stats.pearsonr(truth[:, d], seen[:, d]).statistic > 0.4


def test_outline_is_round_for_pleasant_and_spiky_for_unpleasant():
    spread = {r: np.linalg.norm(va.outline(r, 6), axis=1).std() for r in (0.0, 1.0)}
    assert spread[0.0] > 2 * spread[1.0]


def test_image_is_an_image():
    image = va.draw(5, 5, 0.5, np.random.default_rng(1), 40)
    assert isinstance(image, Image.Image) and max(image.size) == 40
