"""``python -m benchmarks run``: plan and train what the ledger's rows need.

Every row with a command becomes a job per seed; rows that need the same training share it. What is
done is skipped, what was cut off goes on, and a row whose data is missing is reported with the
doctor's sentence. ``--profile smoke`` draws stand-ins and runs a few steps of every command that
has one; ``claims`` runs the papers' statements; ``paper`` is the published recipe.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.claims import command as claims
from benchmarks.claims import findings
from benchmarks.ground.commands import build_parser, command, fits
from benchmarks.ledger import rows as ledger
from benchmarks.ledger.verdict import judge
from benchmarks.runs import runner
from benchmarks.runs.planning import PROFILES, Job, plan
from common.cli import Interrupted, UserError
from common.flags import count


def seed_list(text: str) -> list[int]:
    """An argparse type: ``1,2,3``."""
    try:
        seeds = [int(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no list of seeds such as 1,2,3") from None
    if any(seed < 0 for seed in seeds) or len(set(seeds)) != len(seeds):
        raise argparse.ArgumentTypeError(f"'{text}' must be different numbers from 0 on")
    return seeds


def chosen_rows(paper: str | None, only: str | None) -> list[ledger.LedgerRow]:
    """Reported rows of a paper whose id fits.

    Raises:
        UserError: none does.
    """
    rows = [row for row in ledger.load([paper] if paper else None) if fits(row.id, only)]
    if not rows:
        raise UserError(f"no row of the ledger fits --only '{only}'; see `benchmarks list`.")
    return rows


def line_of(job: Job, record: dict) -> str:
    """A job that ended, in a line."""
    line = f"{job.key}  seed {job.seed}  {record['status']:<16}{job.rows[0]}"
    if len(job.rows) > 1:
        line += f" and {len(job.rows) - 1} more"
    headline = record.get("headline") or {}
    if headline.get("value") is not None:
        line += f"  {record['metric']} {headline['value']:.4f} ({headline['protocol']})"
    return line + (f"\n    {record['reason']}" if record.get("reason") else "")


def _train(args: argparse.Namespace) -> int:
    rows = chosen_rows(args.paper, args.only)
    out = args.out / args.profile
    jobs = plan(rows, args.profile, args.seeds, args.data_root or args.out / "data", out)
    without = sum(row.command is None for row in rows)
    print(f"{len(rows)} rows: {len(jobs)} jobs; {without} rows have no command here", flush=True)
    if args.plan:
        for job in jobs:
            shown = job.blocked or " && ".join("python " + " ".join(s.words) for s in job.stages)
            print(f"{job.key}  seed {job.seed}  {len(job.rows)} rows: {shown}")
        return 0
    records = []
    if args.executor == "ray":
        ended = runner.on_ray(jobs, out.absolute(), args.jobs)
    else:
        ended = runner.Executor(out.absolute()).map(jobs, args.jobs)
    with _terminated_like_interrupted():
        for job, record in ended:
            print(line_of(job, record), flush=True)
            records.append(record)
    counts = Counter(record["status"] for record in records)
    print(", ".join(f"{number} {status}" for status, number in sorted(counts.items())))
    if args.profile == "paper":
        for row in rows:
            if mine := [r for r in records if row.id in r["rows"] and r["status"] == runner.DONE]:
                print(judge(row, mine).text)
    print(f"records: {out}")
    return 1 if counts[runner.FAILED] else 0


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM stops the trainings as Ctrl-C does, instead of leaving them alone."""

    def stop(*_) -> None:
        raise Interrupted("Stopped; the same command goes on.", 128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _claims(args: argparse.Namespace) -> int:
    chosen = findings.select(args.only, args.paper)
    found = claims.run(chosen, "quick", args.seeds, args.out / "claims")
    print(findings.table(found))
    return 0


@command
def main(argv: list[str]) -> int:
    """Plan and train; 1 when a job failed. Missing data is no failure."""
    parser = build_parser("run", __doc__)
    add = parser.add_argument
    add("--paper", help="rows of one package")
    add("--only", metavar="GLOB", help="rows whose id fits, e.g. '*/main/fi-*'; names of claims")
    add("--profile", choices=PROFILES, default="smoke")
    add("--data-root", "--data_root", type=Path, help="holds the datasets; default: OUT/data")
    add("--seeds", type=seed_list, default=[1, 2, 3], metavar="1,2,3")
    add("--jobs", type=count, default=1, help="trainings at a time")
    add("--executor", choices=runner.EXECUTORS, default="local")
    add("--out", type=Path, default=Path("runs/ledger"), help="records and run folders")
    add("--plan", action="store_true", help="print the jobs and train nothing")
    args = parser.parse_args(argv)
    return _claims(args) if args.profile == "claims" else _train(args)
