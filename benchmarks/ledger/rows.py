"""The ledger: every number the papers report, where it was read, and what became of it here.

``papers/<paper>.yaml`` beside this file holds a line per reported number; a table's lines share
what stands at the table. `load` makes typed rows of them; `benchmarks.ledger.measured` adds what
was measured here, so that a number of a README is a row, whoever reported it.

A number that could not be found is a row with value null and a note. It is never guessed.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from common.cli import UserError
from common.metrics.protocols import MEANING

PAPERS = Path(__file__).with_name("papers")
KINDS = ("reported", "claim", "measured")
STATUSES = {
    "reproduced": "a run of the row's command, on the data it names, gave a value inside",
    "weights verified": "the published weights gave the value on the data it names",
    "claim holds on stand-in": "the statement holds on data that can be held here",
    "claim fails on stand-in": "the statement is contradicted on data that can be held here",
    "claim undecided on stand-in": "the interval on data that can be held here contains no effect",
    "measured here": "a figure of a results file of this repository, not of a paper",
    "blocked by data": "the command is here, the data or the weights are not",
    "stale": "the code that computes was changed since the evidence was made",
    "untested": "there is no evidence yet, or nothing here can make it",
}
NEED_EVIDENCE = set(STATUSES) - {"blocked by data", "untested"}
CONFIDENCE = ("read", "secondary", "measured", "unknown")


@dataclass(frozen=True)
class LedgerRow:
    """One number.

    Attributes:
        id: unique; ``<paper>/<table>/…``.
        paper: the package it belongs to.
        kind: one of :data:`KINDS`.
        reported_in: the publication, or the results file.
        table: of the publication.
        method: as the publication calls it.
        dataset, split: what it was measured on.
        protocol: which epoch, which folds, which labels.
        metric: name, with its unit.
        value: None where it is unknown; `note` says so.
        std: as reported; None where none is.
        labels, fraction: label budget, as a number of images or a share of the training set.
        seeds: trainings behind the value; None where the publication does not say.
        source: page or file it was read in.
        read_how: how it was read there.
        confidence: one of :data:`CONFIDENCE`; ``secondary`` is quoted by someone else.
        command: what trains it here; None where nothing does, and `no_command` says why.
        tolerance: distance from the value, in the metric's unit, within which a repetition counts
            as the same; None where the row has no value.
        tolerance_why: reason of that distance.
        status: a key of :data:`STATUSES`.
        evidence, date, commit: file behind the status, and when and at which code it was made.
        judged_on: which of the four protocols the value is; empty where it is not said.
        train_images, test_images: sizes of the splits, where the publication says them.
        unlike: what keeps the number from being compared with a run here, whatever the run is.
        interval: 95 % interval of a claim's effect.
    """

    id: str
    paper: str
    kind: str
    reported_in: str
    table: str
    method: str
    dataset: str
    protocol: str
    metric: str
    source: str
    read_how: str
    confidence: str
    status: str
    split: str = "test"
    value: float | None = None
    std: float | None = None
    labels: int | None = None
    fraction: float | None = None
    seeds: int | None = None
    command: str | None = None
    no_command: str = ""
    tolerance: float | None = None
    tolerance_why: str = ""
    evidence: str | None = None
    date: str | None = None
    commit: str | None = None
    note: str = ""
    judged_on: str = ""
    train_images: int | None = None
    test_images: int | None = None
    unlike: str = ""
    interval: tuple[float, float] | None = None

    @property
    def budget(self) -> str:
        """The label budget in words."""
        if self.labels is not None:
            return f"{self.labels} labels"
        return f"{100 * self.fraction:g} % of the labels" if self.fraction is not None else ""

    @property
    def percent(self) -> bool:
        """True where the value counts per cent; otherwise it is in the metric's own unit."""
        return "%" in self.metric

    def as_dict(self) -> dict[str, Any]:
        """All fields and the budget in words, as JSON can hold them."""
        return {**asdict(self), "budget": self.budget}


FIELDS = {f.name: f for f in fields(LedgerRow)}
REQUIRED = {name for name, f in FIELDS.items() if f.default is MISSING}
SHARED = ("commands", "data_flags", "rows")  # of a table, beside defaults of its rows


def load(papers: Iterable[str] | None = None) -> list[LedgerRow]:
    """The reported rows.

    Args:
        papers: names of packages; None takes all.

    Raises:
        UserError: a file breaks the schema, or there is no file for one of `papers`.
    """
    return chosen(
        [row for path in sorted(PAPERS.glob("*.yaml")) for row in read_file(path)], papers
    )


def chosen(rows: list[LedgerRow], papers: Iterable[str] | None = None) -> list[LedgerRow]:
    """The rows of some papers, checked.

    Raises:
        UserError: a row breaks the schema, or one of `papers` has no row.
    """
    here = sorted({row.paper for row in rows})
    if papers is not None and (unknown := sorted(set(papers) - set(here))):
        raise UserError(f"the ledger has no paper '{unknown[0]}'; it has {', '.join(here)}.")
    rows = [row for row in rows if papers is None or row.paper in papers]
    if problems := check(rows):
        raise UserError(f"the ledger breaks its schema: {problems[0]}")
    return rows


def find(row_id: str, rows: list[LedgerRow]) -> LedgerRow:
    """The row of an id.

    Raises:
        UserError: there is none; names the nearest ids.
    """
    for row in rows:
        if row.id == row_id:
            return row
    near = difflib.get_close_matches(row_id, [row.id for row in rows], n=3, cutoff=0.3)
    raise UserError(
        f"the ledger has no row '{row_id}'"
        + (f"; the nearest are {', '.join(near)}" if near else "")
        + ". `python -m benchmarks list` prints all."
    )


