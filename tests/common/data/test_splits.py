import numpy as np
import pytest

from common.cli import UserError
from common.data.splits import hold_out_validation, labelled_split, sample_balanced

LABELS = np.array([0, 1, 2] * 20)


def test_every_class_gives_the_same_number_once():
    np.random.seed(0)
    drawn = sample_balanced(LABELS, 12, 3)
    assert LABELS[drawn].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert len(set(drawn.tolist())) == 12


def test_draw_follows_numpys_global_generator():
    def draw(seed):
        np.random.seed(seed)
        return sample_balanced(LABELS, 12, 3).tolist()

    assert draw(0) == draw(0) != draw(1)


@pytest.mark.parametrize("number", [0, -3, 4])
def test_number_that_cannot_be_shared(number):
    with pytest.raises(UserError, match=f"--num_labels {number} .* multiple of 3"):
        sample_balanced(LABELS, number, 3)


def test_class_with_too_few_images_is_named():
    with pytest.raises(UserError, match=r"needs 21 .* class joy has only 20"):
        sample_balanced(LABELS, 63, 3, names=("joy", "fear", "awe"))
    with pytest.raises(UserError, match="class number 3 has only 0"):
        sample_balanced(LABELS, 4, 4)


def test_index_file_is_written_once_and_then_obeyed(tmp_path):
    file = tmp_path / "index.npy"
    np.random.seed(0)
    first = labelled_split(LABELS, 6, 3, file)
    np.random.seed(1)
    second = labelled_split(LABELS, 6, 3, file)

    assert not first.reused and second.reused
    assert first.labelled.tolist() == second.labelled.tolist() == np.load(file).tolist()


def test_given_positions_win_and_nothing_is_written(tmp_path):
    file = tmp_path / "index.npy"
    split = labelled_split(LABELS, 6, 3, file, given=np.array([5, 3]))
    assert split.labelled.tolist() == [5, 3]
    assert not file.exists()


def test_unlabelled_pool_with_and_without_the_labelled():
    given = np.array([5, 3])
    assert len(labelled_split(LABELS, 2, 2, given=given).unlabelled) == 60
    without = labelled_split(LABELS, 2, 2, given=given, include_labelled=False).unlabelled
    assert sorted([*without, 3, 5]) == list(range(60))


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (np.array([[1, 2]]), "shape"),
        (np.array([0.5]), "float64"),
        (np.array([0, 60]), "names image 60, but there are 60"),
        (np.array([-1, 2]), "belongs to other data"),
        (np.array([{"a": 1}], dtype=object), "no readable index file"),
    ],
)
def test_index_file_that_does_not_fit(tmp_path, content, fact):
    file = tmp_path / "index.npy"
    np.save(file, content, allow_pickle=True)
    with pytest.raises(UserError, match=fact) as error:
        labelled_split(LABELS, 6, 3, file)
    assert str(file) in str(error.value) and "elete it" in str(error.value)


def test_held_out_images_are_balanced_and_apart():
    split = labelled_split(LABELS, 6, 3, given=np.arange(6))
    held = hold_out_validation(split, LABELS, 0.25, seed=0)

    assert np.bincount(LABELS[held.validation]).tolist() == [4, 4, 4]  # a quarter of 18, rounded
    assert not set(held.validation) & (set(held.labelled) | set(held.unlabelled))
    assert set(held.labelled) <= set(held.unlabelled)
    assert len(held.unlabelled) + len(held.validation) == 60


def test_holding_out_leaves_numpys_generator_and_the_labelled_alone():
    split = labelled_split(LABELS, 6, 3, given=np.arange(6))
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    held = hold_out_validation(split, LABELS, 0.25, seed=0)
    assert np.random.random() == expected
    assert held.labelled is split.labelled
    assert hold_out_validation(split, LABELS, 0, seed=0) is split


def test_a_small_share_still_takes_one_of_every_class():
    split = labelled_split(LABELS, 6, 3, given=np.arange(6))
    held = hold_out_validation(split, LABELS, 0.001, seed=0)
    assert sorted(LABELS[held.validation]) == [0, 1, 2]


def test_nothing_to_hold_out():
    split = labelled_split(LABELS, 60, 3, given=np.arange(60))
    with pytest.raises(UserError, match="all of them are labelled"):
        hold_out_validation(split, LABELS, 0.25, seed=0)
