"""A loss broken on purpose: parity fails, the claim fails, and the report shows both."""

import pytest
import torch

from benchmarks.claims import command, findings
from benchmarks.report.command import write
from benchmarks.report.content import build
from benchmarks.upkeep import regression
from s2ver import objective

CLAIM = "s2ver-above-supervised"
SEEDS = regression.SEEDS


@pytest.fixture
def broken(monkeypatch):
    """S2-VER's pseudo-labels all say the first class, and every image counts."""
    right = objective.pseudo_label_loss

    def wrong(logits, label, mask):
        return right(logits, torch.zeros_like(label), torch.ones_like(mask))

    monkeypatch.setattr(objective, "pseudo_label_loss", wrong)


def measure():
    parity = regression.measure_parity(1, only="s2ver/step")
    return parity, command.run(findings.select(CLAIM), "smoke", SEEDS, None)


def baseline():
    committed = regression.read_baseline(regression.BASELINE)
    kept = {n: s for n, s in committed["parity"].items() if n.startswith("s2ver_step")}
    assert kept, "the baseline has no case of s2ver/step"
    return {**committed, "parity": kept, "claims": {CLAIM: committed["claims"][CLAIM]}}


def test_nothing_regresses_while_the_loss_is_whole():
    assert regression.compare(baseline(), *measure()) == []


def test_broken_loss_is_seen_by_all_three(broken, tmp_path):
    parity, found = measure()
    assert parity["failed"] > 0
    assert found[0].verdict == "fails"
    rows = {row.row for row in regression.compare(baseline(), parity, found)}
    assert f"claim/{CLAIM}" in rows and any(row.startswith("parity/s2ver_step") for row in rows)

    page = write(build([], parity, found), tmp_path)
    shown = page.read_text(encoding="utf-8")
    failed = next(case for case in parity["cases"] if case["status"] == "failed")
    assert failed["kind"] in shown and found[0].statement in shown
    assert "fails" in shown and "failed" in shown
