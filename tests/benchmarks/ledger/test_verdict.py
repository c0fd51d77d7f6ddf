"""Verdicts on numbers: the band, the interval, and what gets no verdict."""

import dataclasses

import pytest

from benchmarks.ledger import rows as ledger
from benchmarks.ledger import verdict
from common.files import write_json


@pytest.fixture(scope="module")
def row():
    """S2-VER, FI, 1600 labels: 51.8 ± 0.21 %."""
    return ledger.find("s2ver/main/fi-1600-s2-ver", ledger.load())


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


def test_command_reads_records(in_process, tmp_path):
    for seed in (1, 2):
        record = run(seed, 0.60) | {"rows": ["s2ver/main/fi-1600-s2-ver"], "key": str(seed)}
        write_json(tmp_path / f"{seed}.json", record)
    done = in_process(verdict.main, ["--runs", tmp_path], tmp_path)
    assert done.code == 0 and "s2ver/main/fi-1600-s2-ver: above" in done.out
    refused = in_process(verdict.main, ["--runs", tmp_path / "nothing"], tmp_path)
    assert refused.code == 2 and "holds no record" in refused.err
