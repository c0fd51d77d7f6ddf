"""``python -m benchmarks claims``: the papers' statements, as tests on data that can be held here.

A claim is a method above another by some metric. Its evidence is a results file that a runner
wrote: the figure of every seed, the interval of their paired differences, and ``holds``, ``fails``
or ``undecided``. `claims` reads the committed files; ``--run`` trains (minutes on a CPU for
``--size quick``, hours for ``full``); ``--size smoke`` trains toy networks on points in seconds.
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import evidence
from benchmarks.ledger import LedgerRow
from benchmarks.verdict import interval, verdict
from common.cli import UserError, entry_point
from common.files import write_json
from common.flags import at_least_0

SIZES = ("smoke", "quick", "full")
NOT_RUN = "not run"


@dataclass(frozen=True)
class Claim:
    """A statement of a paper and where its evidence is.

    Attributes:
        name: unique, ``<paper>-<what>``.
        paper: package.
        statement: what is said, in a sentence.
        better, worse: keys of the compared methods in the results file's runs.
        metric: what is compared; a key of a run's figures.
        results: file in ``benchmarks/results``.
        runner: (module of benchmarks, arguments before ``--size``) that writes it.
        within: keys that lead to the part of the file that has ``runs``.
        toy: name of the same comparison on points, in `benchmarks.toy`; empty where there is none.
    """

    name: str
    paper: str
    statement: str
    better: str
    worse: str
    metric: str
    results: str
    runner: tuple[str, ...]
    within: tuple[str, ...] = ()
    toy: str = ""


def _semi(comparison: str, better: str, worse: str, text: str, metric: str = "last", toy=""):
    """A claim over ``benchmarks.semi_supervision``; `comparison` is one of its names."""
    paper = comparison.partition("_")[0]
    first = comparison if better == paper else f"{comparison}-{better}"
    name = f"{first}-above-{worse}" + ("-used" if metric == "mask_rate" else "")
    runner = ("semi_supervision", "--claim", comparison)
    return Claim(
        name.replace("_", "-"),
        *(paper, text, better, worse, metric, f"{comparison}_semi_supervision.json", runner),
        toy=toy,
    )


CLAIMS = (
    _semi("s2ver", "s2ver", "comatch", "S2-VER beats CoMatch with few labels"),
    _semi("s2ver", "s2ver", "fixmatch", "S2-VER beats FixMatch with few labels"),
    _semi(
        *("s2ver", "s2ver", "supervised", "S2-VER beats supervised training with few labels"),
        toy="s2ver",
    ),
    _semi("s2ver", "comatch", "supervised", "CoMatch beats supervised training with few labels"),
    _semi(
        *("s2ver", "fixmatch", "supervised", "FixMatch beats supervised training with few labels"),
        toy="fixmatch",
    ),
    _semi(
        *("s2ver", "s2ver", "comatch", "S2-VER uses more unlabelled images than CoMatch"),
        "mask_rate",
    ),
    _semi(
        *("s2ver", "s2ver", "fixmatch", "S2-VER uses more unlabelled images than FixMatch"),
        "mask_rate",
    ),
    _semi("adacm", "adacm", "fixmatch", "Ada-CM beats one fixed margin (FixMatch's)"),
    _semi("adacm", "adacm", "supervised", "Ada-CM beats supervised training with few labels"),
    _semi(
        *("adacm_from_scratch", "adacm", "fixmatch"),
        "Ada-CM beats one fixed margin (FixMatch's) from random weights",
    ),
    _semi(
        *("adacm_from_scratch", "adacm", "supervised"),
        "Ada-CM beats supervised training from random weights",
        toy="adacm",
    ),
    Claim(
        "ssfer-pretraining",
        *("ssfer", "masked pre-training on unlabelled faces beats none"),
        *("MAE, stage 2", "random, stage 2", "last"),
        *("ssfer_masked_faces_long.json", ("masked_faces", "--size", "long")),
    ),
    Claim(
        "ssfer-teacher",
        *("ssfer", "the EMA teacher's third stage beats the second stage"),
        *("stage 3", "MAE, stage 2", "last"),
        *("ssfer_masked_faces_long.json", ("masked_faces", "--size", "long")),
        toy="ssfer",
    ),
    Claim(
        "dimva-two-stage",
        *("dimva", "two_stage predicts valence better than one_stage, on a drawn stand-in"),
        *("two_stage", "one_stage", "r_valence", "dimva_two_stage.json", ("two_stage",)),
        *(("sets", "twin"), "dimva"),
    ),
    Claim(
        "dimva-two-stage-bass",
        *("dimva", "two_stage predicts valence better than one_stage, on BASS"),
        *("two_stage", "one_stage", "r_valence", "dimva_two_stage.json", ("two_stage",)),
        ("sets", "bass"),
    ),
    Claim(
        "webemotion-pretraining",
        *("webemotion", "a trunk pre-trained on web tags beats a random frozen trunk"),
        *("joint", "frozen", "accuracy", "webemotion_transfer.json", ("web_transfer",)),
    ),
    Claim(
        "webemotion-joint",
        *("webemotion", "learning image and text together beats the image alone"),
        *("joint", "image", "accuracy", "webemotion_transfer.json", ("web_transfer",)),
        toy="webemotion",
    ),
)


@dataclass(frozen=True)
class Finding:
    """A claim and what its evidence says.

    Attributes:
        claim, paper, statement, metric: of the claim.
        verdict: ``holds``, ``fails``, ``undecided``, ``undecided: one seed`` or ``not run``.
        size: of the comparison.
        seeds: trainings of either side.
        differences: better minus worse, a value per seed.
        mean, interval_95: of them; None without two seeds.
        data: what it was measured on, in a sentence.
        command: what made the evidence.
        evidence, date, commit: results file, and when and at which code it was made.
        stale: files of the package that compute otherwise since.
    """

    claim: str
    paper: str
    statement: str
    metric: str
    verdict: str
    size: str = ""
    seeds: tuple[str, ...] = ()
    differences: tuple[float, ...] = ()
    mean: float | None = None
    interval_95: tuple[float, float] | None = None
    data: str = ""
    command: str = ""
    evidence: str = ""
    date: str = ""
    commit: str = ""
    stale: tuple[str, ...] = ()


def select(only: str | None = None, paper: str | None = None) -> list[Claim]:
    """The claims whose name fits a shell pattern, of one paper or of all.

    Raises:
        UserError: none does.
    """
    chosen = [
        c
        for c in CLAIMS
        if (not only or fnmatch.fnmatchcase(c.name, only)) and paper in (None, c.paper)
    ]
    if not chosen:
        raise UserError(
            f"no claim fits '{only or paper}'; there are {', '.join(c.name for c in CLAIMS)}."
        )
    return chosen


def read(claim: Claim, folder: Path = evidence.RESULTS) -> Finding:
    """What the results file says of a claim; ``not run`` where it does not hold the comparison.

    Raises:
        UserError: the file is no results file.
    """
    common = (claim.name, claim.paper, claim.statement, claim.metric)
    command = f"python -m benchmarks {' '.join(claim.runner)}"
    try:
        result = evidence.read(claim.results, folder)
        if result is None:
            return Finding(*common, NOT_RUN, command=command)
        part = result
        for key in claim.within:
            part = part.get(key) or {}
        pairs = paired(part.get("runs") or {}, claim)
    except (TypeError, AttributeError) as error:
        raise UserError(f"{folder / claim.results} is no results file ({error}).") from None
    if not pairs:
        return Finding(*common, NOT_RUN, command=command)
    size = result.get("size")
    commit = evidence.commit_of(result)
    return Finding(
        *(*common, verdict(list(pairs.values()))),
        size=size.get("name", "") if isinstance(size, dict) else size or "",
        **_figures(pairs),
        data=_data_of(part, result),
        command=result.get("command", command),
        evidence=f"benchmarks/results/{claim.results}",
        date=evidence.date_of(claim.results),
        commit=commit,
        stale=evidence.changed_since(commit, claim.paper) or (),
    )


def paired(runs: dict[str, Any], claim: Claim) -> dict[str, float]:
    """Seed -> better minus worse, for the seeds that both sides have."""
    better, worse = (runs.get(name) or {} for name in (claim.better, claim.worse))
    pairs = {}
    for seed in better:
        values = [side.get(seed, {}).get(claim.metric) for side in (better, worse)]
        if None not in values:
            pairs[seed] = values[0] - values[1]
    return pairs


def _figures(pairs: dict[str, float]) -> dict[str, Any]:
    values = tuple(pairs.values())
    return {
        "seeds": tuple(pairs),
        "differences": values,
        "mean": statistics.mean(values),
        "interval_95": interval(values) if len(values) > 1 else None,
    }


def _data_of(part: dict, result: dict) -> str:
    data = part.get("data", result.get("data", result.get("note", "")))
    return data.get("note", "") if isinstance(data, dict) else str(data)


def run(claims: Sequence[Claim], size: str, seeds: Sequence[int], out: Path) -> list[Finding]:
    """Train what the claims need and judge them.

    Args:
        claims: those of one runner share its trainings.
        size: one of :data:`SIZES`; ``smoke`` is :mod:`benchmarks.toy`.
        seeds: one training of every side each.
        out: gets the results files.

    Raises:
        UserError: a training failed.
    """
    if size == "smoke":
        toy = importlib.import_module("benchmarks.toy")
        return [toy.finding(claim, seeds) for claim in claims if claim.toy]
    for results, runner in sorted({(claim.results, claim.runner) for claim in claims}):
        try:
            module = importlib.import_module(f"benchmarks.{runner[0]}")
        except ModuleNotFoundError as error:
            raise UserError(f"the runner benchmarks/{runner[0]}.py is missing ({error}).") from None
        words = [*runner[1:], "--size", size, "--seeds", *map(str, seeds)]
        out.mkdir(parents=True, exist_ok=True)
        if code := module.main([*words, "--out", str(out / results)]):
            raise UserError(f"python -m benchmarks {' '.join(runner)} ended with exit code {code}.")
    return [read(claim, out) for claim in claims]


def ledger_rows() -> list[LedgerRow]:
    """A row per claim, with the status that its evidence gives."""
    return [_ledger_row(read(claim)) for claim in CLAIMS]


def _ledger_row(finding: Finding) -> LedgerRow:
    status = {NOT_RUN: "untested"}.get(finding.verdict)
    status = status or f"claim {finding.verdict.partition(':')[0]} on stand-in"
    note = f"{len(finding.seeds)} seeds, size {finding.size}" if finding.seeds else "not run yet"
    if finding.stale:
        status, note = "stale", f"changed since: {', '.join(finding.stale)}; was {finding.verdict}"
    return LedgerRow(
        id=f"{finding.paper}/claim/{finding.claim}",
        paper=finding.paper,
        kind="claim",
        reported_in="statement of the paper, as a comparison",
        table="claims",
        method=finding.statement,
        dataset=finding.data or "drawn stand-in",
        protocol=f"paired differences over seeds, {finding.metric}",
        metric=f"difference of {finding.metric}",
        source=finding.evidence or "none yet",
        read_how="from the results file" if finding.evidence else "not run yet",
        confidence="measured" if finding.evidence else "unknown",
        status=status,
        value=finding.mean,
        seeds=len(finding.seeds) or None,
        command=finding.command,
        evidence=finding.evidence or None,
        date=finding.date or None,
        commit=finding.commit or None,
        note=note,
        interval=finding.interval_95,
    )


def table(findings: Sequence[Finding]) -> str:
    """The findings as text."""
    width = max(len(f.claim) for f in findings)
    lines = []
    for f in findings:
        line = f"{f.claim:<{width}}  {f.verdict:<20}"
        if f.mean is not None:
            line += f"{f.metric} {f.mean:+.3f}"
        if f.interval_95:
            line += f", 95% interval {f.interval_95[0]:+.3f} to {f.interval_95[1]:+.3f}"
            line += f", {len(f.seeds)} seeds, {f.size}"
        lines.append(line.rstrip())
        if f.stale:
            lines.append(f"    stale: {', '.join(f.stale)} changed since {f.commit[:7]}")
    return "\n".join(lines)


def _run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks claims",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--only", metavar="GLOB", help="claims whose name fits, e.g. 's2ver-*'")
    add("--run", action="store_true", help="train now; without it the committed results are read")
    add("--size", choices=SIZES, default="quick", help="of --run; smoke: toys, quick: CPU")
    add("--seeds", type=at_least_0, nargs="+", default=[1, 2, 3])
    add("--out", type=Path, default=Path("runs/claims"), help="gets the results files of --run")
    add("--json", type=Path, metavar="FILE", help="also write the findings there")
    args = parser.parse_args(argv)
    claims = select(args.only)
    if args.run:
        findings = run(claims, args.size, args.seeds, args.out / args.size)
    else:
        findings = [read(claim) for claim in claims]
    if not findings:
        raise UserError(f"no claim that fits '{args.only}' has a toy; use --size quick.")
    print(table(findings))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(args.json, [asdict(finding) for finding in findings])
    return 0


def main(argv: list[str] | None = None) -> int:
    """List or run the claims; 0 whatever they show, since a claim that fails is a result."""
    return entry_point(_run, argv)
