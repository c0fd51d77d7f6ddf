"""The report as Markdown beside its figures and data files."""

from __future__ import annotations

import re

from benchmarks.report import tables
from benchmarks.report.content import Report
from common.engine.launch import DRAWN

FIGURES = "figures"


def render(report: Report, title: str) -> str:
    """The page as text; it refers to ``figures/`` beside it."""
    blocks = [f"# {_escape(title)}"]
    if report.drawn:
        names = _escape("; ".join(report.drawn))
        blocks.append(f"> **{DRAWN}**\n>\n> On drawn data: {names}")
    blocks += ["## Runs", table_markdown(tables.headline_table(report.runs))]
    blocks.append(
        _list(f"**{_escape(n)}**: {_escape(m)}" for n, m in tables.protocol_notes(report.runs))
    )
    if report.troubled:
        lines = (f"**{_escape(r.name)}**: {_escape(_trouble(r))}" for r in report.troubled)
        blocks += ["### Not complete", _list(lines)]
    if report.curves:
        blocks.append("## Learning curves")
    for curve in report.curves:
        caption = _escape(curve.title)
        blocks.append(f"![{caption}]({FIGURES}/{curve.name}.svg)")
        blocks.append(f"[data as CSV]({FIGURES}/{curve.name}.csv)")
    if report.matrices:
        blocks.append("## Confusion matrices")
    for matrix in report.matrices:
        rows = [
            [tables.text(name), *(tables.number(count) for count in counts)]
            for name, counts in zip(matrix.classes, matrix.counts, strict=True)
        ]
        columns = ["true \\ predicted", *matrix.classes]
        table = tables.Table(matrix.title, columns, rows, frozenset(matrix.classes))
        blocks += [f"### {_escape(matrix.title)}", table_markdown(table)]
        blocks.append(f"[data as CSV]({FIGURES}/{matrix.name}.csv)")
    blocks += _parity(report) + _claims(report) + _quirks(report) + _environment(report)
    return "\n\n".join(blocks) + "\n"


def table_markdown(table: tables.Table) -> str:
    """A pipe table."""
    rule = ["---:" if name in table.numeric else "---" for name in table.columns]
    lines = [[_escape(name) for name in table.columns], rule]
    for row in table.rows:
        lines.append([f"**{_escape(c.text)}**" if c.marked else _escape(c.text) for c in row])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_|<>\[\]$#])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    return _escape(text) if "`" in text else f"`{' '.join(text.split())}`"


def _list(lines) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _trouble(run) -> str:
    return "; ".join([run.status, *run.problems])


def _parity(report: Report) -> list[str]:
    if report.parity is None:
        return []
    failures = tables.parity_failures(report.parity)
    blocks = ["## Parity with the authors' code"]
    blocks.append(table_markdown(tables.parity_table(report.parity)))
    return [*blocks, table_markdown(failures) if failures else "No case failed."]


def _claims(report: Report) -> list[str]:
    if not report.claims:
        return []
    blocks = ["## Claims", table_markdown(tables.claims_table(report.claims))]
    for claim in report.claims:
        values, details = tables.claim_details(claim)
        blocks.append(f"### {_escape(str(claim.get('claim')))}")
        if values:
            blocks.append(_list(f"**{_escape(k)}**: {_escape(v)}" for k, v in values))
        for table in details:
            blocks += [f"#### {_escape(table.title)}", table_markdown(table)]
    return blocks


def _quirks(report: Report) -> list[str]:
    groups = tables.quirk_groups(report.runs)
    lines = (f"**{_escape(', '.join(n))}**: {_escape('; '.join(q) or 'none')}" for n, q in groups)
    return ["## Quirks in force", _list(lines)] if groups else []


def _environment(report: Report) -> list[str]:
    known = [run for run in report.runs if run.environment]
    if not known:
        return []
    commands = [f"{_escape(run.name)}: {_code(tables.command(run))}" for run in known]
    blocks = ["## Environment", table_markdown(tables.environment_table(known))]
    return [*blocks, "Commands as they were given:", _list(commands)]
