"""The report's tables, free of any output format."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.report.collect import Run, mapping
from common.metrics.protocols import MEANING

NONE = "–"
HEADLINE = "★"


@dataclass(frozen=True)
class Cell:
    """One field of a table.

    Attributes:
        text: what is shown.
        order: what the column is sorted by; None sorts last.
        marked: stands out: the headline number, a failure.
    """

    text: str
    order: float | str | None = None
    marked: bool = False


@dataclass
class Table:
    """Rows of cells under titles.

    Attributes:
        title: says what the table holds.
        columns: titles; those in `numeric` are aligned to the right.
        rows: as many cells as columns.
        numeric: titles of number columns.
    """

    title: str
    columns: list[str]
    rows: list[list[Cell]]
    numeric: frozenset[str] = field(default_factory=frozenset)

    def only(self, columns: Iterable[str]) -> Table:
        """The same table with some of its columns."""
        kept = [self.columns.index(name) for name in columns]
        return Table(
            self.title,
            [self.columns[i] for i in kept],
            [[row[i] for i in kept] for row in self.rows],
            self.numeric,
        )

    def filled(self) -> Table:
        """The same table without the columns that hold nothing in any row."""
        kept = [
            name
            for number, name in enumerate(self.columns)
            if any(row[number].text != NONE for row in self.rows)
        ]
        return self.only(kept)

    def plain(self) -> str:
        """Aligned columns of text."""
        lines = [self.columns, *([cell.text for cell in row] for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        right = [name in self.numeric for name in self.columns]
        lines.insert(1, ["-" * width for width in widths])
        return "\n".join(
            "  ".join(
                text.rjust(width) if numeric else text.ljust(width)
                for text, width, numeric in zip(line, widths, right, strict=True)
            ).rstrip()
            for line in lines
        )


def text(value: Any) -> Cell:
    """A cell of words."""
    shown = NONE if value is None or value == "" else str(value)
    return Cell(shown, None if shown == NONE else shown.lower())


def number(value: Any, digits: int = 0) -> Cell:
    """A cell with a number of so many decimals."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return text(value)
    return Cell(f"{value:.{digits}f}", float(value))


def score(value: Any, percent: bool, marked: bool = False) -> Cell:
    """A metric's value: fractions in per cent, everything else with four decimals."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Cell(NONE)
    shown = f"{value:.2%}" if percent else f"{value:.4f}"
    return Cell(f"{HEADLINE} {shown}" if marked else shown, float(value), marked)


def duration(seconds: Any) -> Cell:
    """Seconds as hours, minutes and seconds."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return Cell(NONE)
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    shown = " ".join(f"{n} {unit}" for n, unit in parts if n) or "0 s"
    return Cell(shown, float(seconds))


def headline_table(runs: list[Run]) -> Table:
    """A row a run: the four protocols first, then what was trained on what, and the cost.

    The status has a column where a run is not finished.
    """
    columns = ["run", "status", *MEANING, "metric", "method", "dataset", "labels", "backbone"]
    columns += ["image size", "images/s", "wall time", "device"]
    numeric = {"labels", "image size", *MEANING, "images/s", "wall time"}
    table = Table("Runs", columns, [_headline_row(run) for run in runs], frozenset(numeric))
    if all(run.status == "finished" for run in runs):
        return table.only(name for name in columns if name != "status")
    return table


def _headline_row(run: Run) -> list[Cell]:
    args, summary = run.arguments, run.summary
    setup = mapping(run.config.get("configuration"))  # where a file says what flags say elsewhere
    protocols = mapping(summary.get("protocols"))
    head = run.headline.get("protocol")
    return [
        text(run.name),
        Cell(run.status, run.status, run.status != "finished"),
        *(
            score(mapping(protocols.get(p)).get("value"), run.percent, marked=p == head)
            for p in MEANING
        ),
        text(run.metric if summary else None),
        text(run.config.get("method")),
        text(f"{run.data.get('name', NONE)}{' (drawn)' if run.drawn else ''}"),
        number(args.get("num_labels") or _per_cent(args.get("anno_percent"))),
        text(args.get("backbone") or args.get("model")),
        number(args.get("image_size") or args.get("input_size") or setup.get("image_size")),
        number(summary.get("train_images_per_second")),
        duration(summary.get("wall_s")),
        text(run.environment.get("device")),
    ]


def _per_cent(share: Any) -> str | None:
    """A share of labelled images, where a run asks for a share."""
    return f"{100 * share:g} %" if isinstance(share, int | float) else None


def protocol_notes(runs: list[Run]) -> list[tuple[str, str]]:
    """(protocol, meaning) of all four, and a note on those that are a run's headline."""
    heads = {run.headline.get("protocol") for run in runs}
    notes = []
    for name, meaning in MEANING.items():
        if name == "val_selected":
            meaning += " (needs --val_fraction)"
        if name in heads:
            meaning += f"; the headline number where it is marked {HEADLINE}"
        notes.append((name, meaning))
    return notes


def environment_table(runs: list[Run]) -> Table:
    """A row a run: commit, seed, threads and versions."""
    libraries = list(dict.fromkeys(k for r in runs for k in mapping(r.environment.get("versions"))))
    columns = ["run", "commit", "seed", "threads", "platform", "python", *libraries]
    rows = [
        [
            text(run.name),
            text((run.environment.get("commit") or "")[:12] + _dirty(run)),
            number(run.environment.get("seed")),
            number(run.environment.get("threads")),
            text(run.environment.get("platform")),
            text(run.environment.get("python")),
            *(text(mapping(run.environment.get("versions")).get(name)) for name in libraries),
        ]
        for run in runs
    ]
    return Table("Environment", columns, rows, frozenset({"seed", "threads"}))


def _dirty(run: Run) -> str:
    return " + changes" if (run.environment.get("commit") or "").endswith("+changes") else ""


def command(run: Run) -> str:
    """The command line of a run, as a shell takes it."""
    return shlex.join(map(str, run.environment.get("command") or []))


def quirk_groups(runs: list[Run]) -> list[tuple[list[str], list[str]]]:
    """(names of runs, quirks in force in all of them), runs with equal quirks together."""
    groups: dict[tuple, list[str]] = {}
    for run in runs:
        if isinstance(quirks := run.config.get("quirks_in_force"), list):
            groups.setdefault(tuple(map(str, quirks)), []).append(run.name)
    return [(names, list(quirks)) for quirks, names in groups.items()]


def records_cell(value: Any) -> Cell:
    """Any JSON value in a cell."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return text({True: "yes", False: "no"}.get(value, value))
    if isinstance(value, int | float):
        return Cell(f"{value:.4g}" if isinstance(value, float) else str(value), float(value))
    return text(json.dumps(value, ensure_ascii=False))


def confusion(run: Run) -> tuple[list[str], list[list[int]]] | None:
    """(class names, counts [true][predicted]) at the headline epoch, where there is a matrix."""
    matrix = mapping(mapping(run.summary.get("at_headline")).get("test")).get("confusion")
    if not isinstance(matrix, list) or not all(isinstance(row, list) for row in matrix):
        return None
    classes = list(map(str, run.data.get("classes") or ()))
    if len(classes) != len(matrix):
        classes = [str(number) for number in range(len(matrix))]
    return classes, matrix
