"""The report's tables, free of any output format."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.report.collect import Run
from common.engine.protocols import MEANING

NONE = "–"
HEADLINE = "★"
SHARES = ("top1", "top5", "accuracy", "balanced_accuracy", "macro_f1")
"""Metrics that are fractions and shown in per cent."""


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


def score(value: Any, metric: str, marked: bool = False) -> Cell:
    """A metric's value: shares in per cent, everything else with four decimals."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Cell(NONE)
    shown = f"{value:.2%}" if metric in SHARES else f"{value:.4f}"
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
    """A row a run: what was trained on what, the four protocols, and the cost."""
    columns = ["run", "status", "method", "dataset", "labels", "backbone", "image size", "metric"]
    columns += [*MEANING, "images/s", "wall time", "device"]
    numeric = {"labels", "image size", *MEANING, "images/s", "wall time"}
    rows = []
    for run in runs:
        args, summary = run.arguments, run.summary
        protocols = summary.get("protocols") or {}
        head = (summary.get("headline") or {}).get("protocol")
        rows.append(
            [
                text(run.name),
                Cell(run.status, run.status, run.status != "finished"),
                text(run.config.get("method")),
                text(f"{run.data.get('name', NONE)}{' (drawn)' if run.drawn else ''}"),
                number(args.get("num_labels")),
                text(args.get("backbone")),
                number(args.get("image_size")),
                text(run.metric if summary else None),
                *(
                    score((protocols.get(p) or {}).get("value"), run.metric, marked=p == head)
                    for p in MEANING
                ),
                number(summary.get("train_images_per_second")),
                duration(summary.get("wall_s")),
                text(run.environment.get("device")),
            ]
        )
    return Table("Runs", columns, rows, frozenset(numeric))


def protocol_notes(runs: list[Run]) -> list[tuple[str, str]]:
    """(protocol, meaning) of all four, and a note on those that are a run's headline."""
    heads = {(run.summary.get("headline") or {}).get("protocol") for run in runs}
    notes = []
    for name, meaning in MEANING.items():
        if name == "val_selected":
            meaning += " (needs --val_fraction)"
        if name in heads:
            meaning += f" – {HEADLINE} the headline number of the runs that it is marked in"
        notes.append((name, meaning))
    return notes


def environment_table(runs: list[Run]) -> Table:
    """A row a run: commit, seed, threads and versions."""
    libraries = list(dict.fromkeys(k for r in runs for k in r.environment.get("versions") or {}))
    columns = ["run", "commit", "seed", "threads", "platform", "python", *libraries]
    rows = [
        [
            text(run.name),
            text((run.environment.get("commit") or "")[:12] + _dirty(run)),
            number(run.environment.get("seed")),
            number(run.environment.get("threads")),
            text(run.environment.get("platform")),
            text(run.environment.get("python")),
            *(text((run.environment.get("versions") or {}).get(name)) for name in libraries),
        ]
        for run in runs
    ]
    return Table("Environment", columns, rows, frozenset({"seed", "threads"}))


def _dirty(run: Run) -> str:
    return " + changes" if (run.environment.get("commit") or "").endswith("+changes") else ""


def quirk_groups(runs: list[Run]) -> list[tuple[list[str], list[str]]]:
    """(names of runs, quirks in force in all of them), runs with equal quirks together."""
    groups: dict[tuple, list[str]] = {}
    for run in runs:
        if "quirks_in_force" in run.config:
            groups.setdefault(tuple(run.config["quirks_in_force"]), []).append(run.name)
    return [(names, list(quirks)) for quirks, names in groups.items()]


def parity_table(parity: dict) -> Table:
    """A row a package: how many of its cases ended how."""
    columns = ["package", "passed", "failed", "unsupported", "unreadable"]
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(columns[1:], 0))
    for case in parity["cases"]:
        package = str(case.get("kind") or "").partition("/")[0] or "unknown"
        status = case.get("status")
        if status in columns:
            counts[package][status] += 1
    rows = [
        [
            text(package),
            *(
                Cell(str(n), float(n), bool(n) and status in ("failed", "unreadable"))
                for status, n in of_package.items()
            ),
        ]
        for package, of_package in sorted(counts.items())
    ]
    return Table("Parity", columns, rows, frozenset(columns[1:]))


def parity_failures(parity: dict) -> Table | None:
    """The cases that failed or could not be read, if any."""
    bad = [case for case in parity["cases"] if case.get("status") in ("failed", "unreadable")]
    columns = ["case", "kind", "status", "max_abs", "max_rel", "message"]
    rows = [[records_cell(case.get(name)) for name in columns] for case in bad]
    numeric = frozenset({"max_abs", "max_rel"})
    return Table("Parity failures", columns, rows, numeric) if bad else None


def records_cell(value: Any) -> Cell:
    """Any JSON value in a cell."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return text({True: "yes", False: "no"}.get(value, value))
    if isinstance(value, int | float):
        return Cell(f"{value:.4g}" if isinstance(value, float) else str(value), float(value))
    return text(json.dumps(value, ensure_ascii=False))


def claims_table(claims: list[dict]) -> Table:
    """A row a claim: its sentence and its verdict."""
    rows = [[records_cell(c.get("claim")), records_cell(c.get("verdict"))] for c in claims]
    return Table("Claims", ["claim", "verdict"], rows)


def claim_details(claim: dict) -> tuple[list[tuple[str, str]], list[Table]]:
    """Everything else a claim's file says: single values, and lists of records as tables."""
    values, tables = [], []
    for key, value in claim.items():
        if key in ("claim", "verdict"):
            continue
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            columns = list(dict.fromkeys(name for row in value for name in row))
            rows = [[records_cell(row.get(name)) for name in columns] for row in value]
            numbers = frozenset(n for n in columns if isinstance(value[0].get(n), int | float))
            tables.append(Table(str(key), [str(name) for name in columns], rows, numbers))
        else:
            values.append((str(key), records_cell(value).text))
    return values, tables


def confusion(run: Run) -> tuple[list[str], list[list[int]]] | None:
    """(class names, counts [true][predicted]) at the headline epoch, where there is a matrix."""
    matrix = ((run.summary.get("at_headline") or {}).get("test") or {}).get("confusion")
    if not matrix:
        return None
    classes = [str(name) for name in run.data.get("classes") or ()]
    if len(classes) != len(matrix):
        classes = [str(number) for number in range(len(matrix))]
    return classes, matrix
