import math

import pytest
import torch

from common.metrics.calibration import expected_calibration_error


def by_hand(logits, labels, bins):
    """Second implementation, sample by sample."""
    hits, confidences, counts = [0] * bins, [0.0] * bins, [0] * bins
    for row, label in zip(logits.double().softmax(1).tolist(), labels.tolist(), strict=True):
        confidence = max(row)
        b = min(int(confidence * bins), bins - 1)
        counts[b] += 1
        confidences[b] += confidence
        hits[b] += row.index(confidence) == label
    return sum(abs(h - c) for h, c in zip(hits, confidences, strict=True)) / len(labels)


def test_hand_computed():
    # Confidences 0.9 (right), 0.9 (wrong), 0.6 (right); bins of width 0.1 keep 0.6 from 0.9:
    # (|1 - 1.8| + |1 - 0.6|) / 3 = 0.4
    odds = [math.log(9), math.log(9), math.log(1.5)]
    logits = torch.tensor([[x, 0.0] for x in odds])
    labels = torch.tensor([0, 1, 0])
    assert expected_calibration_error(logits, labels, bins=10) == pytest.approx(0.4, abs=1e-6)


@pytest.mark.parametrize("bins", [5, 15])
def test_against_a_second_implementation(bins):
    generator = torch.Generator().manual_seed(3)
    logits = 2 * torch.randn(500, 8, generator=generator)
    labels = torch.randint(8, (500,), generator=generator)
    expected = by_hand(logits, labels, bins)
    assert expected > 0.1
    assert expected_calibration_error(logits, labels, bins) == pytest.approx(expected, abs=1e-5)


def test_logits_that_look_like_probabilities_are_still_logits():
    logits = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    confidence = 1 / (1 + math.exp(-1))
    error = expected_calibration_error(logits, torch.tensor([0, 0]))
    assert error == pytest.approx(1 - confidence, abs=1e-6)


def test_empty_input_is_refused():
    with pytest.raises(ValueError, match="n > 0"):
        expected_calibration_error(torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))
