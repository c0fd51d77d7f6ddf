"""The objective's functions on values computed by hand."""

import math

import numpy as np
import pytest
import torch
from torch import tensor

from dimva import objective


def test_converter_takes_the_largest_cosine_not_the_nearest_point():
    points = tensor([[9.0, 1.0], [1.0, 1.0]])
    va = tensor([[2.0, 0.3]])  # nearer to (1, 1), but in the direction of (9, 1)
    assert objective.convert(va, points, False).tolist() == [0]
    assert objective.category_of_rating(va, points, False).tolist() == [1]


def test_multilabel_marks_cosines_above_one_half():
    points = tensor([[1.0, 0.0], [0.5, math.sqrt(3) / 2 + 0.01], [0.0, 1.0]])
    assert objective.convert(tensor([[1.0, 0.0]]), points, True).tolist() == [[1.0, 0.0, 0.0]]
    assert objective.convert(tensor([[1.0, 1.0]]), points, True).tolist() == [[1.0, 1.0, 1.0]]


def test_votes_keep_ties_and_average_their_points():
    votes = np.array([[3, 3, 1], [0, 2, 1]])
    hot = objective.voted_classes(votes)
    assert hot.tolist() == [[1, 1, 0], [0, 1, 0]]
    points = np.array([[2.0, 4.0], [6.0, 8.0], [0.0, 0.0]])
    assert objective.mean_point(hot, points).tolist() == [[4.0, 6.0], [6.0, 8.0]]


def test_multi_loss_by_hand():
    va, true = tensor([[1.0, 2.0]]), tensor([[2.0, 4.0]])  # squared error (1 + 4) / 2
    logits, label = tensor([[0.0, 0.0]]), tensor([1])  # log 2
    loss, category, squared = objective.multi_loss(logits, va, label, true, 0.9, False)
    assert category.item() == pytest.approx(math.log(2))
    assert squared.item() == 2.5
    assert loss.item() == pytest.approx(0.1 * math.log(2) + 0.9 * 2.5)


def test_multilabel_loss_is_of_probabilities_and_clamped():
    certain = objective.category_loss(tensor([[1.0, 0.5]]), tensor([[0, 1]]), True)
    assert certain.item() == pytest.approx((100 + math.log(2)) / 2)


def test_mixed_batch_sends_each_row_to_its_loss():
    logits = torch.zeros(2, 2, requires_grad=True)
    va = tensor([[1.0, 1.0], [5.0, 5.0]], requires_grad=True)
    true = tensor([[9.0, 9.0], [5.0, 7.0]])
    index = tensor([1.0, 0.0])
    loss, category, squared = objective.mixed_loss(
        logits, va, tensor([0, 1]), true, index, 0.9, False
    )
    assert loss.item() == pytest.approx(0.1 * math.log(2) + 0.9 * 2.0)
    objective.present_loss(category, squared, index, 0.9).backward()
    assert va.grad[0].abs().sum() == 0 and logits.grad[1].abs().sum() == 0


def test_batch_of_one_kind_is_nan_but_trains():
    logits = torch.zeros(2, 2, requires_grad=True)
    va = torch.zeros(2, 2, requires_grad=True)
    index = torch.ones(2)
    loss, category, squared = objective.mixed_loss(
        logits, va, tensor([0, 1]), torch.zeros(2, 2), index, 0.9, False
    )
    assert math.isnan(loss.item())
    present = objective.present_loss(category, squared, index, 0.9)
    present.backward()
    assert present.item() == pytest.approx(0.1 * math.log(2))
    assert torch.isfinite(logits.grad).all() and logits.grad.abs().sum() > 0


def test_jaccard_weights_of_authors_and_corrected():
    predicted = np.array([[1, 1], [1, 0], [1, 0]])
    label = np.array([[1, 0], [0, 1], [0, 1]])
    # Class 0: 1 of 3; class 1: 0 of 3. Weights: predicted 3 and 1, true 1 and 2.
    assert objective.accuracy(predicted, label) == pytest.approx(3 / 4 / 3)
    assert objective.accuracy_by_support(predicted, label) == pytest.approx(1 / 3 / 3)


def test_jaccard_without_any_prediction_is_zero():
    assert objective.accuracy(np.zeros((2, 3)), np.ones((2, 3), dtype=int)) == 0


def test_plain_accuracy():
    assert objective.accuracy(np.array([0, 1, 2, 2]), np.array([0, 2, 2, 2])) == 0.75
