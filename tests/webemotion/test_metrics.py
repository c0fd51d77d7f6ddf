"""What validation reports, against values by hand and another implementation."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multilabel_average_precision

from common.cli import UserError
from webemotion import metrics
from webemotion.method import EmotionMethod

LOGITS = torch.tensor([[2.0, 1, 0], [0, 3, 1], [0, 0, 1]])
TARGETS = torch.tensor([[0.5, 0.5, 0], [0.7, 0.3, 0], [0, 0, 0]])


class Itself(torch.nn.Module):
    """A network whose logits are its input."""

    def forward(self, logits):
        return (logits,)


def validate(batches, metric, top_k=None):
    loader = [{"image": logits, "target": target} for logits, target in batches]
    return metrics.Validation(loader, metric, top_k)(EmotionMethod(Itself()))


def test_hit_and_strongest_accuracy():
    assert metrics.hit_accuracy(LOGITS, TARGETS) == pytest.approx(2 / 3)
    assert metrics.strongest_accuracy(LOGITS[1:2], TARGETS[1:2]) == 0


def test_average_grows_with_its_counts():
    table = metrics.running_average([1.0, 4.0], [1, 2])
    np.testing.assert_allclose(table, [[1, 1, 1, 1], [4, 3, 9, 3]])


def test_average_precision_agrees_with_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(30, 4, generator=generator)
    labels = (torch.rand(30, 4, generator=generator) < 0.3).long()
    other = multilabel_average_precision(scores, labels, 4, average="none")
    ours = metrics.average_precision(labels.numpy(), scores.numpy())
    np.testing.assert_allclose(ours, other.numpy(), rtol=1e-6)


def test_absent_class_counts_zero():
    labels = np.array([[1, 0], [0, 0]])
    assert metrics.average_precision(labels, np.array([[0.9, 0.1], [0.2, 0.3]])).tolist() == [1, 0]


def test_losses_are_averaged_over_images_not_batches():
    batches = [
        (torch.zeros(1, 2), torch.tensor([0])),
        (torch.zeros(3, 2), torch.tensor([0, 1, -1])),
    ]
    report = validate(batches, "top1")
    assert report["loss"] == pytest.approx(np.log(2), rel=1e-6)
    assert report["top1"] == 0.5  # the ignored row is wrong, argmax of a tie is the first class
    assert report["images"] == 4


def test_single_labels_have_an_average_precision_too():
    logits = torch.tensor([[4.0, 0], [0, 4], [4, 0]])
    assert validate([(logits, torch.tensor([0, 1, -1]))], "map")["map"] == 1


def test_second_accuracy():
    assert [metrics.second_k("half", c) for c in (2, 8, 30)] == [1, 4, 5]
    assert metrics.second_k(3, 8) == 3
    assert metrics.second_k(None, 8) is None
    report = validate([(LOGITS, torch.tensor([1, 0, 2]))], "top1", 2)
    assert report["top2"] == pytest.approx(2 / 3)


def test_divergence_and_emptiness_are_told():
    with pytest.raises(UserError, match="diverged"):
        validate([(torch.full((1, 2), float("nan")), torch.tensor([0]))], "top1")
    with pytest.raises(UserError, match="nothing to validate"):
        validate([], "top1")
