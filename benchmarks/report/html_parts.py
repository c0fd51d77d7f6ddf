"""Pieces of the HTML page: tables, figures, matrices, filters, sparklines."""

from __future__ import annotations

import html
from collections.abc import Callable

from benchmarks.report import tables
from benchmarks.report.canvas import Drawing
from benchmarks.report.content import Matrix
from benchmarks.report.history import Point
from benchmarks.report.markup import Html, download, raw, tag

SHORT = 28  # characters; a column whose cells are all shorter is kept on one line
TALL = 14  # rows; a longer table scrolls in a box of its own
FILTERED = 6  # rows; a longer table can be filtered
Render = dict[str, Callable[[int], Html]]
"""Column -> what its cell in a row shows in place of the cell's text."""


def table_html(
    table: tables.Table,
    name: str = "",
    choices: tuple[str, ...] = (),
    render: Render | None = None,
    rows: Callable[[int], dict] = lambda _: {},
) -> Html:
    """A sortable table in a box that scrolls where the screen is narrow.

    Args:
        name: id of the table; with one, longer tables get a filter.
        choices: columns that can be filtered by value.
        render: see :data:`Render`.
        rows: attributes of the row of a number.
    """
    kinds = [_kind(table, number) for number in range(len(table.columns))]
    head = [
        tag("th", tag("button", title, type="button"), scope="col", class_=kind)
        for title, kind in zip(table.columns, kinds, strict=True)
    ]
    body = []
    for number, row in enumerate(table.rows):
        cells = [
            _cell(cell, kind, place == 0, (render or {}).get(title), number)
            for place, (cell, kind, title) in enumerate(zip(row, kinds, table.columns, strict=True))
        ]
        body.append(tag("tr", cells, **rows(number)))
    inner = tag("caption", table.title), tag("thead", tag("tr", head)), tag("tbody", body)
    width = "" if len(table.columns) > 6 else " fit"
    height = " tall" if len(table.rows) > TALL else ""
    box = tag(
        "div",
        tag("table", inner, class_="sortable", id=name or None),
        class_=f"scroll{width}{height}",
        role="region",
        tabindex="0",
        aria_label=table.title,
    )
    if not name or len(table.rows) <= FILTERED:
        return box
    return Html(_filters(table, name, choices) + box)


def _kind(table: tables.Table, number: int) -> str:
    if table.columns[number] in table.numeric:
        return "n"
    widest = max((len(row[number].text) for row in table.rows), default=0)
    return "short" if widest <= SHORT else "long"


def _cell(cell: tables.Cell, kind: str, heads_row: bool, render, number: int) -> Html:
    mark = ""
    if cell.marked:
        mark = " marked" if cell.text.startswith(tables.HEADLINE) else " bad"
    order = None if cell.order is None else str(cell.order)
    content = render(number) if render else cell.text
    if heads_row:
        return tag("th", content, scope="row", class_=kind + mark, data_order=order)
    return tag("td", content, class_=kind + mark, data_order=order)


def _filters(table: tables.Table, name: str, choices: tuple[str, ...]) -> Html:
    """A search field, a choice a column of `choices`, and a count; nothing without the script."""
    parts = [tag("label", "Filter", raw('<input type="search" autocomplete="off">'))]
    for title in choices:
        column = table.columns.index(title)
        values = sorted({row[column].text for row in table.rows})
        options = [tag("option", "all", value=""), *(tag("option", value) for value in values)]
        parts.append(tag("label", title, tag("select", options, data_column=str(column))))
    count = f"{len(table.rows)} of {len(table.rows)} rows"
    parts.append(tag("output", count, aria_live="polite"))
    label = f"Filter of {table.title}"
    return tag("div", parts, class_="filters", role="search", aria_label=label, data_table=name)


def figure_html(drawing: Drawing) -> Html:
    """A figure with its data behind a link."""
    label = html.escape(drawing.title)
    svg = drawing.svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    link = download("data as CSV", f"{drawing.name}.csv", drawing.data)
    return tag("figure", raw(svg), tag("figcaption", drawing.title, " · ", link))


def figures_html(drawings: list[Drawing], wide: bool = False) -> list[Html]:
    """A grid of figures; empty without any."""
    grid = "figures wide" if wide else "figures"
    return [tag("div", map(figure_html, drawings), class_=grid)] if drawings else []


def matrix_html(matrix: Matrix) -> Html:
    """A confusion matrix shaded by the share of the true class."""
    head = [tag("th", tag("span", name), scope="col", class_="turned") for name in matrix.classes]
    rows = []
    for number, (name, counts) in enumerate(zip(matrix.classes, matrix.counts, strict=True)):
        cells = [
            tag(
                "td",
                str(count),
                class_="diagonal" if column == number else None,
                style=f"--share: {55 * count / max(1, sum(counts)):.1f}%",
            )
            for column, count in enumerate(counts)
        ]
        rows.append(tag("tr", tag("th", name, scope="row"), cells))
    corner = tag("td", "true ↓ predicted →")
    inner = tag("thead", tag("tr", corner, head)), tag("tbody", rows)
    table = tag("table", tag("caption", matrix.title), inner, class_="matrix")
    link = download("data as CSV", f"{matrix.name}.csv", matrix.data)
    box = tag(
        "div", table, class_="scroll fit", role="region", tabindex="0", aria_label=matrix.title
    )
    return tag("div", box, tag("p", link, class_="soft"))


def spark(points: list[Point], words: str) -> Html:
    """A line over the commits with its last point marked, beside the values in words."""
    if not points:
        return tag("span", words)
    values = [point.value for point in points]
    low, high = min(values), max(values)
    width, height, edge = 72, 18, 3
    step = (width - 2 * edge) / max(1, len(values) - 1)

    def place(number: int) -> tuple[float, float]:
        share = (values[number] - low) / (high - low) if high > low else 0.5
        return edge + step * number, height - edge - share * (height - 2 * edge)

    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, range(len(values))))
    x, y = place(len(values) - 1)
    listed = ", ".join(f"{p.commit[:7]} {p.value:.4g}" for p in points)
    svg = tag(
        "svg",
        tag("polyline", points=line, fill="none", stroke="var(--s0)", stroke_width="1.5"),
        tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="2.5", fill="var(--s0)"),
        viewBox=f"0 0 {width} {height}",
        class_="spark",
        role="img",
        aria_label=listed,
    )
    return Html(svg + tag("span", words))
