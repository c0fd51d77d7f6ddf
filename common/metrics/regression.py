"""Agreement of predicted and true values, with bootstrap intervals.

Every function takes float arrays [..., n] and works along the last axis.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from scipy import stats

RESAMPLES = 1000
_CHUNK = 50  # resamples at a time: bounds the memory


def pearson(predicted: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    """Pearson's r and its two-sided p-value, of float arrays [n].

    Both are NaN where a side is constant or n < 2; n = 2 gives r = ±1 and p = 1.
    """
    if len(predicted) < 2:
        return float("nan"), float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        result = stats.pearsonr(predicted, true)
    return float(result.statistic), float(result.pvalue)


def _moments(predicted: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, ...]:
    p, t = predicted.mean(-1, keepdims=True), true.mean(-1, keepdims=True)
    covariance = ((predicted - p) * (true - t)).mean(-1)
    return p[..., 0], t[..., 0], predicted.var(-1), true.var(-1), covariance


def correlation(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Pearson's r; NaN where a side is constant."""
    _, _, var_p, var_t, covariance = _moments(predicted, true)
    with np.errstate(invalid="ignore", divide="ignore"):
        return covariance / np.sqrt(var_p * var_t)


def concordance(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Lin's concordance: 2 cov / (var_p + var_t + (mean_p − mean_t)²), population moments.

    Lin, "A concordance correlation coefficient to evaluate reproducibility", 1989; ddof 0
    throughout. NaN where both sides are the same constant.
    """
    p, t, var_p, var_t, covariance = _moments(predicted, true)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 2 * covariance / (var_p + var_t + (p - t) ** 2)


def root_mean_square_error(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Square root of the mean squared difference, in the targets' unit."""
    return np.sqrt(((predicted - true) ** 2).mean(-1))


def mean_absolute_error(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Mean absolute difference, in the targets' unit."""
    return np.abs(predicted - true).mean(-1)


def determination(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """R² = 1 − mean squared difference / population variance of the truth."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - ((predicted - true) ** 2).mean(-1) / true.var(-1)


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "r": correlation,
    "ccc": concordance,
    "rmse": root_mean_square_error,
    "mae": mean_absolute_error,
    "r2": determination,
}


def regression_report(predicted: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """``r``, its ``p``, ``ccc``, ``rmse``, ``mae`` and ``r2`` of float arrays [n]."""
    r, p = pearson(predicted, true)
    predicted, true = predicted.astype(np.float64), true.astype(np.float64)
    others = {name: float(f(predicted, true)) for name, f in METRICS.items() if name != "r"}
    return {"r": r, "p": p, **others}


def bootstrap_intervals(
    predicted: np.ndarray,
    true: np.ndarray,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, list[float]]:
    """Percentile intervals of every metric over images drawn again with replacement.

    Args:
        predicted, true: float [n].
        level: share of the resamples inside.
        resamples: how many.
        seed: of the draw.

    Returns:
        Metric -> [low, high]; resamples in which a metric is undefined are left out.
    """
    predicted, true = predicted.astype(np.float64), true.astype(np.float64)
    rng = np.random.default_rng(seed)
    values: dict[str, list[np.ndarray]] = {name: [] for name in METRICS}
    for done in range(0, resamples, _CHUNK):
        drawn = rng.integers(0, len(true), (min(_CHUNK, resamples - done), len(true)))
        for name, metric in METRICS.items():
            values[name].append(metric(predicted[drawn], true[drawn]))
    ends = [(1 - level) / 2, (1 + level) / 2]
    intervals = {}
    for name, parts in values.items():
        defined = np.concatenate(parts)
        defined = defined[np.isfinite(defined)]
        nothing = [float("nan")] * 2
        intervals[name] = np.quantile(defined, ends).tolist() if len(defined) else nothing
    return intervals
