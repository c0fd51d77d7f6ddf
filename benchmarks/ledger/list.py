"""``python -m benchmarks list``: the ledger on the terminal or as JSON."""

from __future__ import annotations

from pathlib import Path

from benchmarks.ground.commands import build_parser, command, fits
from benchmarks.ledger import measured
from benchmarks.ledger import rows as ledger
from benchmarks.ledger.rows import LedgerRow
from common.cli import UserError
from common.files import write_json


def all_rows(paper: str | None = None) -> list[LedgerRow]:
    """What the papers report and what was measured here.

    Raises:
        UserError: a row breaks the schema, or there is no such paper.
    """
    return ledger.chosen([*ledger.load(), *measured.rows()], [paper] if paper else None)


def summary_text(rows: list[LedgerRow]) -> str:
    """Coverage: rows per status, kind and paper."""
    figures = ledger.summary(rows)
    width = max(map(len, ledger.STATUSES))
    lines = [f"{figures['rows']} rows"]
    for status, number in figures["per_status"].items():
        lines.append(f"  {status:<{width}}{number:>5}   {ledger.STATUSES[status]}")
    lines.append("by kind: " + ", ".join(f"{n} {k}" for k, n in figures["per_kind"].items()))
    lines.append(
        f"reported: {figures['with_command']} have a command here, {figures['unknown']} are "
        "published commands whose value was not found"
    )
    for paper, counts in figures["per_paper"].items():
        listed = ", ".join(f"{number} {status}" for status, number in counts.items())
        lines.append(f"  {paper:<12}{sum(counts.values()):>5}   {listed}")
    return "\n".join(lines)


def rows_text(rows: list[LedgerRow]) -> str:
    """A line per row."""
    width = max(len(row.id) for row in rows)
    lines = []
    for row in rows:
        value = "unknown" if row.value is None else f"{row.value:g}"
        if row.std is not None:
            value += f" ± {row.std:g}"
        lines.append(f"{row.id:<{width}}  {value:>14}  {row.status}")
    return "\n".join(lines)


@command
def main(argv: list[str]) -> int:
    """Print the ledger; returns the exit code."""
    parser = build_parser("list", __doc__)
    add = parser.add_argument
    add("--paper", help="rows of one package")
    add("--only", metavar="GLOB", help="rows whose id fits")
    add("--status", choices=tuple(ledger.STATUSES), help="rows with this status")
    add("--summary", action="store_true", help="numbers of rows in place of the rows")
    add("--json", type=Path, metavar="FILE", help="also write the rows, with all fields")
    args = parser.parse_args(argv)
    rows = [
        row
        for row in all_rows(args.paper)
        if fits(row.id, args.only) and args.status in (None, row.status)
    ]
    if not rows:
        raise UserError("no row of the ledger fits; `python -m benchmarks list` prints all.")
    print(summary_text(rows) if args.summary else rows_text(rows))
    if args.json:
        write_json(args.json, [row.as_dict() for row in rows])
    return 0
