"""Verdicts on numbers: the band, the interval, and what gets no verdict."""

import dataclasses

import pytest

from benchmarks import ledger, verdict


@pytest.fixture(scope="module")
def row():
    """S2-VER, FI, 1600 labels: 51.8 ± 0.21 %."""
    return ledger.find("s2ver/main/fi-1600-s2-ver", ledger.load(measured=False))


def run(seed, value, **more):
    protocols = {"best_on_test": {"value": value}, "last": {"value": value - 0.01}}
    data = {"drawn": False, "train": {"a": 3}, "test": {"a": 2}}
    record = {"status": "done", "seed": seed, "protocols": protocols, "percent": True}
    return {**record, "data": data, "profile": "paper", **more}


@pytest.mark.parametrize(
    ("values", "outcome"),
    [((0.517, 0.519), "inside"), ((0.53, 0.54, 0.55), "above"), ((0.40, 0.42), "below")],
)
def test_outcome_against_value_and_deviation(row, values, outcome):
    found = verdict.judge(row, [run(seed, value) for seed, value in enumerate(values)])
    assert found.outcome == outcome and outcome in found.text
    assert found.band == pytest.approx((51.59, 52.01))
    assert found.interval[0] >= 100 * min(values) - 1e-9
    assert found.interval[1] <= 100 * max(values) + 1e-9


def test_one_seed_gets_no_verdict(row):
    found = verdict.judge(row, [run(1, 0.518)])
    assert found.outcome == "no verdict" and found.interval is None
    assert "1 seed:" in found.text


def test_unfinished_runs_do_not_count(row):
    runs = [run(1, 0.518), run(2, 0.518, status="cut off")]
    assert verdict.judge(row, runs).outcome == "no verdict"


@pytest.mark.parametrize(
    ("change", "more", "protocol", "reason"),
    [
        ({}, {"data": {"drawn": True}}, None, "drawn stand-in"),
        ({}, {"profile": "smoke"}, None, "few steps"),
        ({}, {"data_version": ["FI: 9 images"]}, None, "data version: FI: 9 images."),
        ({}, {}, "last", "the row reports best_on_test, this is last"),
        ({"judged_on": ""}, {}, None, "does not say which epoch"),
        ({"test_images": 5}, {}, None, "2 test images, the publication's have 5"),
        ({"value": None, "std": None, "note": "not found"}, {}, None, "unknown: not found"),
        ({"unlike": "other labels"}, {}, None, "other labels."),
    ],
)
def test_what_is_not_comparable_says_why(row, change, more, protocol, reason):
    runs = [run(seed, 0.518, **more) for seed in (1, 2)]
    found = verdict.judge(dataclasses.replace(row, **change), runs, protocol)
    assert found.outcome == "not comparable"
    assert reason in found.text


def test_bootstrap_needs_two_and_repeats():
    with pytest.raises(ValueError, match="two seeds"):
        verdict.bootstrap([1.0])
    assert verdict.bootstrap([2.0, 2.0]) == (2.0, 2.0)
    low, high = verdict.bootstrap([1.0, 2.0, 3.0])
    assert (low, high) == verdict.bootstrap([1.0, 2.0, 3.0])
    assert 1.0 <= low < 2.0 < high <= 3.0


def test_claim_interval_by_hand():
    # mean 2, deviation 1, t(0.975, 2) = 4.30265: 2 -+ 4.30265 / sqrt(3)
    assert verdict.interval([1.0, 2.0, 3.0]) == pytest.approx((-0.48414, 4.48414), abs=1e-4)
    assert verdict.verdict([1.0, 2.0, 3.0]) == "undecided"
    assert verdict.verdict([1.9, 2.0, 2.1]) == "holds"
    assert verdict.verdict([-1.9, -2.0, -2.1]) == "fails"
    assert verdict.verdict([2.0]) == "undecided: one seed"
    assert verdict.overall(["holds", "fails"]) == "fails"
    assert verdict.overall(["holds", "undecided"]) == "undecided"


def test_command_reads_records(in_process, tmp_path):
    from common.files import write_json

    for seed in (1, 2):
        record = run(seed, 0.60) | {"rows": ["s2ver/main/fi-1600-s2-ver"], "key": str(seed)}
        write_json(tmp_path / f"{seed}.json", record)
    done = in_process(verdict.main, ["--runs", tmp_path], tmp_path)
    assert done.code == 0 and "s2ver/main/fi-1600-s2-ver: above" in done.out
    refused = in_process(verdict.main, ["--runs", tmp_path / "nothing"], tmp_path)
    assert refused.code == 2 and "holds no record" in refused.err
