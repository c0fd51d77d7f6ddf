"""The papers' statements (``declared/claims.yaml``), and what their evidence says.

A claim is a method above another by some metric. Its evidence is a results file that a comparison
wrote: the values of every seed, and with them the interval of the paired differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.ground import results_file
from benchmarks.ground.commands import fits
from benchmarks.ground.results_file import RESULTS, Comparison, Results
from benchmarks.ground.statistics import Effect, Verdict
from common.cli import UserError


@dataclass(frozen=True)
class Claim:
    """A statement of a paper and where its evidence is.

    Attributes:
        name: unique, ``<paper>-<what>``.
        paper: package.
        statement: what is said, in a sentence.
        better, worse: arms of the results file.
        metric: what is compared; a value of the arms.
        results: file in ``benchmarks/results``; may have ``{size}`` in its name.
        runner: command of benchmarks that writes it, with its first flags.
        size: of the committed comparison, where the command's default is another.
        toy: name of the same comparison on points, in :mod:`benchmarks.claims.toy`; empty where
            there is none.
    """

    name: str
    paper: str
    statement: str
    better: str
    worse: str
    metric: str
    results: str
    runner: str
    size: str = ""
    toy: str = ""

    @property
    def command(self) -> str:
        """What writes the evidence."""
        return f"python -m benchmarks {self.runner}" + (self.size and f" --size {self.size}")

    def finding(self, **fields: Any) -> Finding:
        """A finding on this claim."""
        return Finding(self.name, self.paper, self.statement, self.metric, **fields)


DECLARED = Path(__file__).with_name("declared") / "claims.yaml"
CLAIMS = tuple(Claim(**row) for row in yaml.safe_load(DECLARED.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Finding:
    """A claim and what its evidence says.

    Attributes:
        claim, paper, statement, metric: of the claim.
        verdict: of the interval, or that there is none yet.
        compared: the two arms; empty where the statement says it.
        size: of the comparison.
        seeds: trainings of either side.
        differences: better minus worse, a value per seed.
        mean, interval_95: of them; None without two seeds.
        data: what it was measured on, in a sentence.
        drawn: whether that is a drawn stand-in.
        command: what made the evidence.
        evidence, date, commit: results file, and when and at which code it was made.
        stale: files of the package that compute otherwise since.
    """

    claim: str
    paper: str
    statement: str
    metric: str
    verdict: Verdict
    compared: str = ""
    size: str = ""
    seeds: tuple[str, ...] = ()
    differences: tuple[float, ...] = ()
    mean: float | None = None
    interval_95: tuple[float, float] | None = None
    data: str = ""
    drawn: bool = False
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
    chosen = [c for c in CLAIMS if fits(c.name, only) and paper in (None, c.paper)]
    if not chosen:
        raise UserError(
            f"no claim fits '{only or paper}'; there are {', '.join(c.name for c in CLAIMS)}."
        )
    return chosen


def read(claim: Claim, folder: Path = RESULTS, size: str = "") -> Finding:
    """What the results file says of a claim; ``not run`` where it does not hold the comparison.

    Args:
        folder: of results files.
        size: of the comparison; the committed one's where empty.

    Raises:
        UserError: the file is no results file.
    """
    path = folder / claim.results.format(size=size or claim.size)
    results = results_file.read(path)
    effect = results and results.effect(claim.better, claim.worse, claim.metric)
    if not effect or not effect.differences:
        return claim.finding(verdict=Verdict.NOT_RUN, command=claim.command)
    return claim.finding(
        evidence=f"benchmarks/results/{path.name}",
        stale=results_file.changed_since(results.commit, claim.paper),
        **_said(effect, results),
    )


def _said(effect: Effect | Comparison, results: Results) -> dict[str, Any]:
    """Fields of a finding on an effect that results hold."""
    return {
        **{name: getattr(effect, name) for name in Effect.__dataclass_fields__},
        "size": results.size.get("name", ""),
        "data": results.dataset["note"],
        "drawn": results.dataset["drawn"],
        "command": results.command,
        "date": results.date,
        "commit": results.commit,
    }


def of_results(name: str, results: Results) -> list[Finding]:
    """A finding per comparison on the metric that results are judged by."""
    return [
        Finding(
            claim=name,
            paper=results.paper,
            statement=results.claim,
            metric=row.metric,
            compared=f"{row.better} above {row.worse}",
            **_said(row, results),
        )
        for row in results.judged()
    ]


def parse(value: Mapping[str, Any], where: str) -> Finding:
    """A finding as ``claims --json`` writes it.

    Raises:
        UserError: it has another form.
    """
    try:
        return Finding(**{**value, "verdict": Verdict(value["verdict"])})
    except (TypeError, ValueError, KeyError) as error:
        raise UserError(f"{where} holds neither results nor findings ({error}).") from None


def table(findings: list[Finding]) -> str:
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
