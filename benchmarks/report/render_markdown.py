"""The report as Markdown beside its figures and data files."""

from __future__ import annotations

import re

from benchmarks.report import effects, evidence_tables, tables
from benchmarks.report.canvas import Drawing
from benchmarks.report.content import MADE_BY, Report
from common.engine.run_folder import DRAWN

FIGURES = "figures"


def render(report: Report, title: str) -> str:
    """The page as text; it refers to ``figures/`` beside it."""
    blocks = [f"# {_escape(title)}"]
    if report.failures:
        blocks += ["## Failures", _list(f"**{_escape(words)}**" for _, words in report.failures)]
    if report.drawn:
        names = _escape("; ".join(report.drawn))
        blocks.append(f"> **{DRAWN}**\n>\n> On drawn data: {names}")
    summary = evidence_tables.summary_table(report.rows, report.parity, report.claims, report.runs)
    blocks += ["## Papers", table_markdown(summary)]
    sections = {
        "claims": ("Claims", _claims(report)),
        "ledger": ("Ledger", _ledger(report)),
        "parity": ("Parity with the authors' code", _parity(report)),
        "runs": ("Runs", _runs(report)),
        "curves": ("Learning curves", _figures(report.curves)),
        "confusion": ("Confusion matrices", _matrices(report)),
        "pseudo": ("Pseudo-labels", _figures(report.diagnostics)),
        "va": ("Valence and arousal", _figures(report.scatters)),
        "speed": ("Speed", _speed(report)),
    }
    for name, (heading, parts) in sections.items():
        what, command = MADE_BY[name]
        blocks += [f"## {heading}", *(parts or [f"{what} Made by `{command}`."])]
    for run, drawings in report.training.items():
        blocks += [f"## Training of {_escape(run)}", *_figures(drawings)] if drawings else []
    blocks += _quirks(report) + _environment(report)
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


def _figures(drawings: list[Drawing]) -> list[str]:
    blocks = []
    for drawing in drawings:
        title = _escape(drawing.title)
        blocks.append(f"![{title}]({FIGURES}/{drawing.name}.svg)")
        blocks.append(f"{title} ([data as CSV]({FIGURES}/{drawing.name}.csv))")
    return blocks


def _runs(report: Report) -> list[str]:
    if not report.runs:
        return []
    notes = tables.protocol_notes(report.runs)
    blocks = [table_markdown(tables.headline_table(report.runs))]
    blocks.append(_list(f"**{_escape(name)}**: {_escape(meaning)}" for name, meaning in notes))
    if report.troubled:
        lines = (f"**{_escape(r.name)}**: {_escape(_trouble(r))}" for r in report.troubled)
        blocks += ["### Not complete", _list(lines)]
    return blocks


def _trouble(run) -> str:
    return "; ".join([run.status, *run.problems])


def _matrices(report: Report) -> list[str]:
    blocks = []
    for matrix in report.matrices:
        rows = [
            [tables.text(name), *(tables.number(count) for count in counts)]
            for name, counts in zip(matrix.classes, matrix.counts, strict=True)
        ]
        columns = ["true \\ predicted", *matrix.classes]
        table = tables.Table(matrix.title, columns, rows, frozenset(matrix.classes))
        blocks += [f"### {_escape(matrix.title)}", table_markdown(table)]
        blocks.append(f"[data as CSV]({FIGURES}/{matrix.name}.csv)")
    return blocks


def _ledger(report: Report) -> list[str]:
    if not report.rows:
        return []
    counts = ", ".join(
        f"{n} {status}" for status, n in evidence_tables.statuses(report.rows).items()
    )
    table = table_markdown(evidence_tables.ledger_table(report.rows, report.history))
    data = [f"[data of the column over commits]({FIGURES}/history.csv)"] if report.history else []
    return [f"{len(report.rows)} numbers: {_escape(counts)}.", table, *data]


def _parity(report: Report) -> list[str]:
    if report.parity is None:
        return []
    failures = evidence_tables.parity_failures(report.parity)
    return [
        table_markdown(failures) if failures else "No case failed.",
        table_markdown(evidence_tables.parity_table(report.parity)),
        table_markdown(evidence_tables.parity_kinds(report.parity)),
    ]


def _claims(report: Report) -> list[str]:
    if not report.claims:
        return []
    blocks = _figures([report.effects]) if report.effects else []
    blocks.append(table_markdown(effects.claims_table(report.claims)))
    for claim in report.sources:
        values, details = effects.claim_details(claim)
        blocks.append(f"### {_escape(effects.sentence(claim))}")
        if values:
            blocks.append(_list(f"**{_escape(k)}**: {_escape(v)}" for k, v in values))
        for table in details:
            blocks += [f"#### {_escape(table.title)}", table_markdown(table)]
    return blocks


def _speed(report: Report) -> list[str]:
    if not report.speed:
        return []
    figure = _figures([report.bars]) if report.bars else []
    return [*figure, table_markdown(evidence_tables.speed_table(report.speed))]


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
