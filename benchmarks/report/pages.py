"""The report for people: one HTML page that needs no other file, and Markdown with its figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from benchmarks.ground.results_file import DRAWN
from benchmarks.report import history
from benchmarks.report.content import Report
from benchmarks.report.figures.canvas import file_name
from benchmarks.report.history import Point
from benchmarks.report.tables import evidence
from benchmarks.report.tables import runs as run_tables
from benchmarks.report.tables.table import Table, escape

FIGURES = "figures"
TEMPLATES = Path(__file__).with_name("templates")
SPARK = (72, 18, 3)  # width, height and edge of a sparkline in pixels


def html(report: Report, title: str) -> str:
    """The page as text."""
    style, script = (
        Markup((TEMPLATES / name).read_text(encoding="utf-8")) for name in ("page.css", "page.js")
    )
    rows = [{k: _words(v) for k, v in r.items() if v not in (None, "")} for r in report.rows]
    # "<" would end the script element that holds them
    data = json.dumps(rows, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return _render("page.html", report, title, style=style, script=script, row_data=Markup(data))


def markdown(report: Report, title: str) -> str:
    """The page as Markdown; it refers to ``figures/`` beside it."""
    text = _render("page.md", report, title, figures_folder=FIGURES)
    lines, blank = [], False
    for line in text.splitlines():
        if line.strip() or not blank:
            lines.append(line.rstrip())
        blank = not line.strip()
    return "\n".join(lines).strip() + "\n"


def _render(name: str, report: Report, title: str, **more: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"url": quote, "md": escape, "file_name": file_name, "code": _code}
    parity = report.parity
    counts = ", ".join(f"{n} {status}" for status, n in evidence.statuses(report.rows).items())
    return environment.get_template(name).render(
        report=report,
        title=title,
        DRAWN=DRAWN,
        SPARK=evidence.SPARK,
        summary=evidence.summary_table(report.rows, parity, report.claims, report.runs),
        claims=evidence.claims_table(report.claims),
        sources={name: evidence.details(found) for name, found in report.sources.items()},
        ledger=evidence.ledger_table(report.rows, report.history),
        ledger_note=f"{len(report.rows)} numbers: {counts}.",
        history_csv=history.table(report.history),
        parity_failures=parity and evidence.parity_failures(parity),
        parity_tables=evidence.parity_tables(parity) if parity else (),
        runs=run_tables.headline_table(report.runs) if report.runs else None,
        run_tables=run_tables,
        speed=evidence.speed_table(report.speed),
        matrix_table=matrix_table,
        spark=spark,
        **more,
    )


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _code(text: str) -> str:
    return escape(text) if "`" in text else f"`{' '.join(text.split())}`"


def matrix_table(matrix) -> Table:
    """A confusion matrix as a table."""
    rows = (
        {"true \\ predicted": name, **dict(zip(matrix.classes, counts, strict=True))}
        for name, counts in zip(matrix.classes, matrix.counts, strict=True)
    )
    return Table(matrix.title, rows)


def spark(points: list[Point]) -> dict[str, Any]:
    """A sparkline: size, its points as SVG has them, the last one, and all values in words."""
    width, height, edge = SPARK
    values = [point.value for point in points]
    low, high = min(values), max(values)
    step = (width - 2 * edge) / max(1, len(values) - 1)
    shares = [(v - low) / (high - low) if high > low else 0.5 for v in values]
    points_drawn = [
        (f"{edge + step * k:.1f}", f"{height - edge - share * (height - 2 * edge):.1f}")
        for k, share in enumerate(shares)
    ]
    label = ", ".join(f"{p.commit[:7]} {p.value:.4g}" for p in points)
    line = " ".join(f"{x},{y}" for x, y in points_drawn)
    return {"box": f"0 0 {width} {height}", "line": line, "end": points_drawn[-1], "label": label}
