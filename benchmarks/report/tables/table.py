"""Tables free of any output format: what is shown, what it is sorted by, what stands out."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd
from tabulate import tabulate

from benchmarks.ground.results_file import is_number

NONE = "–"
HEADLINE = "★"
BAD, BEST = "bad", "marked"
"""Marks of cells, by their class on the page: a failure, the headline number."""


@dataclass(frozen=True)
class Cell:
    """One field of a table.

    Attributes:
        text: what is shown.
        order: what the column is sorted by; None sorts last.
        mark: empty, or one of :data:`BAD` and :data:`BEST`.
    """

    text: str
    order: float | str | None = None
    mark: str = ""


EMPTY = Cell(NONE)


def cell(value: Any, form: str = "", mark: str = "") -> Cell:
    """A cell of any JSON value.

    Args:
        value: None, empty text and NaN are shown as nothing.
        form: format of a number; four digits where empty, whole numbers as they are.
        mark: see :class:`Cell`; only where there is a value.
    """
    if isinstance(value, Cell):
        return value
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return EMPTY
    if is_number(value):
        form = form or (".4g" if isinstance(value, float) else "d")
        return Cell(format(value, form), float(value), mark)
    if isinstance(value, bool):
        value = "yes" if value else "no"
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Cell(shown, shown.lower(), mark)


def number(value: Any, form: str = ".0f") -> Cell:
    """A cell of a number; anything else is shown as words."""
    return cell(value, form)


def score(value: Any, percent: bool, best: bool = False) -> Cell:
    """A metric's value: fractions in per cent, everything else with four decimals."""
    if not is_number(value):
        return EMPTY
    shown = cell(value, ".2%" if percent else ".4f")
    return Cell(f"{HEADLINE} {shown.text}", shown.order, BEST) if best else shown


def duration(seconds: Any) -> Cell:
    """Seconds as hours, minutes and seconds."""
    if not is_number(seconds):
        return EMPTY
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return Cell(" ".join(f"{n} {unit}" for n, unit in parts if n) or "0 s", float(seconds))


class Table:
    """Rows of cells under titles.

    Args:
        title: says what the table holds.
        rows: column -> value, see :func:`cell`; a column may be missing in some.
    """

    def __init__(self, title: str, rows: Iterable[dict[str, Any]]):
        found = list(rows)
        self.title = title
        self.columns = list(dict.fromkeys(name for row in found for name in row))
        self.rows = [{name: cell(row.get(name)) for name in self.columns} for row in found]

    def only(self, columns: Iterable[str]) -> Table:
        """The same table with some of its columns."""
        kept = list(columns)
        return Table(self.title, ({name: row[name] for name in kept} for row in self.rows))

    def filled(self) -> Table:
        """The same table without the columns that hold nothing in any row."""
        return self.only(n for n in self.columns if any(r[n].text != NONE for r in self.rows))

    def is_numeric(self, column: str) -> bool:
        """Whether a column holds numbers, and nothing else."""
        orders = [row[column].order for row in self.rows if row[column].order is not None]
        return bool(orders) and all(map(is_number, orders))

    def values(self, column: str) -> list[str]:
        """The different texts of a column, sorted."""
        return sorted({row[column].text for row in self.rows})

    def widest(self, column: str) -> int:
        """Characters of the longest text of a column."""
        return max((len(row[column].text) for row in self.rows), default=0)

    def records(self) -> list[dict[str, Any]]:
        """The rows as objects: numbers as numbers, everything else as it is shown."""
        numeric = {name for name in self.columns if self.is_numeric(name)}
        return [{n: c.order if n in numeric else c.text for n, c in r.items()} for r in self.rows]

    def plain(self) -> str:
        """Aligned columns of text."""
        texts = [[c.text for c in row.values()] for row in self.rows]
        return tabulate(texts, self.columns, "simple", colalign=self._sides(), **_AS_IT_IS)

    def markdown(self) -> str:
        """A pipe table."""
        texts = [
            [f"**{escape(c.text)}**" if c.mark else escape(c.text) for c in row.values()]
            for row in self.rows
        ]
        frame = pd.DataFrame(texts, columns=[escape(name) for name in self.columns])
        return frame.to_markdown(index=False, colalign=self._sides(), **_AS_IT_IS)

    def _sides(self) -> list[str] | None:
        sides = ["right" if self.is_numeric(name) else "left" for name in self.columns]
        return sides if self.rows else None


_AS_IT_IS: dict[str, Any] = {"disable_numparse": True}  # texts are texts: 1.50 stays 1.50


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*_|<>\[\]$#])", r"\\\1", " ".join(text.split()))
