"""Tables of the evidence beside runs: per paper, the ledger, parity, speed."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

from benchmarks.report.canvas import SERIES, Drawing, csv_text, finish, plain, prepare, styled
from benchmarks.report.collect import Run, mapping
from benchmarks.report.effects import paper_of, verdict_class
from benchmarks.report.history import History
from benchmarks.report.tables import NONE, Cell, Table, number, records_cell, text

PAPERS = {
    "s2ver": "S2-VER (ECCV 2022)",
    "adacm": "Ada-CM (CVPR 2022)",
    "ssfer": "SSFER (2024)",
    "webemotion": "StockEmotion (CVPR 2020)",
    "dimva": "Dimensional two-stage (2025)",
}
"""Package -> paper, in the order of the report."""
OUTCOMES = ("passed", "failed", "unsupported", "unreadable")
BLOCKED, UNTESTED = "blocked by data", ("untested", "stale")
POOR = ("claim fails on stand-in", "stale")
"""Statuses of the ledger that stand out."""
LEDGER = ("id", "status", "value", "±", "metric", "dataset", "labels", "method", "over commits")
LEDGER += ("paper", "kind", "protocol", "table", "date")
SPARK = "over commits"


def summary_table(
    rows: list[dict], parity: dict | None, claims: list[dict], runs: list[Run]
) -> Table:
    """A row a paper: its reported numbers by status, parity cases, claims and runs."""
    columns = ["paper", "package", "reported", "with evidence", "blocked by data", "untested"]
    columns += ["measured here", "parity passed", "parity failed"]
    columns += ["claims hold", "claims fail", "claims open", "runs"]
    cases, kinds = _per_paper_cases(parity), _per_paper_claims(claims)
    trained = Counter(_paper_of_run(run) for run in runs)
    found = []
    for package, title in PAPERS.items():
        counts: list[int | None] = _ledger_counts([r for r in rows if r.get("paper") == package])
        counts = counts if rows else [None] * 5
        known = cases[package]
        counts += [known["passed"], known["failed"]] if known.total() else [None] * 2
        counts += [kinds[package][kind] for kind in ("good", "bad", "open")]
        cells = [text(title), text(package), *map(number, [*counts, trained[package]])]
        for place in map(columns.index, ("parity failed", "claims fail")):
            cells[place] = replace(cells[place], marked=bool(cells[place].order))
        found.append(cells)
    return Table("Summary per paper", columns, found, frozenset(columns[2:]))


def _ledger_counts(rows: list[dict]) -> list[int | None]:
    """Reported, with evidence, blocked, untested; and measured here, claims aside."""
    reported = [row for row in rows if row.get("kind", "reported") == "reported"]
    found_as = Counter(statuses(reported))
    untested = sum(found_as[name] for name in UNTESTED)
    evidence = len(reported) - found_as[BLOCKED] - untested
    measured = sum(row.get("kind") == "measured" for row in rows)
    return [len(reported), evidence, found_as[BLOCKED], untested, measured]


def _per_paper_cases(parity: dict | None) -> dict[str, Counter]:
    cases: dict[str, Counter] = defaultdict(Counter)
    for case in parity["cases"] if parity else ():
        status = str(case.get("status"))
        cases[_package(case)]["failed" if status == "unreadable" else status] += 1
    return cases


def _per_paper_claims(claims: list[dict]) -> dict[str, Counter]:
    kinds: dict[str, Counter] = defaultdict(Counter)
    for claim in claims:
        kinds[paper_of(claim, PAPERS)][verdict_class(claim.get("verdict"))] += 1
    return kinds


def _paper_of_run(run: Run) -> str:
    method = str(run.config.get("method", ""))
    return next((package for package in PAPERS if method.startswith(package)), "")


def statuses(rows: list[dict]) -> dict[str, int]:
    """Status -> rows of the ledger, most frequent first."""
    return dict(Counter(str(row.get("status")) for row in rows).most_common())


def ledger_table(rows: list[dict], history: History) -> Table:
    """A row a number of the ledger; the column of :data:`SPARK` holds its values in words."""
    found = [_ledger_row(row, history) for row in rows]
    return Table("Ledger", list(LEDGER), found, frozenset({"value", "±"}))


def _ledger_row(row: dict, history: History) -> list[Cell]:
    status = str(row.get("status"))
    cells = {
        "status": Cell(status, status, status in POOR),
        "value": _value(row.get("value")),
        "±": _value(row.get("std")),
        "labels": text(row.get("budget")),
        SPARK: trend(history.get(str(row.get("id")), [])),
    }
    return [cells.get(name) or text(row.get(name)) for name in LEDGER]


def _value(value: Any) -> Cell:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Cell(NONE)
    return Cell(f"{value:.6g}", float(value))


def trend(points: list) -> Cell:
    """First and last value and how many commits; sorted by the change."""
    if not points:
        return Cell(NONE)
    first, last = points[0].value, points[-1].value
    shown = f"{last:.4g}" if len(points) == 1 else f"{first:.4g} → {last:.4g} ({len(points)})"
    return Cell(shown, last - first)


def history_csv(history: History) -> str:
    """What the sparklines show: a line a row and commit."""
    rows = [[n, p.commit, p.date, p.value] for n, points in history.items() for p in points]
    return csv_text(["row", "commit", "date", "value"], rows)


def parity_table(parity: dict) -> Table:
    """A row a package: how many of its cases ended how."""
    columns = ["package", *OUTCOMES]
    counts = _outcomes(parity, _package)
    rows = [[text(name), *_counted(found)] for name, found in sorted(counts.items())]
    return Table("Parity per package", columns, rows, frozenset(OUTCOMES))


def parity_kinds(parity: dict) -> Table:
    """A row a kind: how many of its cases ended how, and the largest difference."""
    columns = ["kind", "package", *OUTCOMES, "largest difference"]
    largest: dict[str, float] = {}
    for case in parity["cases"]:
        if isinstance(case.get("max_abs"), int | float):
            kind = str(case.get("kind"))
            largest[kind] = max(largest.get(kind, 0.0), float(case["max_abs"]))
    counts = _outcomes(parity, lambda case: str(case.get("kind")))
    rows = [
        [
            text(kind),
            text(kind.partition("/")[0]),
            *_counted(found),
            records_cell(largest.get(kind)),
        ]
        for kind, found in sorted(counts.items())
    ]
    return Table("Parity per kind", columns, rows, frozenset(columns[2:]))


def _package(case: dict) -> str:
    return str(case.get("kind") or "").partition("/")[0] or "unknown"


def _outcomes(parity: dict, key) -> dict[str, Counter]:
    counts: dict[str, Counter] = defaultdict(Counter)
    for case in parity["cases"]:
        counts[key(case)][case.get("status")] += 1
    return counts


def _counted(found: Counter) -> list[Cell]:
    bad = ("failed", "unreadable")
    return [Cell(str(found[n]), float(found[n]), bool(found[n]) and n in bad) for n in OUTCOMES]


def parity_failures(parity: dict) -> Table | None:
    """The cases that failed or could not be read, if any."""
    bad = [case for case in parity["cases"] if case.get("status") in ("failed", "unreadable")]
    columns = ["case", "kind", "status", "max_abs", "max_rel", "message"]
    rows = [[records_cell(case.get("name" if n == "case" else n)) for n in columns] for case in bad]
    numeric = frozenset({"max_abs", "max_rel"})
    return Table("Parity failures", columns, rows, numeric) if bad else None


def speed_table(speed: list[dict]) -> Table:
    """A row a variant of every measurement: its ratio to the plain step of the same run."""
    columns = ["variant", "speed-up", "images/s", "measured", "device", "settings", "file"]
    rows = [
        [
            text(name),
            number(mapping(values).get("speed_up"), 2),
            number(mapping(values).get("images_per_second"), 2),
            text(found.get("measured")),
            text(mapping(found.get("environment")).get("device")),
            text(json.dumps(found.get("settings"), ensure_ascii=False).strip("{}")),
            text(found.get("file")),
        ]
        for found in speed
        for name, values in mapping(found.get("variants")).items()
    ]
    return Table("Speed", columns, rows, frozenset({"speed-up", "images/s"}))


def speed_bars(speed: list[dict]) -> Drawing | None:
    """The ratios as bars, a colour a measurement; None without any."""
    table = speed_table(speed)
    files = list(dict.fromkeys(row[-1].text for row in table.rows))
    bars = [row for row in table.rows if isinstance(row[1].order, float)]
    if not bars:
        return None
    title = "Speed-up over the plain variant of the same run"
    with styled("speed", 5.4, 0.9 + 0.3 * len(bars)) as figure:
        axes = prepare(figure.add_subplot())
        for place, row in enumerate(bars):
            colour = SERIES[files.index(row[-1].text) % len(SERIES)]
            axes.barh(place, row[1].order, height=0.62, color=colour)
            axes.annotate(
                f"{row[1].text}×",
                (row[1].order, place),
                (3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        axes.set_yticks(range(len(bars)), [plain(row[0].text) for row in bars], fontsize=8)
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlim(0, 1.15 * max(row[1].order for row in bars))
        axes.tick_params(axis="y", length=0)
        axes.grid(False, axis="y")
        data = csv_text(table.columns, [[cell.text for cell in row] for row in bars])
        return finish(figure, "speed", title, data)
