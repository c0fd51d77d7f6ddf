"""What a report says, put together once for every output format."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.claims.findings import Finding
from benchmarks.ground.results_file import Results
from benchmarks.ground.statistics import Tone
from benchmarks.report import history
from benchmarks.report.collect import Run
from benchmarks.report.figures import evidence as evidence_figures
from benchmarks.report.figures import runs as figures
from benchmarks.report.figures.canvas import Drawing, csv_text, file_name
from benchmarks.report.history import History
from benchmarks.report.tables import evidence
from benchmarks.report.tables import runs as run_tables


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
        return csv_text(["true \\ predicted", *self.classes], rows)


@dataclass(frozen=True)
class Report:
    """Everything that the pages show.

    Attributes:
        runs: in the order given.
        parity: result of the parity command, or None.
        claims: a verdict each.
        sources: the results files behind claims, by name, shown in full.
        rows: the ledger, a row an object.
        history: the values of its rows over the commits.
        speed: measurements of speed, by the name of their file.
        curves: learning curves, a figure a dataset and metric.
        matrices: a confusion matrix a run, where it has one.
        diagnostics: pseudo-labels by class, a figure a run that has them.
        scatters: valence and arousal, a figure a run that predicts them.
        training: run name -> its training curves.
        effects: the claims' intervals, or None.
        bars: the speeds, or None.
    """

    runs: list[Run]
    parity: dict | None = None
    claims: list[Finding] = field(default_factory=list)
    sources: dict[str, Results] = field(default_factory=dict)
    rows: list[dict] = field(default_factory=list)
    history: History = field(default_factory=dict)
    speed: dict[str, Results] = field(default_factory=dict)
    curves: list[Drawing] = field(default_factory=list)
    matrices: list[Matrix] = field(default_factory=list)
    diagnostics: list[Drawing] = field(default_factory=list)
    scatters: list[Drawing] = field(default_factory=list)
    training: dict[str, list[Drawing]] = field(default_factory=dict)
    effects: Drawing | None = None
    bars: Drawing | None = None

    @property
    def drawings(self) -> list[Drawing]:
        """Every figure once."""
        single = [drawing for drawing in (self.effects, self.bars) if drawing]
        training = [drawing for drawings in self.training.values() for drawing in drawings]
        return [*single, *self.curves, *self.diagnostics, *self.scatters, *training]

    @property
    def drawn(self) -> list[str]:
        """What rests on drawn stand-in data: runs by name, claims by their sentence."""
        runs = [f"{run.name} ({run.data.get('name', '?')})" for run in self.runs if run.drawn]
        return runs + list(dict.fromkeys(f.statement for f in self.claims if f.drawn))

    @property
    def troubled(self) -> list[Run]:
        """Runs that are unfinished, or of which something could not be read."""
        return [run for run in self.runs if run.problems or run.status != "finished"]

    @property
    def failures(self) -> list[tuple[str, str]]:
        """What must be seen first: (section, sentence) of failed parity kinds and claims."""
        found = []
        for row in evidence.parity_tables(self.parity)[1].rows if self.parity else ():
            counts = {name: int(row[name].order) for name in evidence.OUTCOMES}
            if bad := sum(counts[name] for name in evidence.FAILED):
                text = f"Parity fails: {row['kind'].text}, {bad} of {sum(counts.values())} cases"
                found.append(("parity", text))
        for claim in self.claims:
            if claim.verdict.tone is Tone.BAD:
                found.append(("claims", f"Claim {claim.verdict}: {evidence.name_of(claim)}"))
        return found

    @property
    def data_files(self) -> dict[str, str]:
        """File name -> CSV behind every figure and matrix, and behind the sparklines."""
        files = {f"{item.name}.csv": item.data for item in [*self.drawings, *self.matrices]}
        if self.history:
            files["history.csv"] = history.table(self.history)
        return files


def build(
    runs: list[Run],
    parity: dict | None = None,
    claims: list[Finding] = (),
    rows: list[dict] = (),
    past: History | None = None,
    sources: dict[str, Results] | None = None,
) -> Report:
    """Draw the figures and collect the rest; see :class:`Report`.

    Args:
        past: the values of rows in earlier measurements.
        sources: results files of claims and of speed.
    """
    matrices = []
    for run in runs:
        if found := run_tables.confusion(run):
            epoch = run.summary["at_headline"].get("epoch")
            title = f"Confusion of {run.name} at epoch {epoch}"
            matrices.append(Matrix(f"confusion_{file_name(run.name)}", title, *found))
    sources = sources or {}
    speed = {name: results for name, results in sources.items() if results.kind == "speed"}
    return Report(
        runs=runs,
        parity=parity,
        claims=sorted(claims, key=lambda finding: finding.mean is None),
        sources={name: r for name, r in sources.items() if r.kind == "claim"},
        rows=list(rows),
        history=history.extended(past or {}, rows),
        speed=speed,
        curves=figures.learning_curves(runs),
        matrices=matrices,
        diagnostics=[drawing for run in runs if (drawing := figures.diagnostics(run))],
        scatters=[drawing for run in runs if (drawing := figures.scatter(run))],
        training={run.name: figures.training_curves(run) for run in runs},
        effects=evidence_figures.forest(list(claims)),
        bars=evidence_figures.speed_bars(speed),
    )
