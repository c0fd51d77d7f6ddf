"""From seeds to a sentence: a paper's number against runs of its command.

A number is compared as ``inside``, ``above`` or ``below`` the paper's value ± its deviation (the
row's tolerance where none is printed). The runs' side is the 95 % bootstrap interval of their mean.
One seed has no interval, so it gets no verdict; what is not the same measurement gets none either,
and the reasons are listed.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from benchmarks.ground.commands import build_parser, command
from benchmarks.ground.reading import read_mapping
from benchmarks.ground.statistics import bootstrap
from benchmarks.ledger import rows as ledger
from benchmarks.ledger.rows import LedgerRow
from common.cli import UserError
from common.metrics.protocols import MEANING


class Outcome(str, Enum):
    """What runs say of a reported number."""

    INSIDE, ABOVE, BELOW = "inside", "above", "below"
    INCOMPARABLE, NONE = "not comparable", "no verdict"

    __str__ = str.__str__


@dataclass(frozen=True)
class Judgement:
    """A row and what some runs say about it.

    Attributes:
        row: id of the row.
        outcome: of the comparison.
        values: in the row's unit, by seed.
        interval: 95 % bootstrap interval of their mean; None with fewer than two seeds.
        band: value - tolerance, value + tolerance; None where the row has no value.
        reasons: why the numbers are not comparable, or why there is no verdict.
    """

    row: str
    outcome: Outcome
    values: dict[str, float] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    band: tuple[float, float] | None = None
    reasons: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The verdict in a line."""
        line = f"{self.row}: {self.outcome}"
        if self.interval:
            mean = statistics.mean(self.values.values())
            low, high = self.interval
            line += f"; here {mean:.4g} ({low:.4g} to {high:.4g}, {len(self.values)} seeds)"
        elif self.values:
            line += "; here " + ", ".join(f"{value:.4g}" for value in self.values.values())
        if self.band:
            line += f"; paper {self.band[0]:.4g} to {self.band[1]:.4g}"
        return line + "".join(f"\n    {reason}" for reason in self.reasons)


def judge(row: LedgerRow, runs: Sequence[dict[str, Any]], protocol: str | None = None) -> Judgement:
    """Compare a row with the runs of its command.

    Args:
        row: of the ledger.
        runs: records as `benchmarks run` writes them: ``seed``, ``protocols``, ``percent``,
            ``data`` and ``profile``; those without a result are left out.
        protocol: which of the four protocols; the row's own when None.

    Returns:
        The judgement. Values are in the row's unit.
    """
    protocol = protocol or row.judged_on
    done = [run for run in runs if run.get("status") == "done"]
    band = None if row.value is None else (row.value - row.tolerance, row.value + row.tolerance)
    values = {}
    for run in done:
        value = ((run.get("protocols") or {}).get(protocol) or {}).get("value")
        if value is not None:
            values[str(run["seed"])] = 100 * value if row.percent and run.get("percent") else value
    if reasons := incomparable(row, done, protocol):
        return Judgement(row.id, Outcome.INCOMPARABLE, values, _interval(values), band, reasons)
    if len(values) < 2:
        reason = f"{len(values)} seed{'s' * (len(values) != 1)}: an interval needs at least two."
        return Judgement(row.id, Outcome.NONE, values, None, band, (reason,))
    low, high = bootstrap(list(values.values()))
    outcome = Outcome.INSIDE
    if low > band[1] or high < band[0]:
        outcome = Outcome.ABOVE if low > band[1] else Outcome.BELOW
    return Judgement(row.id, outcome, values, (low, high), band)


def _interval(values: dict[str, float]) -> tuple[float, float] | None:
    return bootstrap(list(values.values())) if len(values) > 1 else None


def incomparable(row: LedgerRow, runs: Sequence[dict], protocol: str | None) -> tuple[str, ...]:
    """Why these runs do not measure what the row reports; empty when they do."""
    reasons = []
    if row.value is None:
        reasons.append(f"the paper's value is unknown: {row.note}")
    if row.unlike:
        reasons.append(row.unlike + ".")
    if not row.judged_on:
        reasons.append("protocol: the publication does not say which epoch it reports.")
    elif protocol != row.judged_on:
        reasons.append(f"protocol: the row reports {row.judged_on}, this is {protocol}.")
    data = [run.get("data") or {} for run in runs]
    if any(d.get("drawn") for d in data):
        reasons.append(f"data: a drawn stand-in is not {row.dataset}.")
    if any(run.get("profile") == "smoke" for run in runs):
        reasons.append("recipe: a smoke run has a few steps of a small network.")
    notes = dict.fromkeys(note for run in runs for note in run.get("data_version") or ())
    reasons += [f"data version: {note}." for note in notes]
    for split, expected in (("train", row.train_images), ("test", row.test_images)):
        found = {sum(d.get(split, {}).values()) for d in data if d.get(split)}
        if expected is not None and found - {expected}:
            there = ", ".join(map(str, sorted(found - {expected})))
            reasons.append(
                f"data version: {there} {split} images, the publication's have {expected}."
            )
    return tuple(reasons)


def read_record(path: Path) -> dict | None:
    """A record of `benchmarks run`; None where there is none, or it is damaged."""
    record = read_mapping(path)
    return record if "status" in record else None


def find_records(out: Path) -> list[dict]:
    """All records of a folder."""
    return [r for r in map(read_record, sorted(out.glob("*.json"))) if r and "rows" in r]


@command
def main(argv: list[str]) -> int:
    """Print verdicts; 0 whatever they are."""
    parser = build_parser("verdict", __doc__)
    add = parser.add_argument
    add("--runs", type=Path, required=True, metavar="DIR", help="records of `benchmarks run`")
    add("--row", metavar="ID", help="one row; default: every row that has a run")
    add("--protocol", choices=tuple(MEANING), help="default: the row's own")
    args = parser.parse_args(argv)
    records = [r for p in (args.runs, *args.runs.glob("*")) for r in find_records(p)]
    if not records:
        raise UserError(f"{args.runs} holds no record; `python -m benchmarks run` writes them.")
    rows = ledger.load()
    chosen = [ledger.find(args.row, rows)] if args.row else rows
    for row in chosen:
        mine = [record for record in records if row.id in record["rows"]]
        if mine or args.row:
            print(judge(row, mine, args.protocol).text)
    return 0
