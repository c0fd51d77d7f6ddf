"""Properties of readers and splits, over generated trees: nothing twice, counts as asked."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.cli import UserError
from common.data.splits import hold_out_validation, labelled_split, random_halves
from common.datasets.folders import lay_out
from common.datasets.readers import reader
from common.datasets.readers.own_split import hold_out

FEW = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
words = st.text(st.characters(categories=["L", "N"], max_codepoint=0x2FF), min_size=1, max_size=8)
names = st.lists(
    words.filter(lambda w: w.lower() not in ("images", "image", "data", "train", "val", "test")),
    min_size=2,
    max_size=4,
    unique_by=str.lower,
)


def make(folder, classes, numbers):
    """Empty files are enough: readers do not open images."""
    for name, number in zip(classes, numbers, strict=False):
        (folder / name).mkdir(parents=True)
        for k in range(number):
            (folder / name / f"{k}.jpg").touch()


@FEW
@given(classes=names, data=st.data())
def test_class_folders_are_read_whole_and_once(tmp_path_factory, classes, data):
    root = tmp_path_factory.mktemp("tree")
    sizes = {}
    for split in ("train", "val", "test"):
        number = st.integers(1, 5)
        sizes[split] = data.draw(st.tuples(*[number] * len(classes)))
        make(root / split, classes, sizes[split])
    manifest = reader("folders")(root)
    assert manifest.classes == tuple(sorted(classes))
    assert not manifest.table["path"].duplicated().any()
    for split, numbers in sizes.items():
        counted = manifest.split(split).counts()
        assert counted == dict(zip(classes, numbers, strict=True))


@FEW
@given(classes=names, numbers=st.tuples(*[st.integers(2, 30)] * 4))
def test_own_split_has_every_image_once_and_a_fifth_of_each_class(
    tmp_path_factory, classes, numbers
):
    root = tmp_path_factory.mktemp("one")
    make(root, classes, numbers)
    manifest = reader("folders")(root)
    train, test = manifest.split("train"), manifest.split("test")
    assert set(train.table["path"]).isdisjoint(test.table["path"])
    for name, number in zip(classes, numbers, strict=False):
        wanted = min(max(1, round(0.2 * number)), number - 1)
        assert test.counts()[name] == wanted
        assert train.counts()[name] == number - wanted
    assert reader("folders")(root).fingerprint() == manifest.fingerprint()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_own_split_does_not_depend_on_the_order(labels, random):
    paths = [f"class{label}/{k}.jpg" for k, label in enumerate(labels)]
    chosen = dict(zip(paths, hold_out(paths, np.array(labels)), strict=True))
    order = list(range(len(paths)))
    random.shuffle(order)
    again = hold_out([paths[k] for k in order], np.array(labels)[order])
    assert all(chosen[paths[k]] == flag for k, flag in zip(order, again, strict=True))


labellings = st.lists(st.integers(5, 20), min_size=2, max_size=5)


@given(labellings, st.integers(1, 5), st.integers(0, 2**31), st.floats(0, 0.9))
def test_labelled_splits(numbers, each, seed, fraction):
    labels = np.repeat(np.arange(len(numbers)), numbers)

    def draw():
        np.random.seed(seed)
        split = labelled_split(labels, each * len(numbers), len(numbers))
        return hold_out_validation(split, labels, fraction, seed)

    try:
        split = draw()
    except UserError as error:
        assert "finds no images to hold out" in str(error) and min(numbers) == each == 5
        return
    assert np.bincount(labels[split.labelled]).tolist() == [each] * len(numbers)
    assert len(set(split.labelled)) == len(split.labelled)
    assert set(split.validation).isdisjoint({*split.labelled, *split.unlabelled})
    assert set(split.unlabelled) | set(split.validation) == set(range(len(labels)))
    again = draw()
    for name in ("labelled", "unlabelled", "validation"):
        assert np.array_equal(getattr(split, name), getattr(again, name))


@given(st.integers(1, 200), st.floats(0, 1), st.integers(0, 2**31))
def test_random_halves(total, fraction, seed):
    first, second = random_halves(total, fraction, seed)
    assert sorted([*first, *second]) == list(range(total))
    assert len(first) == int(total * (1 - fraction) + 1e-9)
    assert np.array_equal(first, random_halves(total, fraction, seed)[0])


def test_lay_out_keeps_labels_and_refuses_to_overwrite(tmp_path):
    make(tmp_path / "in" / "train", ("sad-x", "joy"), (2, 3))
    make(tmp_path / "in" / "test", ("sad-x", "joy"), (1, 1))
    manifest = reader("folders")(tmp_path / "in")
    counts = lay_out(manifest, tmp_path / "out")
    assert counts == {"train": {"joy": 3, "sad-x": 2}, "test": {"joy": 1, "sad-x": 1}}
    again = reader("folders")(tmp_path / "out")
    assert again.split("train").counts() == counts["train"] and not again.drawn
    with pytest.raises(UserError, match="out already exists; choose another --out"):
        lay_out(manifest, tmp_path / "out")
