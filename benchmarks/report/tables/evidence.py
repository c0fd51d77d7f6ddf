"""Claims, ledger, parity and speed as tables."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pandas as pd

from benchmarks.claims.findings import Finding
from benchmarks.ground.results_file import Results
from benchmarks.ground.statistics import Tone
from benchmarks.report.collect import Run
from benchmarks.report.history import History, Point
from benchmarks.report.tables.table import BAD, EMPTY, Cell, Table, cell

PAPERS = {
    "s2ver": "S2-VER (ECCV 2022)",
    "adacm": "Ada-CM (CVPR 2022)",
    "ssfer": "SSFER (2024)",
    "webemotion": "StockEmotion (CVPR 2020)",
    "dimva": "Dimensional two-stage (2025)",
}
"""Package -> paper, in the order of the report."""
OUTCOMES = ("passed", "failed", "unsupported", "unreadable")
FAILED = ("failed", "unreadable")
BLOCKED, UNTESTED = "blocked by data", ("untested", "stale")
POOR = ("claim fails on stand-in", "stale")
"""Statuses of the ledger that stand out."""
SPARK = "over commits"
SHOWN_ELSEWHERE = ("arms", "comparisons", "details", "shown", "percent", "kind", "claim", "verdict")
"""Fields of results that are no single values, or that a heading has."""


def name_of(finding: Finding) -> str:
    """A claim in words, with the arms where the statement does not say them."""
    return ": ".join(filter(None, (finding.statement, finding.compared)))


def claims_table(claims: list[Finding]) -> Table:
    """A row a claim: its verdict and the effect with its interval."""
    rows = []
    for f in claims:
        low, high = f.interval_95 or (None, None)
        row = {
            "claim": f.statement,
            "verdict": cell(str(f.verdict), mark=BAD if f.verdict.tone is Tone.BAD else ""),
            "compared": f.compared,
            "effect": cell(f.mean, "+.4f"),
            "95% low": cell(low, "+.4f"),
            "95% high": cell(high, "+.4f"),
            "seeds": len(f.seeds) or None,
            "judged on": f.metric,
            "data": f.data or f.command,
        }
        rows.append(row)
    return Table("Claims", rows).filled()


def details(results: Results) -> tuple[dict[str, str], list[Table]]:
    """Everything that a results file says: single values, and its arms and comparisons."""
    values = {**vars(results), "data": results.dataset["note"], **results.details}
    facts = {k: cell(v).text for k, v in values.items() if k not in SHOWN_ELSEWHERE}
    arms = [
        {"arm": arm, "seed": int(seed), **values}
        for arm, by_seed in results.arms.items()
        for seed, values in by_seed.items()
    ]
    rows = [{**vars(row), "verdict": str(row.verdict)} for row in results.comparisons]
    tables = [Table("Arms", arms), Table("Comparisons", rows)]
    return facts, [table for table in tables if table.rows]


def summary_table(
    rows: list[dict], parity: dict | None, claims: list[Finding], runs: list[Run]
) -> Table:
    """A row a paper: its reported numbers by status, parity cases, claims and runs."""
    cases = Counter(
        (_package(case), case.get("status") not in FAILED)
        for case in (parity or {}).get("cases", ())
        if case.get("status") != "unsupported"
    )
    tones = Counter((f.paper, f.verdict.tone) for f in claims)
    found = []
    for package, title in PAPERS.items():
        own = [row for row in rows if row.get("paper") == package]
        reported = [row for row in own if row.get("kind", "reported") == "reported"]
        status = Counter(str(row.get("status")) for row in reported)
        untested = sum(status[name] for name in UNTESTED)
        counts = {
            "reported": len(reported),
            "with evidence": len(reported) - status[BLOCKED] - untested,
            "blocked by data": status[BLOCKED],
            "untested": untested,
            "measured here": sum(row.get("kind") == "measured" for row in own),
        }
        passed, failed = cases[package, True], cases[package, False]
        checked = any(_package(case) == package for case in (parity or {}).get("cases", ()))
        fails = tones[package, Tone.BAD]
        found.append(
            {
                "paper": title,
                "package": package,
                **(counts if rows else dict.fromkeys(counts)),
                "parity passed": passed if checked else None,
                "parity failed": cell(failed, mark=BAD if failed else "") if checked else None,
                "claims hold": tones[package, Tone.GOOD],
                "claims fail": cell(fails, mark=BAD if fails else ""),
                "claims open": tones[package, Tone.OPEN],
                "runs": sum(str(r.config.get("method", "")).startswith(package) for r in runs),
            }
        )
    return Table("Summary per paper", found)


def statuses(rows: list[dict]) -> dict[str, int]:
    """Status -> rows of the ledger, most frequent first."""
    return dict(Counter(str(row.get("status")) for row in rows).most_common())


def ledger_table(rows: list[dict], history: History) -> Table:
    """A row a number of the ledger; the column of :data:`SPARK` holds its values in words."""
    names = ("paper", "kind", "protocol", "table", "date")
    found = [
        {
            "id": row.get("id"),
            "status": cell(row.get("status"), mark=BAD if row.get("status") in POOR else ""),
            "value": cell(row.get("value"), ".6g"),
            "±": cell(row.get("std"), ".6g"),
            "metric": row.get("metric"),
            "dataset": row.get("dataset"),
            "labels": row.get("budget"),
            "method": row.get("method"),
            SPARK: trend(history.get(str(row.get("id")), [])),
            **{name: row.get(name) for name in names},
        }
        for row in rows
    ]
    return Table("Ledger", found)


def trend(points: list[Point]) -> Cell:
    """First and last value and how many commits; sorted by the change."""
    if not points:
        return EMPTY
    first, last = points[0].value, points[-1].value
    shown = f"{last:.4g}" if len(points) == 1 else f"{first:.4g} → {last:.4g} ({len(points)})"
    return Cell(shown, last - first)


def _package(case: dict) -> str:
    return str(case.get("kind") or "").partition("/")[0] or "unknown"


def parity_tables(parity: dict) -> tuple[Table, Table]:
    """How many cases ended how: a row a package, and a row a kind with the largest difference."""
    frame = pd.DataFrame(
        {
            "package": [_package(case) for case in parity["cases"]],
            "kind": [str(case.get("kind")) for case in parity["cases"]],
            "status": [case.get("status") for case in parity["cases"]],
            "max_abs": [case.get("max_abs") for case in parity["cases"]],
        }
    )
    frame["max_abs"] = pd.to_numeric(frame["max_abs"], errors="coerce")

    def rows(by: str) -> list[dict[str, Any]]:
        counts = pd.crosstab(frame[by], frame["status"]).reindex(columns=OUTCOMES, fill_value=0)
        return [{by: name, **_counted(row)} for name, row in counts.iterrows()]

    kinds = rows("kind")
    largest = frame.groupby("kind")["max_abs"].max()
    for row in kinds:
        package, value = row["kind"].partition("/")[0], float(largest[row["kind"]])
        row |= {"package": package, "largest difference": value}
    order = ["kind", "package", *OUTCOMES, "largest difference"]
    return Table("Parity per package", rows("package")), Table("Parity per kind", kinds).only(order)


def _counted(row: pd.Series) -> dict[str, Cell]:
    return {n: cell(int(row[n]), mark=BAD if row[n] and n in FAILED else "") for n in OUTCOMES}


def parity_failures(parity: dict) -> Table | None:
    """The cases that failed or could not be read, if any."""
    columns = ("kind", "status", "max_abs", "max_rel", "message")
    rows = [
        {"case": case.get("name"), **{name: case.get(name) for name in columns}}
        for case in parity["cases"]
        if case.get("status") in FAILED
    ]
    return Table("Parity failures", rows) if rows else None


def speed_table(speed: dict[str, Results]) -> Table:
    """A row a variant of every measurement: its ratio to the plain step of the same run."""
    found = [
        {
            "variant": variant,
            "speed-up": cell(values.get("speed_up"), ".2f"),
            "images/s": cell(values.get("images_per_second"), ".2f"),
            "measured": results.claim,
            "device": results.environment.get("device"),
            "settings": json.dumps(results.size, ensure_ascii=False).strip("{}"),
            "file": name,
        }
        for name, results in speed.items()
        for variant, by_seed in results.arms.items()
        for values in by_seed.values()
    ]
    return Table("Speed", found)
