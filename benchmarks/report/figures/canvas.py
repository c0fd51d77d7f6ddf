"""Drawing SVG so that equal numbers give equal bytes and the page decides the colours."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

STYLE = Path(__file__).parents[1] / "templates" / "figures.mplstyle"
INK, GRID = "#010203", "#040506"  # as in the style
SERIES = tuple(f"#0708{n:02x}" for n in range(6))
"""Colours that stand for others until :func:`finish` puts those in."""
PRINTED = ("#1f2328", "#d5d9de", "#0b62c4", "#b3450a", "#14743f", "#8a3ab9", "#a8123e", "#4d5a66")
"""Ink, grid and six series on white paper; the HTML page has its own, for light and dark."""
SCREEN = ("currentColor", "var(--grid)", *(f"var(--s{n})" for n in range(6)))
DASHES = ("-", "--", ":")
MARKERS = "os^Dv"


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


@contextmanager
def styled(name: str, width: float, height: float) -> Iterator[Figure]:
    """A transparent figure of `width` by `height` inches under the report's style.

    What is drawn within the block depends on nothing but its numbers and `name`.
    """
    with matplotlib.rc_context({"svg.hashsalt": name}, STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.patch.set_alpha(0)
        yield figure


def prepare(axes: Axes, title: str = "") -> Axes:
    """Axes on the page's own ground, with a title."""
    axes.patch.set_alpha(0)
    axes.set_title(plain(title))
    return axes


def line_style(number: int) -> dict:
    """Colour, dash and marker of the series `number`; 30 differ."""
    return {
        "color": SERIES[number % len(SERIES)],
        "linestyle": DASHES[number // len(SERIES) % len(DASHES)],
        "marker": MARKERS[number % len(MARKERS)],
        "markersize": 3.5,
        "linewidth": 1.6,
    }


def as_shares(axes: Axes, values: list[float]) -> None:
    """Show the vertical axis in per cent, from 0 to just above the largest of `values`."""
    top = max([*values, 0.05])
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0 if top > 0.2 else 1))
    axes.set_ylim(0, min(1.05, 1.15 * top))


def plain(label: str) -> str:
    """A label that matplotlib neither reads as mathematics nor leaves out of the legend."""
    return ("\u200b" if label.startswith("_") else "") + label.replace("$", r"\$")


def finish(figure: Figure, name: str, title: str, data: str) -> Drawing:
    """The figure as SVG, once for the screen and once for paper."""
    svg = _svg(figure, name)
    return Drawing(name, title, _coloured(svg, SCREEN), _coloured(svg, PRINTED), data)


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


def _coloured(svg: str, colours: tuple[str, ...]) -> str:
    for placeholder, colour in zip((INK, GRID, *SERIES), colours, strict=True):
        svg = svg.replace(placeholder, colour)
    return svg


def file_name(name: str) -> str:
    """`name` as a file name and as an id of a page."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: f"_{ord(found[0]):x}_", name)


def csv_text(header: list[str], rows: list[list]) -> str:
    """Rows as CSV with ``\\n`` line ends."""
    frame = pd.DataFrame(rows, columns=header, dtype=object)
    return frame.to_csv(index=False, lineterminator="\n")
