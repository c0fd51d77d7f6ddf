from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from adacm import data
from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.readers.rafdb import CLASSES, COUNTS

FULL = np.repeat(np.arange(7), COUNTS["train"])


def counts(labels, positions):
    return np.bincount(labels[positions], minlength=7).tolist()


@pytest.mark.parametrize(
    ("number", "fear", "other"),
    [(100, 10, 15), (400, 40, 60), (1000, 100, 150), (2000, 200, 300), (4000, 250, 625)],
)
def test_budgets_of_the_table(number, fear, other):
    wanted = data.quotas(number, CLASSES)
    data.check_quotas(wanted, FULL, CLASSES)
    np.random.seed(5)
    labelled, unlabelled = data.draw_labelled(FULL, wanted)
    expected = [other] * 7
    expected[CLASSES.index("fear")] = fear
    assert counts(FULL, labelled) == expected
    assert len(labelled) == number
    assert len(np.intersect1d(labelled, unlabelled)) == 0
    assert sorted([*labelled, *unlabelled]) == list(range(len(FULL)))


def test_other_numbers_follow_the_codes_rule():
    assert data.quotas(850, CLASSES) == [100, 250, *[100] * 5]


def test_codes_rule_labels_nearly_everything_at_100():
    wanted = data.quotas(100, CLASSES, "code")
    assert wanted == [-25, 250, *[-25] * 5]
    np.random.seed(5)
    labelled, _ = data.draw_labelled(FULL, wanted)
    assert counts(FULL, labelled) == [
        250 if name == "fear" else number - 25
        for name, number in zip(CLASSES, COUNTS["train"], strict=True)
    ]


def test_table_is_refused_by_the_class_that_cannot_fill_it():
    labels = np.repeat(np.arange(7), [700, 240, *[700] * 5])
    with pytest.raises(UserError, match="250 labelled images of fear, which has 240"):
        data.check_quotas(data.quotas(4000, CLASSES), labels, CLASSES)
    with pytest.raises(UserError, match="-1 labelled images of surprise"):
        data.check_quotas(data.quotas(240, CLASSES), labels, CLASSES)


@pytest.mark.parametrize(("drawn", "number"), [(True, 1000), (False, 4000)])
def test_default_budget_shrinks_for_small_stand_ins_only(drawn, number):
    table = pd.DataFrame({"label": np.repeat(np.arange(7), 199), "split": "train"})
    table["path"] = table.index.astype(str)
    train = Manifest("rafdb", Path("/"), CLASSES, table, drawn)
    assert data.affordable(train, 4000) == number


def test_other_class_counts_share_equally():
    assert data.quotas(16, tuple("abcdefgh")) == [2] * 8
    with pytest.raises(UserError, match="a multiple of 8"):
        data.quotas(100, tuple("abcdefgh"))


def test_channel_orders_differ_by_the_order_alone(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 4), dtype=np.uint8)
    Image.fromarray(pixels, "RGBA").save(tmp_path / "a.png")
    bgr = np.asarray(data.load_image(str(tmp_path / "a.png")))
    rgb = np.asarray(data.load_image(str(tmp_path / "a.png"), "rgb"))
    assert (rgb == pixels[..., :3]).all()
    assert (bgr == rgb[..., ::-1]).all()


def test_test_view_leaves_oblong_images_oblong_unless_asked():
    image = Image.new("RGB", (60, 40))
    assert data.test_views(32)["image"](image).shape == (3, 32, 48)
    assert data.test_views(32, square=True)["image"](image).shape == (3, 32, 32)
