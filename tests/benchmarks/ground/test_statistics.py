"""Intervals and verdicts, by hand."""

import pytest

from benchmarks.ground import statistics
from benchmarks.ground.statistics import Tone, Verdict


def test_bootstrap_needs_two_and_repeats():
    with pytest.raises(ValueError, match="two seeds"):
        statistics.bootstrap([1.0])
    assert statistics.bootstrap([2.0, 2.0]) == (2.0, 2.0)
    low, high = statistics.bootstrap([1.0, 2.0, 3.0])
    assert (low, high) == statistics.bootstrap([1.0, 2.0, 3.0])
    assert 1.0 <= low < 2.0 < high <= 3.0


def test_claim_interval_by_hand():
    # mean 2, deviation 1, t(0.975, 2) = 4.30265: 2 -+ 4.30265 / sqrt(3)
    assert statistics.interval([1.0, 2.0, 3.0]) == pytest.approx((-0.48414, 4.48414), abs=1e-4)
    assert statistics.verdict([1.0, 2.0, 3.0]) == "undecided"
    assert statistics.verdict([1.9, 2.0, 2.1]) == "holds"
    assert statistics.verdict([-1.9, -2.0, -2.1]) == "fails"
    assert statistics.verdict([2.0]) == "undecided: one seed"
    assert statistics.overall([Verdict.HOLDS, Verdict.FAILS]) is Verdict.FAILS
    assert statistics.overall([Verdict.HOLDS, Verdict.UNDECIDED]) is Verdict.UNDECIDED


def test_tones_of_verdicts():
    assert Verdict("holds").tone is Tone.GOOD and Verdict("fails").tone is Tone.BAD
    assert {v.tone for v in (Verdict.UNDECIDED, Verdict.ONE_SEED, Verdict.NOT_RUN)} == {Tone.OPEN}


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([0.1, 0.11, 0.12], "holds"),
        ([-0.1, -0.11, -0.12], "fails"),
        ([0.3, -0.3, 0.1], "undecided"),
    ],
)
def test_only_seeds_of_both_arms_are_paired(pairs, expected):
    better = {str(s): {"last": 0.5 + d} for s, d in enumerate([*pairs, 0.4])}
    worse = {str(s): {"last": 0.5} for s in range(len(pairs))}
    found = statistics.paired(better, worse, "last")
    assert found.seeds == ("0", "1", "2") and found.differences == pytest.approx(pairs)
    assert found.verdict is Verdict(expected) and found.mean == pytest.approx(sum(pairs) / 3)
    assert statistics.paired(better, {}, "last").verdict is Verdict.NOT_RUN
