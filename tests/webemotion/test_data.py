"""Lists become batches, and what is wrong with a list is told before training."""

import logging
import types

import numpy as np
import pytest
import torch
from PIL import Image

from common.cli import UserError
from webemotion import data
from webemotion.catalogue import LOADERS
from webemotion.images import read as read_images
from webemotion.lists import Entry, write_list
from webemotion.loaders import loader_of
from webemotion.sentences import sentence_reader

FLAGS = types.SimpleNamespace(val_fraction=0.0, data_seed=None, skip_missing=False, split=None)


@pytest.fixture
def images(tmp_path):
    generator = np.random.default_rng(0)
    for k in range(6):
        pixels = generator.integers(0, 256, (40, 50, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{k}.png")
    return tmp_path


@pytest.fixture
def config(images):
    return types.SimpleNamespace(
        path="c.json",
        num_classes=4,
        data_dir=str(images),
        train_file=str(images / "train.jsonl"),
        val_file=str(images / "test.jsonl"),
        image_size=32,
        resize=36,
        batch_size=4,
        seed=0,
        sample_size=9,
        sent_len=5,
    )


def lists(config, labels):
    entries = [Entry(f"{k}.png", label) for k, label in enumerate(labels)]
    for path in (config.train_file, config.val_file):
        write_list(path, entries)
    return entries


def test_targets():
    np.testing.assert_allclose(data.target_of([1, 1], "normalised", 3), [0, 0.5, 0])
    np.testing.assert_allclose(data.target_of([-1], "binary", 3), [0, 0, 1])
    np.testing.assert_allclose(
        data.target_of([[0, 1], [0, 3], [2, 1]], "idxcount", 3), [0.75, 0, 0.25]
    )
    assert data.target_of([[0, 0]], "idxcount", 2).tolist() == [0, 0]
    assert np.isnan(data.target_of([], "normalised", 2)).all()
    assert data.target_of([0], "text_binary", 2).dtype == np.float64
    with pytest.raises(IndexError):
        data.target_of([3], "binary", 3)


def test_unreadable_images_are_left_out_and_counted(images, config, caplog):
    caplog.set_level(logging.WARNING)
    (images / "1.png").write_bytes(b"no image")
    entries = lists(config, [[0], [1], [2], [3]])
    stream = data.stream(entries, config, LOADERS["multilabel_v2"], None, 0, False)
    (batch,) = stream.batches(0)
    assert batch["image"].shape == (3, 3, 32, 32)
    assert batch["target"].shape == (3, 4)
    assert batch["unreadable"] == 1
    assert "1.png" in caplog.text


def test_a_batch_of_nothing_is_an_error():
    with pytest.raises(UserError, match="none of the 2 images"):
        data.collate([None, None])


def test_an_epoch_is_one_pass_that_depends_on_seed_and_epoch_alone(config):
    entries = lists(config, [0, 1, 2, 3, 0, 1])
    loader = LOADERS["singlelabel_v2"]

    def epoch(number):
        return list(data.stream(entries, config, loader, None, 0, False).batches(number))

    first, again, second = epoch(0), epoch(0), epoch(1)
    assert [len(batch["target"]) for batch in first] == [4, 2]
    assert sorted(torch.cat([b["target"] for b in first]).tolist()) == [0, 0, 1, 1, 2, 3]
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0]["image"], second[0]["image"])


def test_balanced_list_is_as_long_as_asked(config):
    entries = lists(config, [0, 0, 0, 0, 0, 3])
    stream = data.stream(entries, config, LOADERS["categorical"], None, 0, False)
    labels = torch.cat([batch["target"] for batch in stream.batches(0)])
    assert len(labels) == 9
    assert {0, 3} == set(labels.tolist())


def test_validation_view_is_the_middle(config):
    entries = lists(config, [0])
    loader = LOADERS["singlelabel_v2"]
    (batch,) = data.validation_batches(entries[:1], config, loader, 0, False)
    assert batch["image"].shape == (1, 3, 32, 32)


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
        ([0] * 8, "singlelabel_v2", "2 of the 8 images"),
    ],
)
def test_lists_that_do_not_fit_are_refused(config, labels, loader, told):
    lists(config, labels)
    row = LOADERS[loader]
    with pytest.raises(UserError) as error:
        read_images(config, row, row, FLAGS)
    assert told in str(error.value)


def test_a_vector_of_whole_numbers_is_taken_as_it_is(config):
    lists(config, [[9, 0, 0, 1]])
    row = LOADERS["simple_multilabel"]
    assert read_images(config, row, row, FLAGS).train[0].label == [9, 0, 0, 1]


def test_an_empty_list_is_refused(config, images):
    (images / "test.jsonl").write_text("")
    row = LOADERS["singlelabel_v2"]
    with pytest.raises(UserError, match="is empty"):
        read_images(config, row, row, FLAGS)


def test_missing_images_are_named_or_skipped(config):
    lists(config, [0] * 12)
    row = LOADERS["singlelabel_v2"]
    with pytest.raises(UserError, match=r"6 of the 12 images .*6\.png, .*10\.png and 1 more"):
        read_images(config, row, row, FLAGS)
    skipping = types.SimpleNamespace(**{**vars(FLAGS), "skip_missing": True})
    assert len(read_images(config, row, row, skipping).train) == 6


def test_held_out_images_are_not_trained_on(config):
    lists(config, [0, 1, 2, 3, 0, 1])
    row = LOADERS["singlelabel_v2"]
    some = types.SimpleNamespace(**{**vars(FLAGS), "val_fraction": 0.5})
    read = read_images(config, row, row, some)
    assert len(read.train) == len(read.val) == 3
    assert not {e.path for e in read.train} & {e.path for e in read.val}


def test_loaders_of_the_other_split_are_unknown():
    assert loader_of("image_text_train", "train").text == "tokens"
    assert loader_of("multilabel_v2", "val").target == "normalised"
    for name in ("image_text_val", "categorical_val", "multilabel_v2_train", "nonsense"):
        with pytest.raises(UserError, match="known are multilabel_v2_val"):
            loader_of(name, "val")


def test_words_beyond_the_vocabulary_are_the_unknown_word(config):
    text = types.SimpleNamespace(tag2idx={"a": 0, "b": 1}, vocab_size=2)
    entries = [Entry("0.png", [0], ["b", "zebra"])]
    read = sentence_reader("tokens", config, text, entries)
    assert read(entries[0].tags)["tokens"].tolist() == [1, 2, 3, 3, 3]
    with pytest.raises(UserError, match="no tags"):
        sentence_reader("tokens", config, text, [Entry("0.png", [0])])
