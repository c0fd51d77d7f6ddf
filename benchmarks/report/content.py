"""What a report says, put together once for every output format."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.report import effects, evidence_tables, figures, tables
from benchmarks.report.canvas import Drawing, csv_text, file_name
from benchmarks.report.collect import Run
from benchmarks.report.history import History
from common.engine.run_folder import DRAWN

MADE_BY = {
    "claims": ("No claim has a result here.", "python -m benchmarks claims --run"),
    "ledger": ("The ledger has no row here.", "python -m benchmarks list --summary"),
    "parity": (
        "No parity result was given.",
        "python -m benchmarks parity --json parity.json, then report --parity parity.json",
    ),
    "runs": ("No run was given.", "python -m benchmarks demo, or report --runs DIR"),
    "curves": (
        "No run with an evaluated epoch was given.",
        "python s2ver/main.py, then report --runs saved_models",
    ),
    "confusion": (
        "No run with a confusion matrix was given.",
        "python s2ver/main.py, then report --runs saved_models",
    ),
    "pseudo": (
        "No run with pseudo-labels was given.",
        "python s2ver/main.py, then report --runs saved_models",
    ),
    "va": (
        "No run with predictions of valence and arousal was given.",
        "python dimva/train.py, then report --runs FOLDER",
    ),
    "speed": ("No speed was measured.", "python -m benchmarks speed --out FILE"),
}
"""Section -> what is missing where it is empty, and the command that makes it."""


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
        sources: the results files behind claims, shown in full.
        rows: the ledger, a row an object.
        history: the evidence of its rows over the commits.
        speed: measurements of speed, as read from their files.
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
    claims: list[dict] = field(default_factory=list)
    sources: list[dict] = field(default_factory=list)
    rows: list[dict] = field(default_factory=list)
    history: History = field(default_factory=dict)
    speed: list[dict] = field(default_factory=list)
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
        return runs + [effects.sentence(c) for c in self.claims if DRAWN in map(str, c.values())]

    @property
    def troubled(self) -> list[Run]:
        """Runs that are unfinished, or of which something could not be read."""
        return [run for run in self.runs if run.problems or run.status != "finished"]

    @property
    def failures(self) -> list[tuple[str, str]]:
        """What must be seen first: (section, sentence) of failed parity kinds and claims."""
        found = []
        if self.parity is not None:
            for row in evidence_tables.parity_kinds(self.parity).rows:
                bad = sum(int(cell.text) for cell in row if cell.marked)
                if bad:
                    total = sum(int(cell.text) for cell in row[2:6])
                    found.append(("parity", f"Parity fails: {row[0].text}, {bad} of {total} cases"))
        for claim in self.claims:
            verdict = claim.get("verdict")
            if effects.verdict_class(verdict) == "bad":
                found.append(("claims", f"Claim {verdict}: {effects.sentence(claim)}"))
        return found

    @property
    def data_files(self) -> dict[str, str]:
        """File name -> CSV behind every figure and matrix, and behind the sparklines."""
        files = {f"{item.name}.csv": item.data for item in [*self.drawings, *self.matrices]}
        if self.history:
            files["history.csv"] = evidence_tables.history_csv(self.history)
        return files


def build(
    runs: list[Run],
    parity: dict | None = None,
    claims: list[dict] | None = None,
    rows: list[dict] | None = None,
    history: History | None = None,
    speed: list[dict] | None = None,
    sources: list[dict] | None = None,
) -> Report:
    """Draw the figures and collect the rest; see :class:`Report`."""
    matrices = []
    for run in runs:
        if found := tables.confusion(run):
            epoch = run.summary["at_headline"].get("epoch")
            title = f"Confusion of {run.name} at epoch {epoch}"
            matrices.append(Matrix(f"confusion_{file_name(run.name)}", title, *found))
    return Report(
        runs=runs,
        parity=parity,
        claims=claims or [],
        sources=sources or [],
        rows=rows or [],
        history=history or {},
        speed=speed or [],
        curves=figures.learning_curves(runs),
        matrices=matrices,
        diagnostics=[drawing for run in runs if (drawing := figures.diagnostics(run))],
        scatters=[drawing for run in runs if (drawing := figures.scatter(run))],
        training={run.name: figures.training_curves(run) for run in runs},
        effects=effects.forest(claims or []),
        bars=evidence_tables.speed_bars(speed or []),
    )
