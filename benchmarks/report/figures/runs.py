"""Figures of runs: the test metric, the loss, the pseudo-labels, valence against arousal."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from benchmarks.ground.reading import mapping
from benchmarks.report.collect import Run
from benchmarks.report.figures.canvas import (
    INK,
    SERIES,
    Drawing,
    as_shares,
    csv_text,
    file_name,
    finish,
    line_style,
    plain,
    prepare,
    styled,
)
from benchmarks.report.tables.table import HEADLINE

LOG_ABOVE = 20
"""Loss parts that are further apart than this factor are drawn on a logarithmic axis."""
PANELS = {"mask_rate": "share kept", "precision": "share of the kept that is right"}
"""Columns of ``pseudo_labels.csv`` that are drawn per class."""
DIMENSIONS = ("valence", "arousal")
Lines = dict[str, list[tuple[int, float]]]
"""Label -> points (epoch, value)."""


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
        marks = [(e, v) for s, r in stars for e, v in s if e == r.headline.get("epoch")]
        mark = " (drawn data)" if drawn else ""
        drawings.append(
            _lines(
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
        name = f"loss_{file_name(run.name)}"
        drawings.append(_lines(name, f"Training loss of {run.name}", "loss", lines))
    if any(name in logged for name in chosen):
        lines = {label: _series(run, "train", k) for k, label in chosen.items() if k in logged}
        title = f"Pseudo-labels of {run.name}"
        name = f"pseudo_labels_{file_name(run.name)}"
        drawings.append(_lines(name, title, "share", lines, share=True))
    return [drawing for drawing in drawings if drawing.data.count("\n") > 1]


def _series(run: Run, part: str, name: str) -> list[tuple[int, float]]:
    found = ((row["epoch"], mapping(row.get(part)).get(name)) for row in run.history)
    return [(epoch, value) for epoch, value in found if isinstance(value, int | float)]


def _lines(
    name: str,
    title: str,
    ylabel: str,
    lines: Lines,
    share: bool = False,
    stars: list[tuple[int, float]] | None = None,
) -> Drawing:
    rows = -(-len(lines) // 2)
    with styled(name, 4.4, 2.7 + 0.18 * rows) as figure:
        axes = prepare(figure.add_subplot())
        for number, (label, points) in enumerate(lines.items()):
            xy = zip(*points, strict=True) if points else ((), ())
            axes.plot(*xy, label=plain(label), **line_style(number))
        for epoch, value in stars or ():
            axes.plot(epoch, value, marker="*", markersize=11, color=INK, markerfacecolor="none")
        _scale(axes, [v for points in lines.values() for _, v in points], share)
        axes.set(xlabel="epoch", ylabel=plain(ylabel))
        figure.legend(loc="outside lower center", ncols=2, fontsize=8.5)
        return finish(figure, name, title, _csv(lines))


def _scale(axes: Axes, values: list[float], share: bool) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    if share:
        as_shares(axes, values)
    elif values and min(values) > 0 and max(values) > LOG_ABOVE * min(values):
        axes.set_yscale("log")
    elif values and min(values) >= 0:
        axes.set_ylim(bottom=0)


def _csv(lines: Lines) -> str:
    epochs = sorted({epoch for points in lines.values() for epoch, _ in points})
    columns = [dict(points) for points in lines.values()]
    return csv_text(["epoch", *lines], [[e, *(c.get(e, "") for c in columns)] for e in epochs])


def diagnostics(run: Run) -> Drawing | None:
    """Mask rate and precision of the pseudo-labels per predicted class and epoch.

    None where the run has no ``pseudo_labels.csv``.
    """
    table = run.pseudo_labels
    if table is None or table.empty:
        return None
    name, title = f"classes_{file_name(run.name)}", f"Pseudo-labels of {run.name} by class"
    classes = list(dict.fromkeys(table["class"].astype(str)))
    with styled(name, 6.4, 2.6 + 0.18 * -(-len(classes) // 4)) as figure:
        for axes, (column, words) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
            prepare(axes, words)
            for number, label in enumerate(classes):
                rows = table[table["class"].astype(str) == label]
                values = pd.to_numeric(rows[column], errors="coerce")
                shown = plain(label) if column == "mask_rate" else None
                axes.plot(rows["epoch"], values, label=shown, **line_style(number))
            axes.set(xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
            kept = pd.to_numeric(table[column], errors="coerce").dropna()
            as_shares(axes, [float(value) for value in kept])
        figure.legend(loc="outside lower center", ncols=4, fontsize=8)
        return finish(figure, name, title, table.to_csv(index=False, lineterminator="\n"))


def scatter(run: Run) -> Drawing | None:
    """Predicted against true valence and arousal; None where the run wrote no predictions."""
    table = run.predictions
    if table is None or table.empty:
        return None
    name, title = f"va_{file_name(run.name)}", f"Valence and arousal of {run.name}"
    with styled(name, 6.4, 3.2) as figure:
        for number, (axes, dimension) in enumerate(
            zip(figure.subplots(1, 2), DIMENSIONS, strict=True)
        ):
            truth, guess = (table[c].to_numpy(float) for c in (f"true_{dimension}", dimension))
            finite = np.isfinite(truth) & np.isfinite(guess)
            truth, guess = truth[finite], guess[finite]
            prepare(axes, _agreement(dimension, truth, guess))
            axes.scatter(truth, guess, s=9, color=SERIES[number], linewidths=0, alpha=0.65)
            if len(truth):
                ends = [min(truth.min(), guess.min()), max(truth.max(), guess.max())]
                axes.plot(ends, ends, color=INK, linewidth=0.8, linestyle="--")
            axes.set(xlabel=f"true {dimension}", ylabel="predicted")
            axes.set_aspect("equal", adjustable="datalim")
        return finish(figure, name, title, table.to_csv(index=False, lineterminator="\n"))


def _agreement(dimension: str, truth: np.ndarray, guess: np.ndarray) -> str:
    """The title of a panel: Pearson's r where both sides vary."""
    varies = len(truth) > 1 and truth.std() > 0 and guess.std() > 0
    r = f", r = {np.corrcoef(truth, guess)[0, 1]:.2f}" if varies else ""
    return f"{dimension}{r}, {len(truth)} images"
