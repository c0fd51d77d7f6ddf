"""The report for machines: JSON, and JUnit XML for what shows tests."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import asdict
from xml.etree import ElementTree as Xml

from benchmarks.claims.findings import Finding
from benchmarks.ground.statistics import Tone
from benchmarks.report.collect import Run
from benchmarks.report.content import Report
from benchmarks.report.tables import evidence
from common.files import finite

SKIPPED = ("blocked by data", "untested", "stale", "claim undecided on stand-in")
"""Statuses of the ledger that are neither a success nor a failure."""
CONTROL = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_json(report: Report, title: str) -> str:
    """Everything that the report shows as numbers and words."""
    summary = evidence.summary_table(report.rows, report.parity, report.claims, report.runs)
    content = {
        "title": title,
        "failures": [words for _, words in report.failures],
        "papers": summary.records(),
        "claims": [asdict(claim) for claim in report.claims],
        "ledger": report.rows,
        "history": {n: [vars(p) for p in points] for n, points in report.history.items()},
        "parity": report.parity,
        "runs": [_run(run) for run in report.runs],
        "speed": {name: asdict(results) for name, results in report.speed.items()},
        "sources": {name: asdict(results) for name, results in report.sources.items()},
    }
    return json.dumps(finite(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


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


def junit(report: Report) -> str:
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


def _claim_case(claim: Finding) -> Case:
    outcome = {Tone.GOOD: "", Tone.BAD: "failure", Tone.OPEN: "skipped"}[claim.verdict.tone]
    message = str(claim.verdict)
    if claim.interval_95:
        low, high = claim.interval_95
        message += f"; {claim.compared} {claim.mean:+.4f} ({low:+.4f} to {high:+.4f})"
    return claim.paper, evidence.name_of(claim), outcome, message


def _ledger_case(row: dict) -> Case:
    status = str(row.get("status"))
    skipped = "skipped" if status in SKIPPED else ""
    outcome = "failure" if status == "claim fails on stand-in" else skipped
    return str(row.get("paper")), str(row.get("id")), outcome, status


def _run_case(run: Run) -> Case:
    outcome = "" if run.status == "finished" else "failure"
    return str(run.config.get("method", "unknown")), run.name, outcome, run.status
