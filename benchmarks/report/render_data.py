"""The report for machines: JSON, and JUnit XML for what shows tests."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from typing import Any
from xml.etree import ElementTree as Xml

from benchmarks.report import effects, evidence_tables
from benchmarks.report.collect import Run
from benchmarks.report.content import Report
from benchmarks.report.tables import Table

SKIPPED = ("blocked by data", "untested", "stale")
"""Statuses of the ledger that are neither a success nor a failure."""
CONTROL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_json(report: Report, title: str) -> str:
    """Everything that the report shows as numbers and words."""
    summary = evidence_tables.summary_table(report.rows, report.parity, report.claims, report.runs)
    content = {
        "title": title,
        "failures": [words for _, words in report.failures],
        "papers": _records(summary),
        "claims": [
            {**claim, "effects": [vars(effect) for effect in effects.effects(claim)]}
            for claim in report.claims
        ],
        "ledger": report.rows,
        "history": {n: [vars(p) for p in points] for n, points in report.history.items()},
        "parity": report.parity,
        "runs": [_run(run) for run in report.runs],
        "speed": report.speed,
        "sources": report.sources,
    }
    return json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _records(table: Table) -> list[dict]:
    return [
        {name: cell.order if name in table.numeric else cell.text for name, cell in pairs}
        for pairs in (list(zip(table.columns, row, strict=True)) for row in table.rows)
    ]


def _run(run: Run) -> dict:
    return {
        "name": run.name,
        "status": run.status,
        "drawn": run.drawn,
        "config": run.config,
        "environment": run.environment,
        "summary": run.summary,
        "history": run.history,
        "problems": run.problems,
    }


def _finite(value: Any) -> Any:
    """`value` with null for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | None) else str(value)


def render_junit(report: Report) -> str:
    """A suite for parity, claims, the ledger and the runs; a case a line of theirs.

    A failed parity case, a claim that fails, in the ledger too, and an unfinished run are
    failures; what is undecided, unsupported, stale, blocked or untested is skipped.
    """
    root = Xml.Element("testsuites", name="report")
    _suite(root, "parity", [_parity_case(c) for c in (report.parity or {}).get("cases", ())])
    _suite(root, "claims", [_claim_case(claim) for claim in report.claims])
    _suite(root, "ledger", [_ledger_case(row) for row in report.rows])
    _suite(root, "runs", [_run_case(run) for run in report.runs])
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, "unicode") + "\n"


Case = tuple[str, str, str, str]
"""Class name, name, outcome ('', 'failure' or 'skipped'), message."""


def _suite(root: Xml.Element, name: str, cases: list[Case]) -> None:
    counts: dict[str, int] = defaultdict(int)
    for case in cases:
        counts[case[2]] += 1
    numbers = {"failures": counts["failure"], "skipped": counts["skipped"], "errors": 0}
    given = {"tests": len(cases), **numbers}
    suite = Xml.SubElement(root, "testsuite", name=name, **{k: str(v) for k, v in given.items()})
    for group, case, outcome, message in cases:
        names = {"classname": _clean(f"{name}.{group}"), "name": _clean(case)}
        element = Xml.SubElement(suite, "testcase", names)
        if outcome:
            Xml.SubElement(element, outcome, message=_clean(message))


def _clean(text: str) -> str:
    """`text` without what XML cannot hold."""
    return CONTROL.sub("\ufffd", text)


def _parity_case(case: dict) -> Case:
    status = str(case.get("status"))
    outcome = {"passed": "", "unsupported": "skipped"}.get(status, "failure")
    message = str(case.get("message") or status)
    return str(case.get("kind")).replace("/", "."), str(case.get("name")), outcome, message


def _claim_case(claim: dict) -> Case:
    verdict = claim.get("verdict")
    outcome = {"good": "", "bad": "failure"}.get(effects.verdict_class(verdict), "skipped")
    parts = [
        f"{e.against} {e.mean:+.4f} ({e.low:+.4f} to {e.high:+.4f})" for e in effects.effects(claim)
    ]
    message = "; ".join([str(verdict), *parts])
    return (
        effects.paper_of(claim, evidence_tables.PAPERS),
        effects.sentence(claim),
        outcome,
        message,
    )


def _ledger_case(row: dict) -> Case:
    status = str(row.get("status"))
    undecided = status in SKIPPED or "undecided" in status
    outcome = "failure" if " fails " in status else "skipped" if undecided else ""
    return str(row.get("paper")), str(row.get("id")), outcome, status


def _run_case(run: Run) -> Case:
    outcome = "" if run.status == "finished" else "failure"
    return str(run.config.get("method", "unknown")), run.name, outcome, run.status
