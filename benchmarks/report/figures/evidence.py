"""Figures of claims and of speed."""

from __future__ import annotations

from benchmarks.claims.findings import Finding
from benchmarks.ground.results_file import Results
from benchmarks.ground.statistics import Tone
from benchmarks.report.figures.canvas import (
    INK,
    SERIES,
    Drawing,
    csv_text,
    finish,
    plain,
    prepare,
    styled,
)
from benchmarks.report.tables.evidence import name_of, speed_table
from benchmarks.report.tables.table import NONE

COLOURS = {Tone.GOOD: SERIES[0], Tone.BAD: SERIES[4], Tone.OPEN: SERIES[5]}


def forest(claims: list[Finding]) -> Drawing | None:
    """Every effect as a point with its interval, zero marked; None without any."""
    found = [f for f in claims if f.interval_95]
    if not found:
        return None
    title = "Effects with 95% intervals (metric's own unit; right of 0 favours the claim)"
    with styled("claims", 4.6, 0.6 + 0.46 * len(found)) as figure:
        axes = prepare(figure.add_subplot())
        for line, f in enumerate(found):
            colour, text = COLOURS[f.verdict.tone], name_of(f)
            axes.plot(f.interval_95, (line, line), color=colour, linewidth=2)
            axes.plot(f.mean, line, marker="o", markersize=6, color=colour)
            short = text if len(text) <= 68 else f"{text[:67]}…"
            where = axes.get_yaxis_transform()
            axes.text(0, line - 0.28, plain(short), fontsize=8, transform=where)
        axes.axvline(0, color=INK, linewidth=0.9, linestyle="--")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_ylim(len(found) - 0.6, -0.8)
        columns = ["claim", "compared", "mean", "low_95", "high_95", "seeds", "verdict"]
        rows = [
            [f.statement, f.compared, f.mean, *f.interval_95, len(f.seeds), str(f.verdict)]
            for f in found
        ]
        return finish(figure, "claims", title, csv_text(columns, rows))


def speed_bars(speed: dict[str, Results]) -> Drawing | None:
    """The ratios as bars, a colour a measurement; None without any."""
    table = speed_table(speed)
    bars = [row for row in table.rows if row["speed-up"].text != NONE]
    if not bars:
        return None
    files = list(speed)
    with styled("speed", 5.4, 0.9 + 0.3 * len(bars)) as figure:
        axes = prepare(figure.add_subplot())
        for line, row in enumerate(bars):
            ratio = row["speed-up"]
            colour = SERIES[files.index(row["file"].text) % len(SERIES)]
            bar = axes.barh(line, ratio.order, height=0.62, color=colour)
            axes.bar_label(bar, [f"{ratio.text}×"], padding=3, fontsize=8)
        names = [plain(row["variant"].text) for row in bars]
        axes.set_yticks(range(len(bars)), names, fontsize=8)
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlim(0, 1.15 * max(row["speed-up"].order for row in bars))
        axes.tick_params(axis="y", length=0)
        axes.grid(False, axis="y")
        data = csv_text(table.columns, [[c.text for c in row.values()] for row in bars])
        return finish(figure, "speed", "Speed-up over the plain variant of the same run", data)
