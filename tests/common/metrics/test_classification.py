import json
import math
import warnings

import numpy as np
import pytest
import torch

from common.metrics.classification import classification_report, top_k_accuracy


def one_hot(predictions, classes, height=1.0):
    return height * torch.nn.functional.one_hot(torch.tensor(predictions), classes).float()


def test_hand_computed():
    # Class 0: 2 of 3 right; class 1: 1 of 1; class 2: 0 of 0, and predicted once.
    report = classification_report(one_hot([0, 0, 2, 1], 3), torch.tensor([0, 0, 0, 1]))
    assert report["confusion"] == [[2, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert report["top1"] == pytest.approx(3 / 4)
    assert report["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)  # classes present
    assert report["macro_f1"] == pytest.approx((4 / 5 + 1 + 0) / 3)  # all classes
    z = math.e + 2
    assert report["loss"] == pytest.approx((3 * -math.log(math.e / z) - math.log(1 / z)) / 4)
    assert "top5" not in report


def test_against_a_second_implementation():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(200, 8, generator=generator)
    labels = torch.randint(7, (200,), generator=generator)  # class 7 never occurs
    report = classification_report(logits, labels)
    order, true = np.argsort(-logits.numpy(), axis=1), labels.numpy()
    confusion = np.zeros((8, 8), int)
    np.add.at(confusion, (true, order[:, 0]), 1)
    hits, support, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    assert report["confusion"] == confusion.tolist()
    assert report["top1"] == pytest.approx(hits.sum() / 200)
    assert report["top5"] == pytest.approx(np.mean((order[:, :5] == true[:, None]).any(1)))
    assert report["balanced_accuracy"] == pytest.approx(np.mean(hits[:7] / support[:7]))
    assert report["macro_f1"] == pytest.approx(np.mean(2 * hits / (support + predicted)))
    p = np.exp(logits.double().numpy())
    p /= p.sum(1, keepdims=True)
    assert report["loss"] == pytest.approx(-np.log(p[np.arange(200), true]).mean(), rel=1e-5)
    assert 0 <= report["ece"] <= 1


def test_a_perfect_confident_classifier():
    report = classification_report(one_hot(range(6), 6, height=50.0), torch.arange(6))
    for name in ("top1", "top5", "balanced_accuracy", "macro_f1"):
        assert report[name] == 1.0
    assert report["ece"] == pytest.approx(0, abs=1e-6)
    assert report["loss"] == pytest.approx(0, abs=1e-6)


def test_absent_classes_do_not_warn_and_the_report_is_json():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = classification_report(one_hot([0, 3], 8).half(), torch.tensor([0, 0]))
    assert json.loads(json.dumps(report)) == report


def test_top_k():
    logits = torch.tensor([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    labels = torch.tensor([1, 0])
    assert [top_k_accuracy(logits, labels, k) for k in (1, 2, 3)] == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("logits", "labels", "says"),
    [
        (torch.zeros(0, 3), torch.zeros(0, dtype=torch.long), "no samples"),
        (torch.zeros(2, 3), torch.zeros(3, dtype=torch.long), r"\[2, 3\] and \[3\]"),
        (torch.zeros(2, 3), torch.zeros(2), "integer labels"),
        (torch.zeros(2, 3), torch.tensor([0, 3]), "0 to 3, but the classifier has 3"),
        (torch.zeros(1, 3), torch.tensor([-1]), "from -1"),
        (torch.tensor([[0.0, math.nan]]), torch.tensor([0]), "diverged"),
    ],
)
def test_bad_input_is_told_in_a_sentence(logits, labels, says):
    with pytest.raises(ValueError, match=says):
        classification_report(logits, labels)
