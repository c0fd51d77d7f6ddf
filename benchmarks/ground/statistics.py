"""Intervals and verdicts: the ground that every comparison of seeds stands on."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy import stats

RESAMPLES = 9999


class Tone(Enum):
    """How a verdict is to be shown."""

    GOOD, BAD, OPEN = "good", "bad", "open"


class Verdict(str, Enum):
    """What an interval says of a claim; the value is the word that files and tables hold."""

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"
    ONE_SEED = "undecided: one seed"
    NOT_RUN = "not run"

    __str__ = str.__str__

    @property
    def tone(self) -> Tone:
        """Good where the claim holds, bad where it fails, open where nothing is decided."""
        return {Verdict.HOLDS: Tone.GOOD, Verdict.FAILS: Tone.BAD}.get(self, Tone.OPEN)


def bootstrap(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean, with a generator of its own.

    Raises:
        ValueError: fewer than two values.
    """
    if len(values) < 2:
        raise ValueError("an interval needs at least two seeds")
    if len(set(values)) == 1:  # nothing to resample
        return float(values[0]), float(values[0])
    found = stats.bootstrap(
        (np.asarray(values, float),),
        np.mean,
        confidence_level=level,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)


def interval(differences: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Student's t interval of the mean of paired differences.

    Raises:
        ValueError: fewer than two differences.
    """
    if len(differences) < 2:
        raise ValueError("an interval needs at least two seeds")
    mean = statistics.mean(differences)
    half = stats.t.ppf((1 + level) / 2, len(differences) - 1)
    half *= statistics.stdev(differences) / math.sqrt(len(differences))
    return mean - half, mean + half


def verdict(differences: Sequence[float]) -> Verdict:
    """``holds`` when the interval is above 0, ``fails`` when it is below, else ``undecided``."""
    if len(differences) < 2:
        return Verdict.ONE_SEED if differences else Verdict.NOT_RUN
    low, high = interval(differences)
    return Verdict.HOLDS if low > 0 else Verdict.FAILS if high < 0 else Verdict.UNDECIDED


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """A claim about several baselines: fails if one does, holds if all do, else undecided."""
    if Verdict.FAILS in verdicts:
        return Verdict.FAILS
    return Verdict.HOLDS if set(verdicts) == {Verdict.HOLDS} else Verdict.UNDECIDED


@dataclass(frozen=True)
class Effect:
    """Paired differences over seeds, and what they say.

    Attributes:
        seeds: in the order of `differences`.
        differences: better minus worse; positive is in the claim's favour.
        mean, interval_95: of them; None without one, or two, seeds.
        verdict: see :func:`verdict`.
    """

    seeds: tuple[str, ...]
    differences: tuple[float, ...]
    mean: float | None
    interval_95: tuple[float, float] | None
    verdict: Verdict


def effect(differences: Mapping[str, float]) -> Effect:
    """The effect of differences by seed."""
    values = tuple(differences.values())
    return Effect(
        seeds=tuple(differences),
        differences=values,
        mean=statistics.mean(values) if values else None,
        interval_95=interval(values) if len(values) > 1 else None,
        verdict=verdict(values),
    )


def paired(better: Mapping[str, dict], worse: Mapping[str, dict], metric: str) -> Effect:
    """Better minus worse for the seeds that both arms have a value for.

    Args:
        better, worse: seed -> metric -> value.
        metric: key of the compared values.
    """
    values = {
        seed: better[seed][metric] - worse[seed][metric]
        for seed in better
        if better[seed].get(metric) is not None and worse.get(seed, {}).get(metric) is not None
    }
    return effect(values)
