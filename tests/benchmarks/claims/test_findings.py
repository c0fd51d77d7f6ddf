"""The claims, and what is read of a results file."""

import dataclasses
import json

import pytest

from benchmarks.claims import command, toy
from benchmarks.claims import findings as claims
from benchmarks.ground import results_file
from benchmarks.ground.results_file import Results, drawn
from benchmarks.ground.statistics import Verdict
from benchmarks.ledger import measured
from benchmarks.ledger import rows as ledger
from common.cli import UserError

CLAIM = next(c for c in claims.CLAIMS if c.name == "s2ver-above-fixmatch")


def results(folder, better, worse, metric="last"):
    arms = {
        CLAIM.better: {str(s): {metric: v} for s, v in enumerate(better)},
        CLAIM.worse: {str(s): {metric: v} for s, v in enumerate(worse)},
    }
    content = Results(
        kind="claim",
        paper="s2ver",
        claim="A beats B",
        metric=metric,
        arms=arms,
        seeds=list(range(len(better))),
        dataset=drawn("fi"),
        command="c",
        commit="0" * 40,
        date="2026-01-01",
        environment={},
        size={"name": "quick"},
    )
    results_file.write(folder / CLAIM.results, content)


def claim_rows():
    return [row for row in measured.rows() if row.kind == "claim"]


@pytest.mark.parametrize(
    ("better", "worse", "verdict"),
    [
        ((0.5, 0.6, 0.7), (0.4, 0.5, 0.6), "holds"),
        ((0.4, 0.5, 0.61), (0.5, 0.6, 0.7), "fails"),
        ((0.5, 0.6), (0.4, 0.8), "undecided"),
        ((0.5,), (0.4,), "undecided: one seed"),
    ],
)
def test_verdict_of_a_results_file(tmp_path, better, worse, verdict):
    results(tmp_path, better, worse)
    found = claims.read(CLAIM, tmp_path)
    assert found.verdict is Verdict(verdict) and found.size == "quick"
    assert found.differences == pytest.approx([b - w for b, w in zip(better, worse, strict=True)])


def test_absent_evidence_is_not_run(tmp_path):
    assert claims.read(CLAIM, tmp_path).verdict == "not run"
    results(tmp_path, (0.5, 0.6), (0.4, 0.5), metric="something else")
    assert claims.read(CLAIM, tmp_path).verdict == "not run"


def test_damaged_file_is_told(tmp_path):
    (tmp_path / CLAIM.results).write_text('{"arms": 3}')
    with pytest.raises(UserError, match="is no results file"):
        claims.read(CLAIM, tmp_path)


def test_only_seeds_of_both_sides_are_paired(tmp_path):
    results(tmp_path, (0.5, 0.6, 0.7), (0.4, 0.5))
    assert claims.read(CLAIM, tmp_path).seeds == ("0", "1")


def test_names_are_unique_and_papers_covered():
    names = [claim.name for claim in claims.CLAIMS]
    assert len(names) == len(set(names))
    assert {c.paper for c in claims.CLAIMS} == {"s2ver", "adacm", "ssfer", "webemotion", "dimva"}
    with pytest.raises(UserError, match="no claim fits"):
        claims.select("nothing-*")


def test_committed_evidence_becomes_rows():
    rows = {row.id: row for row in claim_rows()}
    assert len(rows) == len(claims.CLAIMS)
    row = rows["s2ver/claim/s2ver-above-supervised"]
    assert row.status in ("claim holds on stand-in", "stale") and row.interval
    assert ledger.check(list(rows.values())) == []


def test_changed_code_makes_a_claim_stale(monkeypatch):
    monkeypatch.setattr(results_file, "changed_since", lambda *_: ("s2ver/objective.py",))
    rows = {row.id: row for row in claim_rows()}
    row = rows["s2ver/claim/s2ver-above-supervised"]
    assert row.status == "stale" and "s2ver/objective.py" in row.note and "holds" in row.note


def test_code_is_compared_without_comments_and_docstrings():
    plain = "def f(x):\n    '''One.'''\n    return x + 1\n"
    told = "# a comment\ndef f(x):\n    '''Another.'''\n\n    return x + 1  # why\n"
    assert results_file._code(plain) == results_file._code(told)
    assert results_file._code(plain) != results_file._code(plain.replace("+ 1", "+ 2"))


def test_a_file_that_moved_computes_the_same(monkeypatch):
    commit = results_file.git("rev-parse", "HEAD").strip()
    results_file.changed_since.cache_clear()
    assert results_file.changed_since(commit, "common") == ()
    listed = results_file.git("ls-tree", "-r", "--name-only", commit, "--", "s2ver/")
    real = results_file.git
    elsewhere = {name.replace("s2ver/", "s2ver/below/"): name for name in listed.splitlines()}

    def moved(*words):
        if words[0] == "ls-tree":
            return "\n".join(elsewhere)
        commit, _, name = words[-1].partition(":")
        return real("show", f"{commit}:{elsewhere[name]}")

    monkeypatch.setattr(results_file, "git", moved)
    assert results_file.changed_since(commit + "+x", "s2ver") == ()
    results_file.changed_since.cache_clear()


def test_every_paper_has_code_that_is_watched():
    for paper in {claim.paper for claim in claims.CLAIMS}:
        found = [p for n in results_file.COMPUTING for p in (results_file.ROOT / paper).rglob(n)]
        assert len(found) >= 2, paper


def test_unknown_keys_of_a_results_file_are_told(tmp_path):
    results(tmp_path, (0.5, 0.6), (0.4, 0.5))
    file = tmp_path / CLAIM.results
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"odd": 1}))
    with pytest.raises(UserError, match="unknown key 'odd'"):
        results_file.read(file)


@pytest.mark.parametrize("path", sorted(results_file.RESULTS.glob("*.json")), ids=lambda p: p.stem)
def test_committed_comparisons_follow_from_their_arms(path):
    found = results_file.read(path)
    pairs = [(c.claim, c.better, c.worse, c.metric) for c in found.comparisons]
    assert results_file.compared(found.arms, pairs) == found.comparisons
    assert found.kind in ("claim", "measurement", "speed") and found.date and found.commit
    if found.kind == "claim":
        assert found.verdict is results_file.verdict_of(found.judged())


def test_command_reads_and_writes_json(in_process, tmp_path):
    file = tmp_path / "claims.json"
    done = in_process(command.main, ["--only", "dimva-*", "--json", file], tmp_path)
    assert done.code == 0 and "dimva-two-stage " in done.out
    assert {f["claim"] for f in json.loads(file.read_text())} == {
        "dimva-two-stage",
        "dimva-two-stage-bass",
    }


def test_smoke_size_trains_toys(in_process, tmp_path, monkeypatch):
    monkeypatch.setattr(toy, "EPOCHS", 1)
    words = ["--run", "--size", "smoke", "--only", "s2ver-above-supervised", "--seeds", "1", "2"]
    done = in_process(command.main, words, tmp_path)
    assert done.code == 0 and "2 seeds, smoke" in done.out
    refused = in_process(command.main, ["--run", "--size", "smoke", "--only", "*-bass"], tmp_path)
    assert refused.code == 2 and "no claim that fits '*-bass' has a toy" in refused.err


def test_finding_is_plain_data(tmp_path):
    results(tmp_path, (0.5, 0.6), (0.4, 0.5))
    assert json.dumps(dataclasses.asdict(claims.read(CLAIM, tmp_path)))
