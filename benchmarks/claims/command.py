"""``python -m benchmarks claims``: the papers' statements, as tests on data that can be held here.

`claims` reads the committed results files; ``--run`` trains (minutes on a CPU for ``--size quick``,
hours for ``full``); ``--size smoke`` trains toy networks on points in seconds.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.claims import findings
from benchmarks.claims.findings import Claim, Finding
from benchmarks.ground.commands import build_parser, command
from benchmarks.ground.statistics import effect
from common.cli import UserError
from common.files import write_json
from common.flags import at_least_0

SIZES = ("smoke", "quick", "full")


def run(claims: Sequence[Claim], size: str, seeds: Sequence[int], out: Path) -> list[Finding]:
    """Train what the claims need and judge them.

    Args:
        claims: those of one command share its trainings.
        size: one of :data:`SIZES`; ``smoke`` is :mod:`benchmarks.claims.toy`.
        seeds: one training of every side each.
        out: gets the results files.

    Raises:
        UserError: a training failed.
    """
    if size == "smoke":
        return [toy_finding(claim, seeds) for claim in claims if claim.toy]
    for runner in dict.fromkeys(claim.runner for claim in claims):
        name, *flags = runner.split()
        module = importlib.import_module(f"benchmarks.claims.{name}")
        flags += ["--size", size, "--seeds", *map(str, seeds), "--out", str(out)]
        if code := module.main(flags):
            raise UserError(f"python -m benchmarks {runner} ended with exit code {code}.")
    return [findings.read(claim, out, size) for claim in claims]


def toy_finding(claim: Claim, seeds: Sequence[int]) -> Finding:
    """What points say of a claim."""
    from benchmarks.claims import toy  # trains every paper's method: needless for reading

    differences = toy.differences(claim.toy, claim.metric, seeds)
    return claim.finding(
        size="smoke",
        data=toy.DATA,
        command=f"python -m benchmarks claims --run --size smoke --only {claim.name}",
        **vars(effect(differences)),
    )


@command
def main(argv: list[str]) -> int:
    """List or run the claims; 0 whatever they show, since a claim that fails is a result."""
    parser = build_parser("claims", __doc__)
    add = parser.add_argument
    add("--only", metavar="GLOB", help="claims whose name fits, e.g. 's2ver-*'")
    add("--run", action="store_true", help="train now; without it the committed results are read")
    add("--size", choices=SIZES, default="quick", help="of --run; smoke: toys, quick: CPU")
    add("--seeds", type=at_least_0, nargs="+", default=[1, 2, 3])
    add("--out", type=Path, default=Path("runs/claims"), help="gets the results files of --run")
    add("--json", type=Path, metavar="FILE", help="also write the findings there")
    args = parser.parse_args(argv)
    chosen = findings.select(args.only)
    if args.run:
        found = run(chosen, args.size, args.seeds, args.out / args.size)
    else:
        found = [findings.read(claim) for claim in chosen]
    if not found:
        raise UserError(f"no claim that fits '{args.only}' has a toy; use --size quick.")
    print(findings.table(found))
    if args.json:
        write_json(args.json, [asdict(finding) for finding in found])
    return 0
