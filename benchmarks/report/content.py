"""What a report says, put together once for every output format."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.report import figures, tables
from benchmarks.report.collect import Run
from common.engine.launch import DRAWN


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix at a run's headline epoch.

    Attributes:
        name: file name without ending.
        title: caption.
        classes: names, in the order of rows (true) and columns (predicted).
        counts: test images.
    """

    name: str
    title: str
    classes: list[str]
    counts: list[list[int]]

    @property
    def data(self) -> str:
        """CSV, a row a true class."""
        rows = [[c, *row] for c, row in zip(self.classes, self.counts, strict=True)]
        return figures.csv_text(["true \\ predicted", *self.classes], rows)


@dataclass(frozen=True)
class Report:
    """Everything that both pages show.

    Attributes:
        runs: in the order given.
        curves: learning curves, a figure a dataset; then the training curves of every run.
        matrices: a confusion matrix a run, where it has one.
        parity: result of the parity command, or None.
        claims: as read from their files.
    """

    runs: list[Run]
    curves: list[figures.Drawing]
    matrices: list[Matrix]
    parity: dict | None
    claims: list[dict]

    @property
    def drawn(self) -> list[str]:
        """What rests on drawn stand-in data: runs by name, claims by their sentence."""
        runs = [f"{run.name} ({run.data.get('name', '?')})" for run in self.runs if run.drawn]
        return runs + [str(c.get("claim")) for c in self.claims if DRAWN in map(str, c.values())]

    @property
    def troubled(self) -> list[Run]:
        """Runs that are unfinished, or of which something could not be read."""
        return [run for run in self.runs if run.problems or run.status != "finished"]


def build(runs: list[Run], parity: dict | None = None, claims: list[dict] | None = None) -> Report:
    """Draw the figures and collect the rest."""
    curves = figures.learning_curves(runs)
    matrices = []
    for run in runs:
        curves += figures.training_curves(run)
        if found := tables.confusion(run):
            epoch = run.summary["at_headline"].get("epoch")
            title = f"Confusion of {run.name} at epoch {epoch}"
            name = f"confusion_{figures.file_name(run.name)}"
            matrices.append(Matrix(name, title, *found))
    return Report(runs, curves, matrices, parity, claims or [])
