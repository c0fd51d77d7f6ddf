"""Learning curves as SVG: equal runs give equal bytes, and the page decides the colours."""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from dataclasses import dataclass

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from benchmarks.report.collect import Run, mapping
from benchmarks.report.tables import HEADLINE

INK, GRID = "#010203", "#040506"
SERIES = tuple(f"#0708{n:02x}" for n in range(6))
"""Colours that stand for others until :func:`_coloured` puts those in."""
PRINTED = ("#1f2328", "#d5d9de", "#0b62c4", "#b3450a", "#14743f", "#8a3ab9", "#a8123e", "#4d5a66")
"""Ink, grid and six series on white paper; the HTML page has its own, for light and dark."""
DASHES = ("-", "--", ":")
MARKERS = "os^Dv"
LOG_ABOVE = 20
"""Loss parts that are further apart than this factor are drawn on a logarithmic axis."""


@dataclass(frozen=True)
class Drawing:
    """A figure and the numbers in it.

    Attributes:
        name: file name without ending, unique in a report.
        title: caption.
        svg: drawing that takes its colours from the page's custom properties.
        paper: the same with colours for a white page.
        data: CSV of what is drawn.
    """

    name: str
    title: str
    svg: str
    paper: str
    data: str


def learning_curves(runs: list[Run]) -> list[Drawing]:
    """The test metric per epoch, one figure a dataset and metric, with every run of it."""
    groups = defaultdict(list)
    for run in runs:
        if any(run.metric in mapping(row.get("test")) for row in run.history):
            groups[(str(run.data.get("name", "unknown")), run.metric, run.drawn)].append(run)
    drawings = []
    for (dataset, metric, drawn), members in groups.items():
        lines = {run.name: _series(run, "test", metric) for run in members}
        stars = [(_series(run, "test", metric), run) for run in members]
        marks = [(e, v) for s, r in stars for e, v in s if e == _headline_epoch(r)]
        mark = " (drawn data)" if drawn else ""
        drawings.append(
            _draw(
                f"test_{file_name(dataset)}_{file_name(metric)}{'_drawn' if drawn else ''}",
                f"Test {metric} on {dataset}{mark}; {HEADLINE} headline epoch",
                f"test {metric}",
                lines,
                share=members[0].percent,
                stars=marks,
            )
        )
    return drawings


def training_curves(run: Run) -> list[Drawing]:
    """The loss and its parts; and, where a run has them, mask rate and pseudo-label precision."""
    logged = list(dict.fromkeys(name for row in run.history for name in mapping(row.get("train"))))
    losses = [name for name in logged if "loss" in name]
    chosen = {"mask_rate": "mask rate", "pseudo_true_ratio": "pseudo-label precision"}
    drawings = []
    if losses:
        lines = {name: _series(run, "train", name) for name in losses}
        if len(lines) == 2 and len(set(map(tuple, lines.values()))) == 1:
            lines = {"loss": lines[losses[0]]}  # the loss has a single part
        drawings.append(
            _draw(f"loss_{file_name(run.name)}", f"Training loss of {run.name}", "loss", lines)
        )
    if any(name in logged for name in chosen):
        lines = {label: _series(run, "train", k) for k, label in chosen.items() if k in logged}
        title = f"Pseudo-labels of {run.name}"
        name = f"pseudo_labels_{file_name(run.name)}"
        drawings.append(_draw(name, title, "share", lines, share=True))
    return [drawing for drawing in drawings if drawing.data.count("\n") > 1]


def _series(run: Run, part: str, name: str) -> list[tuple[int, float]]:
    found = ((row["epoch"], mapping(row.get(part)).get(name)) for row in run.history)
    return [(epoch, value) for epoch, value in found if isinstance(value, int | float)]


def _headline_epoch(run: Run) -> int | None:
    return run.headline.get("epoch")


def file_name(name: str) -> str:
    """`name` as a file name and as an id of a page."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: f"_{ord(found[0]):x}_", name)


def _draw(
    name: str,
    title: str,
    ylabel: str,
    lines: dict[str, list[tuple[int, float]]],
    share: bool = False,
    stars: list[tuple[int, float]] | None = None,
) -> Drawing:
    style = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.family": "sans-serif",
        "font.size": 9,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "grid.color": GRID,
        "legend.frameon": False,
    }
    with matplotlib.rc_context(style):
        rows = -(-len(lines) // 2)
        figure = Figure(figsize=(4.4, 2.7 + 0.18 * rows), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        for number, (label, points) in enumerate(lines.items()):
            axes.plot(
                *(zip(*points, strict=True) if points else ((), ())),
                label=_plain(label),
                color=SERIES[number % len(SERIES)],
                linestyle=DASHES[number // len(SERIES) % len(DASHES)],
                marker=MARKERS[number % len(MARKERS)],
                markersize=3.5,
                linewidth=1.6,
            )
        for epoch, value in stars or ():
            axes.plot(epoch, value, marker="*", markersize=11, color=INK, markerfacecolor="none")
        _scale(axes, [v for points in lines.values() for _, v in points], share)
        axes.set(xlabel="epoch", ylabel=_plain(ylabel))
        axes.set_title(_plain(title), fontsize=9, loc="left")
        axes.grid(True, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside lower center", ncols=2, fontsize=8.5)
        svg = _svg(figure, name)
    screen = _coloured(svg, ["currentColor", "var(--grid)"] + [f"var(--s{n})" for n in range(6)])
    return Drawing(name, title, screen, _coloured(svg, PRINTED), _csv(lines))


def _scale(axes, values: list[float], share: bool) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    if share:
        top = max([*values, 0.05])
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0 if top > 0.2 else 1))
        axes.set_ylim(0, min(1.05, 1.15 * top))
    elif values and min(values) > 0 and max(values) > LOG_ABOVE * min(values):
        axes.set_yscale("log")
    elif values and min(values) >= 0:
        axes.set_ylim(bottom=0)


def _plain(label: str) -> str:
    """A label that matplotlib neither reads as mathematics nor leaves out of the legend."""
    return ("\u200b" if label.startswith("_") else "") + label.replace("$", r"\$")


def _svg(figure: Figure, name: str) -> str:
    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # A style element in a drawing would hold for the whole page.
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = svg.replace("<svg", '<svg stroke-linejoin="round" stroke-linecap="butt"', 1)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    # Several drawings share a page, so what they refer to needs names of its own.
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    return re.sub(r"(xlink:href=\"#|url\(#)", rf"\g<1>{name}-", svg)


def _coloured(svg: str, colours) -> str:
    for placeholder, colour in zip((INK, GRID, *SERIES), colours, strict=True):
        svg = svg.replace(placeholder, colour)
    return svg


def _csv(lines: dict[str, list[tuple[int, float]]]) -> str:
    epochs = sorted({epoch for points in lines.values() for epoch, _ in points})
    columns = [dict(points) for points in lines.values()]
    return csv_text(["epoch", *lines], [[e, *(c.get(e, "") for c in columns)] for e in epochs])


def csv_text(header: list[str], rows: list[list]) -> str:
    """Rows as CSV with ``\\n`` line ends."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()
