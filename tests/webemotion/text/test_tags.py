"""Tag sentences and the text classifier's loss, on values computed by hand."""

import random

import numpy as np
import pytest
import torch

from webemotion.metrics import hit_accuracy
from webemotion.text import objective, tags

WORDS = {0: "sky", 1: "fear", 2: "joy"}
VECTORS = {"sky": np.array([1.0, 0.0]), "fear": np.array([0.0, 3.0])}


def test_padding_and_cutting():
    out = tags.pad_tags([[1, 2], [], [1, 2, 3, 4]], vocab_size=7, max_len=3)
    assert out.tolist() == [[1, 2, 8], [8, 8, 8], [1, 2, 3]]


def test_dropout_draws_one_number_a_word():
    random.seed(4)
    out = tags.tag_dropout([[1, 2], [3]], vocab_size=7, max_len=2)
    following = random.random()
    random.seed(4)
    draws = [random.uniform(0, 1) for _ in range(3)]
    assert random.random() == following
    kept = [[w for w, d in zip((1, 2), draws, strict=False) if d >= 0.2], [3] * (draws[2] >= 0.2)]
    assert out.tolist() == tags.pad_tags(kept, 7, 2).tolist()


def test_own_generator_leaves_the_global_one_alone():
    random.seed(0)
    state = random.getstate()
    first = tags.tag_dropout([[1, 2, 3]] * 9, 7, 3, 0.5, random.Random(1))
    assert random.getstate() == state
    assert np.array_equal(first, tags.tag_dropout([[1, 2, 3]] * 9, 7, 3, 0.5, random.Random(1)))


def test_average_counts_repeats_and_leaves_out_the_unknown():
    average = tags.average_embedding([0, 1, 1, 2, 9], WORDS, VECTORS, 2)
    assert average.dtype == np.float32 and np.allclose(average, [1 / 3, 2.0])


def test_average_of_nothing_is_drawn():
    np.random.seed(3)
    first = tags.average_embedding([2], WORDS, VECTORS, 2)
    np.random.seed(3)
    assert np.allclose(first, np.random.randn(2).astype(np.float32))


def test_classifier_ids_drop_words_it_does_not_know():
    ids, average = tags.ids_and_embedding(
        [0, 2, 1, 9], WORDS, VECTORS, {"joy": 4, "fear": 0}, 2, 5, 3
    )
    assert ids.tolist() == [4, 0, 6] and np.allclose(average, [0.5, 1.5])


def test_text_loss_by_hand():
    logits, target = torch.tensor([[0.0, 0.0], [0.0, 0.0]]), torch.tensor([[1.0, 1.0], [0.5, 0.0]])
    raw, transformed = torch.zeros(2, 1, 2), torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]]])
    out = objective.text_loss(logits, target, raw, transformed)
    assert out["loss_cls"].item() == pytest.approx(2.5 * np.log(2) / 2)
    assert out["loss_l2"].item() == pytest.approx(5 / 4)
    assert out["loss"].item() == pytest.approx(2.5 * np.log(2) / 2 + 1.25)


def test_accuracies_by_hand():
    target = np.array([[0.5, 0.5, 0.0], [0.2, 0.8, 0.0], [0.0, 0.0, 1.0]])
    logits = torch.eye(3)[[1, 0, 1]].double()
    assert hit_accuracy(logits, torch.from_numpy(target)) == pytest.approx(2 / 3)
    assert objective.top1_accuracy(logits, torch.from_numpy(target)) == pytest.approx(1 / 3)
