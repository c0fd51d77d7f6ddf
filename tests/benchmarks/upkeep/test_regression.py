"""The comparison with the committed baseline."""

import json

import pytest

from benchmarks.claims import toy
from benchmarks.claims.findings import CLAIMS, Finding
from benchmarks.ground.statistics import Verdict
from benchmarks.upkeep import regression

BASELINE = {
    "commit": "0123456789abcdef",
    "toy": toy.fingerprint(),
    "parity": {"a": "passed", "b": "passed", "c": "failed", "d": "unsupported"},
    "claims": {"x": {"mean": 0.10, "noise": 0.03, "verdict": "holds", "metric": "last"}},
}


def parity(**statuses):
    cases = [
        {"name": name, "status": status, "message": "off by much", "max_abs": 0.5}
        for name, status in statuses.items()
    ]
    return {"cases": cases}


def finding(mean):
    return Finding("x", "s2ver", "x is better", "last", Verdict.HOLDS, mean=mean)


@pytest.mark.parametrize(
    ("now", "rows"),
    [
        (dict(a="passed", b="passed", c="failed", d="unsupported"), []),
        (dict(a="passed", b="passed", c="passed", d="passed"), []),
        (dict(a="passed", b="failed", c="failed", d="passed"), ["parity/b"]),
        (dict(a="passed", c="failed", d="passed"), ["parity/b"]),
        (dict(a="passed", b="passed", new="failed"), ["parity/new"]),
    ],
)
def test_cases_that_no_longer_pass(now, rows):
    assert [r.row for r in regression.compare(BASELINE, parity(**now), None)] == rows


@pytest.mark.parametrize(
    ("mean", "worse"), [(0.10, False), (0.08, False), (0.3, False), (0.05, True), (-0.2, True)]
)
def test_claims_may_move_by_their_noise(mean, worse):
    found = regression.compare(BASELINE, None, [finding(mean)])
    assert bool(found) is worse
    if worse:
        assert found[0].by == pytest.approx(0.10 - mean)
        told = regression.text(found, BASELINE["commit"])
        assert "claim/x" in told and "since 0123456789ab" in told and "worse by" in told


def test_nan_and_absence_are_worse():
    assert regression.compare(BASELINE, None, [finding(float("nan"))])
    assert regression.compare(BASELINE, None, [])[0].now == "gone"


def test_command_compares_what_it_measures(tmp_path, in_process, monkeypatch):
    monkeypatch.setattr(regression, "measure_claims", lambda: [finding(0.1)])
    file, given = tmp_path / "baseline.json", tmp_path / "parity.json"
    statuses = dict.fromkeys(("passed", "failed", "unsupported", "unreadable"), 0)
    given.write_text(json.dumps(statuses | parity(a="passed")))
    words = ["--parity", given, "--baseline", file]
    assert in_process(regression.main, [*words, "--write"], tmp_path).code == 0
    assert in_process(regression.main, words, tmp_path).code == 0
    given.write_text(json.dumps(statuses | parity(a="failed")))
    failed = in_process(regression.main, [*words, "--json", tmp_path / "out.json"], tmp_path)
    assert failed.code == 1 and "parity/a: was passed; now failed: off by much" in failed.err
    assert json.loads((tmp_path / "out.json").read_text())["regressions"][0]["row"] == "parity/a"


@pytest.mark.parametrize("content", ["{}", "no json", '{"commit": 1}'])
def test_no_baseline_is_told(tmp_path, in_process, content):
    file = tmp_path / "baseline.json"
    file.write_text(content)
    refused = in_process(regression.main, ["--baseline", file], tmp_path)
    assert refused.code == 2 and "is no baseline" in refused.err


def test_baseline_of_other_toys_is_refused(tmp_path, in_process):
    file = tmp_path / "baseline.json"
    file.write_text(json.dumps({**BASELINE, "toy": "other"}))
    refused = in_process(regression.main, ["--baseline", file], tmp_path)
    assert refused.code == 2 and "other settings" in refused.err


def test_committed_baseline_holds_every_claim_that_has_a_toy():
    baseline = regression.read_baseline(regression.BASELINE)
    names = {claim.name for claim in CLAIMS if claim.toy}
    assert set(baseline["claims"]) == names
    assert "failed" not in baseline["parity"].values()
