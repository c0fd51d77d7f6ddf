"""Results files: the one form of everything in ``benchmarks/results``, and how old a file is.

A file holds arms (a method, a stage, a variant of a program), for every arm the values of every
seed, and the paired differences that a claim rests on. Every reader takes it from here.
"""

from __future__ import annotations

import ast
import datetime
import functools
import json
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from benchmarks.ground.statistics import Effect, Verdict, overall, paired
from common.cli import UserError
from common.engine.run_folder import DRAWN
from common.files import write_json

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
LABORATORY = "laboratory"
"""Stands for the paper in measurements that belong to none."""
COMPUTING = ("objective.py", "method.py", "model.py")
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Comparison:
    """Two arms on one metric.

    Attributes:
        claim: the statement in a sentence.
        better, worse: names of arms; the claim says the first is above the second.
        metric: key of the compared values.
        seeds, differences, mean, interval_95, verdict: see
            :class:`benchmarks.ground.statistics.Effect`.
    """

    claim: str
    better: str
    worse: str
    metric: str
    seeds: tuple[str, ...]
    differences: tuple[float, ...]
    mean: float | None
    interval_95: tuple[float, float] | None
    verdict: Verdict


@dataclass(frozen=True)
class Results:
    """What a results file holds.

    Attributes:
        kind: ``claim``, ``measurement`` or ``speed``.
        paper: package; :data:`LABORATORY` for none.
        claim: what is claimed, or what was measured, in a sentence.
        metric: the values that it is judged by.
        arms: arm -> seed -> name -> value.
        seeds: of the arms.
        dataset: ``name``, ``drawn``, ``note`` (what it is, in a sentence) and what else is known.
        command: what makes the file.
        commit: at which it was made; one with uncommitted changes ends in ``+changes``.
        date: of the measurement, YYYY-MM-DD.
        environment: machine and libraries.
        shown: the names of values that its table shows.
        percent: whether these are shares, shown in per cent.
        size: ``name`` and settings of the trainings.
        comparisons: of arms.
        verdict: on the claim as a whole; None for a measurement.
        details: what else is known of the trainings.
    """

    kind: str
    paper: str
    claim: str
    metric: str
    arms: dict[str, dict[str, dict[str, Any]]]
    seeds: list[int]
    dataset: dict[str, Any]
    command: str
    commit: str
    date: str
    environment: dict[str, Any]
    shown: list[str] = field(default_factory=list)
    percent: bool = True
    size: dict[str, Any] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)
    verdict: Verdict | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def judged(self) -> list[Comparison]:
        """The comparisons on the metric that the claim is judged by."""
        return [c for c in self.comparisons if c.metric == self.metric]

    def effect(self, better: str, worse: str, metric: str) -> Effect:
        """Paired differences of two arms; empty where one is not in the file."""
        return paired(self.arms.get(better, {}), self.arms.get(worse, {}), metric)

    def figures(self) -> Iterator[tuple[tuple[str, ...], float]]:
        """(keys, value) of every number that was measured."""
        for arm, by_seed in self.arms.items():
            for seed, values in by_seed.items():
                for name, value in values.items():
                    listed = value if isinstance(value, list) else [value]
                    for position, number in enumerate(listed):
                        if is_number(number):
                            more = (str(position),) if isinstance(value, list) else ()
                            yield (arm, seed, name, *more), number
        for row in self.comparisons:
            keys = (f"{row.better} above {row.worse}", row.metric)
            for seed, number in zip(row.seeds, row.differences, strict=True):
                yield (*keys, seed), number
            yield (*keys, "mean"), row.mean
            for end, number in zip(("low", "high"), row.interval_95 or (), strict=False):
                yield (*keys, end), number
        counts = self.dataset.get("test")
        if isinstance(counts, dict) and counts:
            share = max(counts.values()) / sum(counts.values())
            yield ("dataset", "share of the largest test class"), share


FIELDS = {f.name for f in fields(Results)}


