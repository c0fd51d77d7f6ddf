"""``python -m benchmarks regression``: parity and smoke claims against the committed baseline.

``baseline.json`` beside this file holds, for every parity case, whether it passed, and for every
claim that has a toy the mean difference over its seeds with the noise it may move by. A case that
passed and no longer does, a case or claim that is gone, and a claim that moved against its
statement by more than its noise are regressions: the row, by how much, and the commit of the
baseline are printed, and the exit code is 1.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.claims import command as claims
from benchmarks.claims import findings, toy
from benchmarks.claims.findings import Finding
from benchmarks.ground import results_file
from benchmarks.ground.commands import build_parser, command
from benchmarks.parity import command as parity_command
from benchmarks.report.collect import read_parity
from common.cli import UserError
from common.files import write_json
from common.flags import count

BASELINE = Path(__file__).with_name("baseline.json")
SEEDS = (1, 2, 3, 4)
# Equal machines and libraries give equal toys. Others sum in another order, which can turn single
# test points; a mean over four seeds may move by this much before it counts.
NOISE = 0.03


@dataclass(frozen=True)
class Regression:
    """Something that was better at the baseline.

    Attributes:
        row: parity case, as ``parity/<name>``, or claim, as ``claim/<name>``.
        was, now: the figures in words.
        by: how much worse; None where that is no number.
    """

    row: str
    was: str
    now: str
    by: float | None = None


def measure_parity(jobs: int, only: str | None = None) -> dict[str, Any]:
    """Run the shipped cases.

    Args:
        jobs: processes; 1 runs them in this one.
        only: shell pattern of kinds or names.

    Returns:
        As ``python -m benchmarks parity --json`` writes it.
    """
    return parity_command.summary(
        parity_command.run_folder(parity_command.SHIPPED, only, jobs=jobs)
    )


def measure_claims(seeds: tuple[int, ...] = SEEDS) -> list[Finding]:
    """Every claim that has a toy."""
    return claims.run(findings.CLAIMS, "smoke", seeds, Path())


def baseline_of(parity: dict, measured: list[Finding], commit: str) -> dict[str, Any]:
    """What ``baseline.json`` holds."""
    return {
        "commit": commit,
        "toy": toy.fingerprint(),
        "parity": {case["name"]: case["status"] for case in parity["cases"]},
        "claims": {
            f.claim: {"mean": f.mean, "noise": NOISE, "verdict": f.verdict, "metric": f.metric}
            for f in measured
        },
    }


def compare(
    baseline: dict, parity: dict | None, measured: list[Finding] | None
) -> list[Regression]:
    """Regressions since a baseline, worst first within each part.

    Args:
        baseline: see :func:`baseline_of`.
        parity, measured: now; None leaves the part out.
    """
    parts = [
        [] if parity is None else _parity_regressions(baseline["parity"], parity),
        [] if measured is None else _claim_regressions(baseline["claims"], measured),
    ]
    return [row for part in parts for row in sorted(part, key=lambda r: -(r.by or 0))]


def _parity_regressions(before: dict[str, str], parity: dict) -> Iterator[Regression]:
    now = {case["name"]: case for case in parity["cases"]}
    for name in before.keys() | now.keys():
        was, case = before.get(name), now.get(name)
        # .
        fails = case and case["status"] in ("failed", "unreadable")
        if (was == "passed" and (not case or case["status"] != "passed")) or (not was and fails):
            text = f"{case['status']}: {case['message']}" if case else "gone"
            by = case and case["max_abs"]
            yield Regression(f"parity/{name}", was or "not in the baseline", text, by)


def _claim_regressions(before: dict[str, dict], measured: list[Finding]) -> Iterator[Regression]:
    now = {finding.claim: finding for finding in measured}
    for name, was in before.items():
        text = f"{was['metric']} {was['mean']:+.3f}, may move by {was['noise']:g}"
        if name not in now:
            yield Regression(f"claim/{name}", text, "gone")
            continue
        worse = was["mean"] - now[name].mean
        if not worse <= was["noise"]:  # NaN counts as worse
            is_now = f"{now[name].mean:+.3f} ({now[name].verdict})"
            yield Regression(f"claim/{name}", text, is_now, worse)


def text(found: list[Regression], commit: str) -> str:
    """The regressions, a line each."""
    if not found:
        return f"no regression since {commit[:12]}"
    lines = [f"{len(found)} regression{'s' * (len(found) > 1)} since {commit[:12]}"]
    for row in found:
        by = "" if row.by is None else f", worse by {row.by:.3g}"
        lines.append(f"  {row.row}: was {row.was}; now {row.now}{by}")
    return "\n".join(lines)


def read_baseline(path: Path) -> dict:
    """The baseline.

    Raises:
        UserError: it is missing or no baseline, or the toys' settings changed since.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not {"commit", "toy", "parity", "claims"} <= value.keys():
            raise ValueError("keys are missing")
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} is no baseline ({error}); `python -m benchmarks regression --write` makes one."
        ) from None
    if value["toy"] != toy.fingerprint():
        raise UserError(
            f"{path} was made with other settings of benchmarks/claims/toy.py; make it anew with "
            "`python -m benchmarks regression --write` and commit it with that change."
        )
    return value


def _head() -> str:
    return (results_file.git("rev-parse", "HEAD") or results_file.UNKNOWN).strip()


def _parity(args) -> dict:
    return read_parity(args.parity) if args.parity else measure_parity(args.jobs)


@command
def main(argv: list[str]) -> int:
    """Compare; 1 when something regressed."""
    parser = build_parser("regression", __doc__)
    add = parser.add_argument
    add("--baseline", type=Path, default=BASELINE, help="what to compare with")
    add("--write", action="store_true", help="make the baseline from what is measured now")
    add("--parity", type=Path, metavar="FILE", help="take parity from there (parity --json)")
    add("--claims_only", action="store_true", help="leave parity out, where tests have just run it")
    add("--jobs", type=count, default=2, help="processes for the parity cases")
    add("--json", type=Path, metavar="FILE", help="also write what was measured and found")
    args = parser.parse_args(argv)
    baseline = None if args.write else read_baseline(args.baseline)
    if args.claims_only and args.write:
        raise UserError("--write makes the whole baseline; leave --claims_only out.")
    parity = None if args.claims_only else _parity(args)
    measured = measure_claims()
    print(findings.table(measured))
    if parity:
        counts = ", ".join(f"{parity[status]} {status}" for status in parity_command.STATUSES)
        print(f"parity: {counts}")
    if args.write:
        write_json(args.baseline, baseline_of(parity, measured, _head()))
        print(f"baseline: {args.baseline}")
        return 0
    found = compare(baseline, parity, measured)
    print(text(found, baseline["commit"]), file=sys.stderr if found else sys.stdout)
    if args.json:
        write_json(
            args.json,
            {
                "parity": parity,
                "claims": [vars(finding) for finding in measured],
                "regressions": [vars(row) for row in found],
                "baseline": baseline["commit"],
            },
        )
    return 1 if found else 0
