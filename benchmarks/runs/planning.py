"""From a row's command to jobs.

A job is one command line (or several in a row, for two stages) with one seed; rows that need the
same job share it.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.ledger.rows import LedgerRow
from benchmarks.runs.programs import ELSEWHERE, Need, Where, program_of, split, started
from common.engine.run_folder import LAST

PROFILES = ("smoke", "claims", "paper")
NOWHERE = Path("OUT")


@dataclass(frozen=True)
class Stage:
    """One command of a job.

    Attributes:
        words: after ``python``.
        folder: its run folder.
        resume: words that go on from that folder.
    """

    words: tuple[str, ...]
    folder: Path
    resume: tuple[str, ...]

    def argv(self) -> list[str]:
        """The words; those that go on where there is a checkpoint."""
        return list(self.resume if (self.folder / LAST).exists() else self.words)


@dataclass(frozen=True)
class Job:
    """Commands with one seed, and the rows whose number they give.

    Attributes:
        key: hash of profile, seed, data and commands: equal jobs have equal keys.
        rows: ids of ledger rows.
        needs: what is read.
        blocked: why it cannot run at all; empty where it can.
    """

    key: str
    paper: str
    profile: str
    seed: int
    rows: tuple[str, ...]
    stages: tuple[Stage, ...] = ()
    needs: tuple[Need, ...] = ()
    blocked: str = ""
    dataset: str = field(default="", compare=False)


def plan(
    rows: Sequence[LedgerRow], profile: str, seeds: Sequence[int], data: Path, out: Path
) -> list[Job]:
    """The jobs of some rows, in the order of the rows; rows without a command have none.

    Args:
        profile: ``smoke`` or ``paper``.
        seeds: one job each.
        data: root of the datasets.
        out: gets a folder per job.
    """
    jobs: dict[str, Job] = {}
    for row in rows:
        for seed in seeds if row.command else ():
            job = job_of(row, profile, seed, data.absolute(), out.absolute())
            there = jobs.get(job.key)
            jobs[job.key] = replace(there, rows=there.rows + job.rows) if there else job
    return list(jobs.values())


def job_of(row: LedgerRow, profile: str, seed: int, data: Path, out: Path) -> Job:
    """The job of a row's command with a seed."""
    commands = [split(text) for text in row.command.split("&&")]
    shared = {"paper": row.paper, "profile": profile, "seed": seed}
    shared |= {"rows": (row.id,), "dataset": row.dataset}
    for script, _ in commands:
        if program_of(script) is None:
            reason = ELSEWHERE.get(script, f"{script} trains nothing")
            return Job(_key(profile, seed, data, row.command), blocked=reason, **shared)
    # Its folder has the key's name, so the key is made of arguments that name no folder yet.
    nowhere = Where(data, NOWHERE, seed, profile == "smoke")
    key = _key(profile, seed, data, [_identity(command, nowhere) for command in commands])
    where = replace(nowhere, out=out / key)
    stages, needs = [], []
    for command in commands:
        program = program_of(command[0])
        experiment, given, args, added = _completed(command, where)
        run = experiment.folder(experiment.parser().parse_args([*given, *added])).path
        # The summary of two stages in a run is that of the last one.
        stages_of = {"ssfer": "stage3" if getattr(args, "semi_epochs", 0) else "stage2"}
        folder = run / stages_of.get(experiment.name, "")
        go_on = experiment.resume_command([*given, *added], folder / LAST)
        head = shlex.split(experiment.command)[1:]
        stages.append(Stage((*head, *given, *added), folder, tuple(shlex.split(go_on)[1:])))
        needs += [need for need in program.needs(experiment, args, where) if need not in needs]
    return Job(key, stages=tuple(stages), needs=tuple(needs), **shared)


def _completed(command: tuple[str, list[str]], where: Where):
    """(Experiment, its words, their arguments, flags to add) of a command."""
    script, given = command
    program = program_of(script)
    if where.smoke:
        given = [*_without(given, program.drop), *program.smoke.split()]
    experiment, own = started(script, given)
    args = experiment.parser().parse_args(own)
    return experiment, own, args, program.added(experiment, args, where)


def _identity(command: tuple[str, list[str]], where: Where) -> list:
    """Program and effective arguments, by which equal trainings are known."""
    experiment, _, args, added = _completed(command, where)
    program = shlex.split(experiment.command)[1:]
    return [program, sorted((name, str(value)) for name, value in vars(args).items()), added]


def _without(given: list[str], flags: tuple[str, ...]) -> list[str]:
    kept, skip = [], False
    for word in given:
        if not skip and word not in flags:
            kept.append(word)
        skip = not skip and word in flags
    return kept


def _key(profile: str, seed: int, data: Path, what: list | str) -> str:
    content = json.dumps([profile, seed, str(data), what])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
