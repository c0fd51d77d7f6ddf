import random

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from common.cli import UserError
from common.data.dataset import ViewDataset, open_rgb, seeded
from common.data.manifest import Manifest
from common.data.views import eval_view, strong_view, weak_view


def draws():
    return random.random(), np.random.random(), torch.rand(()).item()


@pytest.fixture
def manifest(tmp_path):
    generator = np.random.default_rng(0)
    for i in range(3):
        pixels = generator.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    rows = [(f"{i}.png", i % 2, "train") for i in range(3)]
    table = pd.DataFrame(rows, columns=["path", "label", "split"])
    return Manifest("sample", tmp_path, ("calm", "joy"), table)


def test_item_has_index_label_and_views(manifest):
    item = ViewDataset(manifest, {"weak": weak_view(16), "image": eval_view(16)})[2]
    assert (item["index"], item["label"]) == (2, 0)
    assert item["weak"].shape == item["image"].shape == (3, 16, 16)
    assert item["image"].dtype == torch.float32


def test_seeded_item_does_not_depend_on_the_global_generators(manifest):
    dataset = ViewDataset(manifest, {"weak": weak_view(16), "strong": strong_view(16)})
    with seeded(0):
        first = dataset[1, 99]
    with seeded(1):
        second = dataset[1, 99]
        other = dataset[1, 100]
    for view in ("weak", "strong"):
        assert torch.equal(first[view], second[view])
    assert not torch.equal(first["strong"], other["strong"])


def test_seeded_item_leaves_the_global_generators_as_they_were(manifest):
    dataset = ViewDataset(manifest, {"strong": strong_view(16)})
    with seeded(5):
        expected = draws()
    with seeded(5):
        dataset[0, 99]
        assert draws() == expected


def test_plain_index_draws_from_the_global_generators(manifest):
    dataset = ViewDataset(manifest, {"strong": strong_view(16)})
    with seeded(5):
        first = dataset[0]["strong"]
        assert not torch.equal(first, dataset[0]["strong"])
    with seeded(5):
        assert torch.equal(dataset[0]["strong"], first)


def test_two_views_of_an_item_differ(manifest):
    dataset = ViewDataset(manifest, {"strong0": strong_view(16), "strong1": strong_view(16)})
    item = dataset[0, 3]
    assert not torch.equal(item["strong0"], item["strong1"])


def test_generators_are_restored_after_an_error():
    with seeded(5):
        expected = draws()
    with seeded(5):
        with pytest.raises(ZeroDivisionError), seeded(8):
            _ = 1 / 0
        assert draws() == expected


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK", "1"])
def test_every_kind_of_image_is_opened_as_rgb(tmp_path, mode):
    path = tmp_path / ("image.jpg" if mode == "CMYK" else "image.png")
    Image.new("RGB", (5, 4), (255, 255, 255)).convert(mode).save(path)
    image = open_rgb(str(path))
    assert (image.mode, image.size) == ("RGB", (5, 4))


def test_image_that_went_away_is_named(manifest):
    dataset = ViewDataset(manifest, {"image": eval_view(16)})
    (manifest.root / "1.png").unlink()
    with pytest.raises(UserError, match=r"1\.png cannot be read any more .* resume the run"):
        dataset[1]
