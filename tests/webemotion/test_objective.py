"""The losses against values computed by hand."""

import math

import torch

from webemotion import objective


def test_soft_cross_entropy_divides_by_rows_alone():
    logits = torch.zeros(2, 4)
    targets = torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 0]])
    loss = objective.soft_cross_entropy(logits, targets)
    torch.testing.assert_close(loss, torch.tensor(2 * math.log(4) / 2))


def test_embedding_loss_of_equal_opposite_and_zero_vectors():
    a = torch.tensor([[1.0, 0], [1, 0], [0, 0]])
    b = torch.tensor([[2.0, 0], [-3, 0], [1, 1]])
    torch.testing.assert_close(objective.embedding_loss(a, b), torch.tensor((0 + 2 + 1) / 3))


def test_single_label_loss_leaves_ignored_rows_out():
    logits = torch.tensor([[0.0, 0], [5, -5]])
    loss = objective.single_label_loss(logits, torch.tensor([1, -1]))
    torch.testing.assert_close(loss, torch.tensor(math.log(2)))


def test_attention_is_a_sum_of_sigmoids_and_reaches_the_projection_through_its_weights():
    words = torch.tensor([[[1.0, 0], [0, 2]]])
    projection = torch.tensor([[0.0, 1]], requires_grad=True)
    weights, attended = objective.attended_words(words, projection)
    high = 1 / (1 + math.exp(-2))
    torch.testing.assert_close(weights[0, :, 0], torch.tensor([0.5, high]))
    torch.testing.assert_close(attended, torch.tensor([[0.5, 2 * high]]))
    attended.sum().backward()
    assert projection.grad.abs().sum() > 0


def test_corrected_attention_sums_to_one_and_leaves_padding_out():
    words, projection = torch.randn(2, 3, 4), torch.randn(2, 4)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    weights, _ = objective.attended_words(words, projection, mask, softmax=True)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(2, 1))
    assert weights[0, 2] == 0


def test_mixed_target_drops_small_predictions_and_sums_to_one():
    logits = torch.log(torch.tensor([[0.9, 0.095, 0.005]]))
    prediction, target = objective.mixed_target(logits, torch.tensor([[0.0, 1, 0]]))
    torch.testing.assert_close(prediction, torch.tensor([[0.9, 0.095, 0]]))
    torch.testing.assert_close(target, torch.tensor([[0.9, 1.095, 0]]) / 1.995)
    again, _ = objective.mixed_target(logits, torch.tensor([[0.0, 1, 0]]), renormalise=True)
    torch.testing.assert_close(again.sum(), torch.tensor(1.0))


def test_basic_emotions_learn_the_text_models_softmax():
    text = torch.tensor([[0.0, math.log(3)]])
    loss, target = objective.basic_emotion_loss(torch.zeros(1, 2), text)
    torch.testing.assert_close(target, torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(loss, torch.tensor(math.log(2)))
