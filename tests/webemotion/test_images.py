"""What is wrong with a list is told before training; what is held out is not trained on."""

import types

import pytest

from common.cli import UserError
from webemotion.catalogue import LOADERS
from webemotion.images import read as read_images

FLAGS = types.SimpleNamespace(val_fraction=0.0, data_seed=None, split=None)


@pytest.mark.parametrize(
    ("labels", "loader", "told"),
    [
        ([0, 4], "singlelabel_v2", "1.png has the class 4, but num_classes is 4"),
        ([[0], []], "multilabel_v2", "1 images have no class"),
        ([0, [[1, 2]]], "multilabel_v2", "takes a list of classes"),
        ([[0], [1]], "multilabel_idxcount_v2", "takes pairs of class and count"),
        ([[[1, 2]], [[0, 1]]], "singlelabel_v2", "takes one class"),
        ([[0, 1, 0]], "simple_multilabel", "takes a target vector of 4 numbers"),
        ([0, -2], "singlelabel_v2", "the class of 1.png is -2; expected 0 to 3, or -1"),
        ([[9, 0, 0]], "simple_multilabel", "takes a target vector of 4 numbers"),
    ],
)
def test_lists_that_do_not_fit_are_refused(config, labels, loader, told, write_lists):
    write_lists(labels)
    row = LOADERS[loader]
    with pytest.raises(UserError) as error:
        read_images(config, row, row, FLAGS)
    assert told in str(error.value)


def test_a_vector_of_whole_numbers_is_taken_as_it_is(config, write_lists):
    write_lists([[9, 0, 0, 1]])
    row = LOADERS["simple_multilabel"]
    assert read_images(config, row, row, FLAGS).train[0].label == [9, 0, 0, 1]


def test_an_empty_list_is_refused(config, images):
    (images / "test.jsonl").write_text("")
    row = LOADERS["singlelabel_v2"]
    with pytest.raises(UserError, match="is empty"):
        read_images(config, row, row, FLAGS)


def test_missing_images_are_told_and_keep_their_place(config, write_lists, caplog):
    write_lists([0] * 12)
    row = LOADERS["singlelabel_v2"]
    assert len(read_images(config, row, row, FLAGS).train) == 12
    assert "6 of the 12 images" in caplog.text and "10.png and 1 more; they are" in caplog.text


def test_counted_labels_may_be_empty(config, write_lists):
    entries = write_lists([[[1, 2]], []])
    row = LOADERS["multilabel_idxcount_v2"]
    assert read_images(config, row, row, FLAGS).train == entries


def test_held_out_images_are_not_trained_on(config, write_lists):
    write_lists([0, 1, 2, 3, 0, 1])
    row = LOADERS["singlelabel_v2"]
    some = types.SimpleNamespace(**{**vars(FLAGS), "val_fraction": 0.5})
    read = read_images(config, row, row, some)
    assert len(read.train) == len(read.val) == 3
    assert not {e.path for e in read.train} & {e.path for e in read.val}
