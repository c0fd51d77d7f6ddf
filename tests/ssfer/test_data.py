"""Which images are labelled, and what folders are refused."""

import numpy as np
import pytest

from common.cli import UserError
from ssfer.finetune import data


def test_every_class_has_a_labelled_image_and_halves_go_to_the_even():
    labels = np.repeat([0, 1, 2], [1, 10, 30])
    np.random.seed(0)
    labelled, unlabelled = data.draw_labelled(labels, 0.05, 4)
    assert np.bincount(labels[labelled], minlength=4).tolist() == [1, 1, 2, 0]
    assert sorted([*labelled, *unlabelled]) == list(range(41))


def test_a_second_draw_differs():
    labels = np.zeros(100, np.int64)
    np.random.seed(0)
    draws = [data.draw_labelled(labels, 0.1, 1)[0].tolist() for _ in range(2)]
    assert draws[0] != draws[1]


def test_folds_cover_the_labelled_images_once():
    parts = data.folds(23, 5, 42)
    assert sorted(np.concatenate([valid for _, valid in parts])) == list(range(23))
    with pytest.raises(UserError, match="4 labelled images"):
        data.folds(4, 5, 42)


def test_reading_names_the_classes(folders):
    manifest = data.read("RAFDB", {"train": folders / "train", "test": folders / "test"}, 7)
    assert manifest.classes == data.CLASSES["RAFDB"]
    assert len(manifest.split("train")) == 56


@pytest.mark.parametrize(
    ("dataset", "classes", "told"),
    [
        ("RAFDB", 8, "has 7 class folders"),
        ("FERPlus", 7, "0, 1, 2, 3, 4, 5, 6, 7"),
    ],
)
def test_other_classes_are_refused(folders, dataset, classes, told):
    with pytest.raises(UserError, match=told):
        data.read(dataset, {"train": folders / "train"}, classes)


def test_own_names_are_taken_under_an_own_dataset_name(own_folders):
    (own_folders / "train" / "Anger").rename(own_folders / "train" / "Rage")
    manifest = data.read("mine", {"train": own_folders / "train"}, 7)
    assert manifest.classes[-2:] == ("Sadness", "Surprise") and "Rage" in manifest.classes
    with pytest.raises(UserError, match="Anger, Disgust"):
        data.read("RAFDB", {"train": own_folders / "train"}, 7)


def test_class_without_images_is_refused(own_folders):
    for file in (own_folders / "train" / "Fear").iterdir():
        file.unlink()
    with pytest.raises(UserError, match="no image of the class Fear"):
        data.read("RAFDB", {"train": own_folders / "train"}, 7)


def test_share_that_rounds_to_nothing_is_refused(folders):
    train = data.read("RAFDB", {"train": folders / "train"}, 7)
    data.check_share(train, 0.07)
    with pytest.raises(UserError, match="class Anger, which has 8 training images") as told:
        data.check_share(train, 0.01)
    least = float(str(told.value).rstrip(".").rsplit(" ", 1)[1])
    data.check_share(train, least)
