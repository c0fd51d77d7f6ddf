"""Lists become batches."""

import logging

import numpy as np
import pytest
import torch

from common.cli import UserError
from webemotion import data
from webemotion.catalogue import LOADERS


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


def test_unreadable_images_are_left_out_and_counted(images, config, caplog, write_lists):
    caplog.set_level(logging.WARNING)
    (images / "1.png").write_bytes(b"no image")
    entries = write_lists([[0], [1], [2], [3]])
    stream = data.stream(entries, config, LOADERS["multilabel_v2"], None, 0, False)
    (batch,) = stream.batches(0)
    assert batch["image"].shape == (3, 3, 32, 32)
    assert batch["target"].shape == (3, 4)
    assert batch["unreadable"] == 1
    assert "1.png" in caplog.text


def test_a_batch_of_nothing_is_an_error():
    with pytest.raises(UserError, match="none of the 2 images"):
        data.collate([None, None])


def test_an_epoch_is_one_pass_that_depends_on_seed_and_epoch_alone(config, write_lists):
    entries = write_lists([0, 1, 2, 3, 0, 1])
    loader = LOADERS["singlelabel_v2"]

    def epoch(number):
        return list(data.stream(entries, config, loader, None, 0, False).batches(number))

    first, again, second = epoch(0), epoch(0), epoch(1)
    assert [len(batch["target"]) for batch in first] == [4, 2]
    assert sorted(torch.cat([b["target"] for b in first]).tolist()) == [0, 0, 1, 1, 2, 3]
    assert all(torch.equal(a["image"], b["image"]) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0]["image"], second[0]["image"])


def test_balanced_list_is_as_long_as_asked(config, write_lists):
    entries = write_lists([0, 0, 0, 0, 0, 3])
    stream = data.stream(entries, config, LOADERS["categorical"], None, 0, False)
    labels = torch.cat([batch["target"] for batch in stream.batches(0)])
    assert len(labels) == 9
    assert {0, 3} == set(labels.tolist())


def test_validation_view_is_the_middle(config, write_lists):
    entries = write_lists([0])
    loader = LOADERS["singlelabel_v2"]
    (batch,) = data.validation_batches(entries[:1], config, loader, 0, False)
    assert batch["image"].shape == (1, 3, 32, 32)
