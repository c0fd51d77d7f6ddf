"""The report as one HTML page that needs nothing else: no network, no other file."""

from __future__ import annotations

import html
import itertools

from benchmarks.report import page, tables
from benchmarks.report.content import Matrix, Report
from benchmarks.report.figures import Drawing
from benchmarks.report.markup import Html, download, raw, tag
from common.engine.launch import DRAWN

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
SHORT = 28  # characters; a column whose cells are all shorter is kept on one line


def render(report: Report, title: str) -> str:
    """The page as text."""
    sections = [
        ("runs", "Runs", _runs(report)),
        ("curves", "Learning curves", _curves(report)),
        ("confusion", "Confusion matrices", _matrices(report)),
        ("parity", "Parity with the authors' code", _parity(report)),
        ("claims", "Claims", _claims(report)),
        ("quirks", "Quirks in force", _quirks(report)),
        ("environment", "Environment", _environment(report)),
    ]
    shown = [section for section in sections if section[2]]
    links = [tag("li", tag("a", name, href=f"#{anchor}")) for anchor, name, _ in shown]
    body = tag(
        "main",
        tag("h1", title),
        _banner(report),
        tag("nav", tag("ul", links), aria_label="Sections"),
        *(tag("section", tag("h2", name), parts, id=anchor) for anchor, name, parts in shown),
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{html.escape(title)}</title>\n<style>{page.STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n<script>{page.SCRIPT}</script>\n</body>\n</html>\n"
    )


def table_html(table: tables.Table) -> Html:
    """A table in a box of its own that scrolls sideways where the screen is narrow."""
    kinds = []
    for number, name in enumerate(table.columns):
        widest = max((len(row[number].text) for row in table.rows), default=0)
        short = "short" if widest <= SHORT else "long"
        kinds.append("n" if name in table.numeric else short)
    head = [
        tag("th", tag("button", name, type="button"), scope="col", class_=kind)
        for name, kind in zip(table.columns, kinds, strict=True)
    ]
    rows = [
        tag("tr", [_cell(cell, kind, number == 0) for number, (cell, kind) in enumerate(pairs)])
        for pairs in (list(zip(row, kinds, strict=True)) for row in table.rows)
    ]
    body = [tag("thead", tag("tr", head)), tag("tbody", rows)]
    return tag(
        "div",
        tag("table", body, class_="sortable"),
        class_="scroll" if len(table.columns) > 6 else "scroll fit",
        role="region",
        tabindex="0",
        aria_label=table.title,
    )


def _cell(cell: tables.Cell, kind: str, heads_row: bool) -> Html:
    mark = ""
    if cell.marked:
        mark = " marked" if cell.text.startswith(tables.HEADLINE) else " bad"
    order = None if cell.order is None else str(cell.order)
    if heads_row:
        return tag("th", cell.text, scope="row", class_=kind + mark, data_order=order)
    return tag("td", cell.text, class_=kind + mark, data_order=order)


def _banner(report: Report) -> Html:
    if not report.drawn:
        return raw("")
    names = [tag("li", name) for name in report.drawn]
    return tag("div", DRAWN, tag("ul", names), class_="banner", role="note")


def _runs(report: Report) -> list[Html]:
    notes = [
        tag("li", tag("strong", name), f": {meaning}")
        for name, meaning in tables.protocol_notes(report.runs)
    ]
    parts = [
        table_html(tables.headline_table(report.runs)),
        tag("p", "What the four protocols mean:"),
        tag("ul", notes),
    ]
    if report.troubled:
        lines = [
            tag("li", tag("strong", run.name), f": {'; '.join([run.status, *run.problems])}")
            for run in report.troubled
        ]
        parts += [tag("h3", "Not complete"), tag("ul", lines)]
    return parts


def _curves(report: Report) -> list[Html]:
    figures = [_figure(curve) for curve in report.curves]
    return [tag("div", figures, class_="figures")] if figures else []


def _figure(drawing: Drawing) -> Html:
    svg = drawing.svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(drawing.title)}"')
    link = download("data as CSV", f"{drawing.name}.csv", drawing.data)
    return tag("figure", raw(svg), tag("figcaption", link))


def _matrices(report: Report) -> list[Html]:
    matrices = [_matrix(matrix) for matrix in report.matrices]
    note = "Test images at the headline epoch; the shade is the share of the true class (row)."
    grid = tag("div", matrices, class_="figures wide")
    return [tag("p", note, class_="soft"), grid] if matrices else []


def _matrix(matrix: Matrix) -> Html:
    head = [tag("th", tag("span", name), scope="col", class_="turned") for name in matrix.classes]
    rows = []
    for number, (name, counts) in enumerate(zip(matrix.classes, matrix.counts, strict=True)):
        cells = []
        for column, count in enumerate(counts):
            share = count / max(1, sum(counts))
            cells.append(
                tag(
                    "td",
                    str(count),
                    class_="diagonal" if column == number else None,
                    style=f"background: rgba(var(--heat), {0.55 * share:.3f})",
                )
            )
        rows.append(tag("tr", tag("th", name, scope="row"), cells))
    corner = tag("td", "true ↓ predicted →")
    table = tag("table", tag("thead", tag("tr", corner, head)), tag("tbody", rows), class_="matrix")
    link = download("data as CSV", f"{matrix.name}.csv", matrix.data)
    box = tag(
        "div", table, class_="scroll fit", role="region", tabindex="0", aria_label=matrix.title
    )
    return tag("div", tag("h3", matrix.title), box, tag("p", link, class_="soft"))


def _parity(report: Report) -> list[Html]:
    if report.parity is None:
        return []
    table = tables.parity_table(report.parity)
    failures = tables.parity_failures(report.parity)
    parts = [table_html(table)]
    if failures:
        return [*parts, tag("h3", "What failed"), table_html(failures)]
    return [*parts, tag("p", tag("span", "No case failed.", class_="good"))]


def _claims(report: Report) -> list[Html]:
    if not report.claims:
        return []
    parts = [table_html(tables.claims_table(report.claims))]
    for claim in report.claims:
        values, details = tables.claim_details(claim)
        pairs = itertools.chain(*((tag("dt", k), tag("dd", v)) for k, v in values))
        inner = [tag("dl", pairs)] if values else []
        for table in details:
            inner += [tag("h3", table.title), table_html(table)]
        if inner:
            parts.append(tag("details", tag("summary", str(claim.get("claim"))), inner))
    return parts


def _quirks(report: Report) -> list[Html]:
    parts = []
    for names, quirks in tables.quirk_groups(report.runs):
        listed = tag("ul", [tag("li", quirk) for quirk in quirks])
        parts += [tag("h3", ", ".join(names)), listed if quirks else tag("p", "none")]
    note = "Where the authors' code differs from their paper and the run did as the code does; "
    note += "each is explained in the fidelity table of its package's README."
    return [tag("p", note, class_="soft"), *parts] if parts else []


def _environment(report: Report) -> list[Html]:
    known = [run for run in report.runs if run.environment]
    if not known:
        return []
    commands = [
        tag("li", tag("strong", run.name), ": ", tag("code", tables.command(run)))
        for run in known
        if run.environment.get("command")
    ]
    details = tag("details", tag("summary", "Commands as they were given"), tag("ul", commands))
    return [table_html(tables.environment_table(known)), details if commands else raw("")]