def read_file(path: Path) -> list[LedgerRow]:
    """The reported rows of one file.

    Raises:
        UserError: no valid YAML, or an unknown or missing field; names the row.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"the ledger file {path} cannot be read: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("tables"), list):
        raise UserError(f"the ledger file {path} has no list 'tables'.")
    rows = []
    for table in content["tables"]:
        defaults = {
            "paper": content["paper"],
            "reported_in": content["title"],
            **_source(content, table, path),
            **{k: v for k, v in table.items() if k not in (*SHARED, "source")},
        }
        rows += [_row(line, defaults, table, content, path) for line in table["rows"]]
    return rows


def _source(content: dict, entry: dict, path: Path) -> dict:
    """Fields of the named source; a table or a row gives its key."""
    if "source" not in entry:
        return {}
    try:
        source = content["sources"][entry["source"]]
    except KeyError:
        raise UserError(f"{path}: there is no source '{entry['source']}'.") from None
    return {"source": source["where"], "read_how": source["how"]}


def _row(line: dict, defaults: dict, table: dict, content: dict, path: Path) -> LedgerRow:
    row = {"kind": "reported", **defaults, **line, **_source(content, line, path)}
    if unknown := row.keys() - FIELDS.keys():
        raise UserError(f"{path}, row {line.get('id')}: unknown field '{sorted(unknown)[0]}'.")
    if missing := REQUIRED - row.keys():
        raise UserError(f"{path}, row {line.get('id')}: '{sorted(missing)[0]}' is missing.")
    row["id"] = f"{content['paper']}/{row['id']}"
    if row.get("std") is not None:
        row.setdefault("tolerance", row["std"])
        row.setdefault("tolerance_why", "the deviation that is printed beside it")
    template = row.get("command") or table.get("commands", {}).get(row["method"])
    data = table.get("data_flags", {}).get(row["dataset"], "")
    if "no_command" in line or (template and "{data}" in template and not data):
        template = None
    if template:
        row["command"] = _filled(template, row, data)
        row["no_command"] = ""
    elif row["status"] == "blocked by data":
        row["status"] = "untested"  # nothing here could run it, data or no data
    return LedgerRow(**row)


def _filled(template: str, row: dict, data: str) -> str:
    """A command with the row's budget in place of {labels}, {fraction} and {share} (0.10)."""
    fraction = row.get("fraction")
    share = None if fraction is None else f"{fraction:.2f}"
    budget = {"labels": row.get("labels"), "fraction": fraction, "share": share}
    return " ".join(template.replace("{data}", data).format(**budget).split())


def check(rows: list[LedgerRow]) -> list[str]:
    """What is wrong with the rows, a sentence each; empty when nothing is."""
    ids = Counter(row.id for row in rows)
    problems = [f"the id {name} is used twice." for name, n in ids.items() if n > 1]
    return problems + [f"row {row.id}: {text}" for row in rows for text in _problems(row)]


def _problems(row: LedgerRow) -> list[str]:
    if not isinstance(row.value, float | int | None):
        return [f"value {row.value!r} is no number."]
    number, reported = row.value is not None, row.kind == "reported"
    evidence = row.evidence and row.commit and row.date
    tests = {
        f"kind '{row.kind}' is none of {', '.join(KINDS)}.": row.kind not in KINDS,
        f"status '{row.status}' is none of {', '.join(STATUSES)}.": row.status not in STATUSES,
        f"confidence '{row.confidence}' is unknown.": row.confidence not in CONFIDENCE,
        f"status '{row.status}' without evidence, date and commit.": (
            row.status in NEED_EVIDENCE and not evidence
        ),
        "no value, and no note that says why.": reported and not number and not row.note,
        "a deviation without a value.": not number and row.std is not None,
        "no command, and no reason for it.": not row.command and not row.no_command,
        "a command, and a reason for having none.": bool(row.command and row.no_command),
        "no tolerance.": number and reported and row.tolerance is None,
        "a tolerance without its reason.": row.tolerance is not None and not row.tolerance_why,
        f"{row.value} is no per cent.": row.percent and number and not -100 <= row.value <= 100,
        f"'{row.judged_on}' is no protocol.": row.judged_on not in ("", *MEANING),
        "no source, or not how it was read.": not (row.source and row.read_how),
    }
    return [text for text, wrong in tests.items() if wrong]


def summary(rows: list[LedgerRow]) -> dict[str, Any]:
    """Coverage of the ledger.

    Returns:
        ``rows``, ``per_status``, ``per_kind``, ``per_paper`` (paper -> status -> rows),
        ``unknown`` (reported rows without a value) and ``with_command`` (reported rows that a
        command of this repository can train).
    """
    papers = sorted({row.paper for row in rows})
    reported = [row for row in rows if row.kind == "reported"]
    return {
        "rows": len(rows),
        "per_status": _counts(rows),
        "per_kind": {kind: sum(row.kind == kind for row in rows) for kind in KINDS},
        "per_paper": {p: _counts([row for row in rows if row.paper == p]) for p in papers},
        "unknown": sum(row.value is None for row in reported),
        "with_command": sum(row.command is not None for row in reported),
    }


def _counts(rows: list[LedgerRow]) -> dict[str, int]:
    counts = Counter(row.status for row in rows)
    return {status: counts[status] for status in STATUSES if counts[status]}
