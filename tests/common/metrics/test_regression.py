"""Agreement of predicted and true values, by hand and against second implementations."""

import math

import numpy as np
import pytest
import torch
import torchmetrics.functional as reference
from sklearn import metrics

from common.metrics.regression import (
    bootstrap_intervals,
    concordance,
    correlation,
    pearson,
    regression_report,
)

TRUE = np.array([1.0, 2.0, 3.0])
PREDICTED = np.array([2.0, 2.0, 5.0])
# Means 2 and 3, population variances 2/3 and 2, covariance 1.


def test_report_by_hand():
    report = regression_report(PREDICTED, TRUE)
    assert report["r"] == pytest.approx(1 / math.sqrt(2 / 3 * 2))
    assert report["ccc"] == pytest.approx(2 / (2 / 3 + 2 + 1))
    assert report["rmse"] == pytest.approx(math.sqrt(5 / 3))
    assert report["mae"] == pytest.approx(1)
    assert report["r2"] == pytest.approx(1 - (5 / 3) / (2 / 3))


def test_concordance_is_of_population_moments():
    # Lin's coefficient with n-1 variances beside an n covariance would be 2 / (1 + 3 + 1).
    assert concordance(PREDICTED, TRUE) != pytest.approx(2 / 5)
    assert concordance(TRUE, TRUE) == 1
    assert concordance(TRUE + 1, TRUE) == pytest.approx(2 * (2 / 3) / (4 / 3 + 1))


def test_agrees_with_other_implementations():
    rng = np.random.default_rng(0)
    true = rng.normal(size=50)
    predicted = 0.5 * true + rng.normal(size=50)
    report = regression_report(predicted, true)
    assert report["r2"] == pytest.approx(metrics.r2_score(true, predicted))
    assert report["mae"] == pytest.approx(metrics.mean_absolute_error(true, predicted))
    assert report["rmse"] ** 2 == pytest.approx(metrics.mean_squared_error(true, predicted))
    theirs = reference.pearson_corrcoef(torch.tensor(predicted), torch.tensor(true)).item()
    assert report["r"] == pytest.approx(theirs)
    assert correlation(predicted, true) == pytest.approx(report["r"])


def test_pearson_at_its_edges():
    assert all(map(math.isnan, pearson(np.ones(5), np.arange(5.0))))
    assert all(map(math.isnan, pearson(np.ones(1), np.ones(1))))
    r, p = pearson(np.array([1.0, 2.0]), np.array([5.0, 1.0]))
    assert (r, p) == (pytest.approx(-1), 1)


def test_intervals_hold_the_value_and_shrink_with_n():
    rng = np.random.default_rng(1)
    widths = []
    for n in (40, 400):
        true = rng.normal(size=n)
        predicted = true + rng.normal(size=n)
        intervals = bootstrap_intervals(predicted, true)
        report = regression_report(predicted, true)
        assert all(low < report[name] < high for name, (low, high) in intervals.items())
        widths.append(intervals["r"][1] - intervals["r"][0])
    assert widths[1] < widths[0] / 2
    again = bootstrap_intervals(predicted, true)
    assert again == intervals


def test_intervals_of_a_constant_are_undefined_not_wrong():
    intervals = bootstrap_intervals(np.ones(5), np.arange(5.0), resamples=50)
    assert all(map(math.isnan, intervals["r"]))
    assert math.isfinite(intervals["mae"][0])