def made(environment: dict[str, Any], **fields: Any) -> Results:
    """Results of today, at the commit of the environment they were measured in."""
    commit, today = environment.get("commit") or UNKNOWN, datetime.date.today().isoformat()
    return Results(environment=environment, commit=commit, date=today, **fields)


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def compared(arms: dict, pairs: list[tuple[str, str, str, str]]) -> list[Comparison]:
    """Comparisons of (claim, better, worse, metric)."""
    found = []
    for claim, better, worse, metric in pairs:
        effect = paired(arms[better], arms[worse], metric)
        found.append(Comparison(claim, better, worse, metric, **vars(effect)))
    return found


def verdict_of(comparisons: list[Comparison]) -> Verdict:
    """One verdict on several comparisons: that of the only one, else the overall one."""
    verdicts = [row.verdict for row in comparisons]
    return verdicts[0] if len(verdicts) == 1 else overall(verdicts)


def parse(value: Any, where: str) -> Results:
    """A JSON value as results.

    Raises:
        UserError: it has another form; says what is wrong.
    """
    try:
        if unknown := sorted(value.keys() - FIELDS):
            raise ValueError(f"unknown key '{unknown[0]}'")
        rows = [
            Comparison(
                **{
                    **row,
                    "seeds": tuple(row["seeds"]),
                    "differences": tuple(row["differences"]),
                    "interval_95": tuple(row["interval_95"]) if row["interval_95"] else None,
                    "verdict": Verdict(row["verdict"]),
                }
            )
            for row in value.get("comparisons", ())
        ]
        verdict = value.get("verdict")
        results = Results(**{**value, "comparisons": rows, "verdict": verdict and Verdict(verdict)})
        for by_seed in results.arms.values():
            for values in by_seed.values():
                values.keys()
        results.dataset["drawn"], results.dataset["note"]
    except (TypeError, AttributeError, ValueError, KeyError) as error:
        raise UserError(f"{where} is no results file ({error}).") from None
    return results


def read(path: Path) -> Results | None:
    """A results file, or None where there is none.

    Raises:
        UserError: the file holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is no results file: not valid JSON ({error}).") from None
    return parse(value, str(path))


def read_all(folder: Path = RESULTS) -> dict[Path, Results]:
    """Every results file of a folder, in the order of the names."""
    return {path: read(path) for path in sorted(folder.glob("*.json"))}


def write(path: Path, results: Results) -> None:
    """Write a results file."""
    write_json(path, asdict(results))


def drawn(name: str, note: str = DRAWN, **more: Any) -> dict[str, Any]:
    """``dataset`` of results on a drawn stand-in."""
    return {"name": name, "drawn": True, "note": note, **more}


@functools.cache
def changed_since(commit: str, paper: str) -> tuple[str, ...]:
    """Files of a package that compute otherwise than at `commit`.

    Those are its files named as in :data:`COMPUTING`, in whatever folder. Comments, docstrings,
    imports, white space and a file's place do not count: the parsed code is compared.

    Args:
        commit: as a results file names it; a ``+changes`` at its end is ignored.
        paper: name of the package.

    Returns:
        Paths below the root; none where there is no git, or the commit is not in it.
    """
    commit = commit.partition("+")[0]
    listed = git("ls-tree", "-r", "--name-only", commit, "--", f"{paper}/")
    if not listed:
        return ()
    names = [name for name in listed.splitlines() if Path(name).name in COMPUTING]
    then = {_code(git("show", f"{commit}:{name}") or "") for name in names}
    now = [path for stem in COMPUTING for path in sorted((ROOT / paper).rglob(stem))]
    return tuple(
        path.relative_to(ROOT).as_posix()
        for path in now
        if _code(path.read_text(encoding="utf-8")) not in then
    )


def _code(text: str) -> str:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [s for s in body if not isinstance(s, ast.Import | ast.ImportFrom)]
        first = node.body[0] if isinstance(body, list) and node.body else None
        text = getattr(first, "value", None) if isinstance(first, ast.Expr) else None
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            text.value = ""
    return ast.dump(tree)


def git(*words: str) -> str | None:
    """What a git command prints in this repository; None where it fails or there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
