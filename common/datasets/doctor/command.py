"""The flags of ``python -m common.datasets doctor`` and what it prints."""

from __future__ import annotations

import argparse
from pathlib import Path

from common.cli import UserError
from common.datasets.catalogue import DATASETS
from common.datasets.doctor.examine import examine
from common.datasets.doctor.report import refuse_other, save, save_exclusions
from common.datasets.folders import counts_table
from common.flags import count


def add(commands) -> None:
    """Add the command to the parser's sub-commands."""
    parser = commands.add_parser(
        "doctor",
        help="check a copy of a dataset: counts, corrupt, repeated and leaking images",
        description="Check a copy of a dataset. Exit code 1 when there are errors.",
    )
    names = ", ".join(sorted(DATASETS))
    parser.add_argument("name", metavar="NAME", help=names)
    parser.add_argument("root", metavar="DIR", type=Path, help="folder of the dataset")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings there")
    parser.add_argument("--strict", action="store_true", help="exit 1 on warnings too")
    parser.add_argument(
        "--write_clean",
        "--write-clean",
        type=Path,
        metavar="FILE",
        help="write the images that a clean copy does not need there, a line each",
    )
    parser.add_argument("--workers", type=count, help="processes; default: one a core")
    parser.add_argument("--no_near", action="store_true", help="do not look for near-duplicates")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Examine, print, write; 1 when there are errors (with ``--strict``, or warnings).

    Raises:
        UserError: unknown dataset, or a file that cannot be written.
    """
    if args.json:
        refuse_other(args.json)
    if args.write_clean and args.write_clean.exists():
        raise UserError(
            f"{args.write_clean} is there already; choose another --write_clean or delete it."
        )
    report = examine(args.name, args.root, args.workers, near=not args.no_near)
    if report.counts:
        print(counts_table(report.counts))
    print(report.text())
    if args.json:
        save(report, args.json)
        print(f"written to {args.json}")
    if args.write_clean:
        save_exclusions(report, args.write_clean)
        print(f"{len(report.exclude)} images to leave out are listed in {args.write_clean}")
    return int(bool(report.errors) or (args.strict and bool(report.warnings)))
