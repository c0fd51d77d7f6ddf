"""How the values of the ledger's rows changed: ``results/history.csv``, a line a measurement."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ground.results_file import RESULTS
from benchmarks.report.figures.canvas import csv_text
from common.cli import UserError
from common.files import replacing

FILE = RESULTS / "history.csv"
COLUMNS = ["date", "commit", "row", "value"]


@dataclass(frozen=True)
class Point:
    """A value at a commit.

    Attributes:
        commit: its id.
        date: YYYY-MM-DD.
        value: in the unit of the results file.
    """

    commit: str
    date: str
    value: float


History = dict[str, list[Point]]
"""Row id -> its points, oldest first."""


def read(file: Path = FILE) -> History:
    """The points of every row; none where there is no such file.

    Raises:
        UserError: the file holds something else.
    """
    history: History = {}
    try:
        with open(file, encoding="utf-8", newline="") as lines:
            for line in csv.DictReader(lines):
                point = Point(line["commit"], line["date"], float(line["value"]))
                history.setdefault(line["row"], []).append(point)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{file} holds no history ({error!r}); take it from git again.") from None
    return history


def extended(history: History, rows: Iterable[dict]) -> History:
    """The points of some rows up to today: of every claim, and of the rows that have a past.

    Args:
        rows: ledger rows as objects with ``id``, ``kind``, ``value``, ``commit`` and ``date``.
    """
    found: History = {}
    for row in rows:
        past, value = history.get(row["id"], []), row.get("value")
        if value is None or not (past or row.get("kind") == "claim"):
            continue
        now = Point(str(row.get("commit") or ""), str(row.get("date") or ""), float(value))
        found[row["id"]] = past if past and past[-1].value == now.value else [*past, now]
    return found


def table(history: History) -> str:
    """CSV, a line a measurement, oldest first."""
    lines = [[p.date, p.commit, name, p.value] for name, ps in history.items() for p in ps]
    return csv_text(COLUMNS, sorted(lines, key=lambda line: line[0]))


def save(history: History, file: Path = FILE) -> None:
    """Write the table."""
    with replacing(file) as part:
        part.write_text(table(history), encoding="utf-8")
