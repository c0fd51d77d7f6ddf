"""What every comparison of arms over seeds shares: data, trainings, differences, table, flags."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

import common.datasets.__main__ as data_command
from benchmarks.ground import commands, results_file
from benchmarks.ground.commands import words
from benchmarks.ground.reading import read_json
from benchmarks.ground.results_file import RESULTS, Results
from common.cli import UserError
from common.datasets.catalogue import STANDINS
from common.datasets.readers.folder import DRAWN_MARK
from common.engine.experiment import Experiment
from common.engine.run_folder import LAST, SUMMARY
from common.flags import at_least_0

DECLARED = Path(__file__).with_name("declared")


def must(code: int, what: str) -> None:
    """Stop where a command of the papers did not end well.

    Raises:
        UserError: `code` is not 0.
    """
    if code:
        raise UserError(f"{what} ended with exit code {code}; its log says why.")


def is_finished(run: Path) -> bool:
    """Whether a run folder holds the summary of a training that came to its end."""
    return (run / SUMMARY).exists() and read_json(run / SUMMARY)["finished"]


def train(experiment: Experiment, flags: list[str], run: Path) -> None:
    """Train by a paper's command, unless `run` holds a finished training; a stopped one goes on.

    Raises:
        UserError: the command ended with an error.
    """
    if is_finished(run):
        return
    if (run / LAST).exists():
        command = shlex.split(experiment.resume_command(flags, run / LAST))
        flags = command[len(shlex.split(experiment.command)) :]
    must(experiment.main(flags), f"the run in {run}")


def stand_in(name: str, folder: Path, scale: float, size: int | None = None) -> dict:
    """A drawn stand-in's own description; it is drawn now unless it is there.

    Raises:
        UserError: it cannot be drawn, or the one that is there was drawn otherwise.
    """
    if not (folder / DRAWN_MARK).exists():
        flags = words("twin {name} --out {out} --scale {scale}", name=name, out=folder, scale=scale)
        flags += ["--size", str(size)] if size else []
        if data_command.main(flags):
            raise UserError("the stand-in data could not be drawn.")
    mark = read_json(folder / DRAWN_MARK)
    if (mark["scale"], mark["generator"]) != (scale, STANDINS[name].version):
        raise UserError(
            f"{folder} was drawn otherwise (scale {mark['scale']}, version {mark['generator']}) "
            "than this comparison needs; delete the folder, and the runs beside it, or give "
            "another --work."
        )
    return mark


class Comparison:
    """Arms, each trained with every seed, and the claims about their differences.

    A subclass says what only it knows: its name, `prepare`, `arms`; what can be declared stands in
    ``declared/<name>.yaml``, whose keys become attributes.

    Attributes:
        name: of the command.
        paper: package.
        claim: what is claimed in a sentence.
        metric: the values that it is judged by.
        compared: the values that arms are compared by; None for `metric` alone.
        statements: (statement, better arm, worse arm) of every comparison.
        shown: the values that its table shows.
        percent: whether these are shares.
        sizes: name -> settings; that of a command line is `size`.
        workers: default of ``--num_workers``; None leaves out the flags of the machine.
    """

    name: str
    paper: str
    claim: str
    metric = "last"
    compared: list[str] | None = None
    statements: list[list[str]]
    shown: list[str]
    percent = True
    sizes: dict[str, dict[str, Any]]
    workers: int | None = 0

    def __init_subclass__(cls) -> None:
        declared = (DECLARED / f"{cls.name}.yaml").read_text(encoding="utf-8")
        for key, value in yaml.safe_load(declared).items():
            setattr(cls, key, value)

    def __init__(self, args: argparse.Namespace):
        self.args, self.size = args, SimpleNamespace(**self.sizes[args.size])
        self.work: Path = args.work / args.size

    @classmethod
    def add_flags(cls, add: Callable) -> None:
        """Add the comparison's own flags."""

    @classmethod
    def all_of(cls, args: argparse.Namespace) -> list[Comparison]:
        """The comparisons that a command line asks for."""
        return [cls(args)]

    def results_name(self) -> str:
        """Name of the results file."""
        return f"{self.paper}_{self.name}.json"

    def command(self) -> str:
        """Flags, beside size and seeds, that lead to these results."""
        return ""

    def prepare(self) -> dict[str, Any]:
        """Draw or lay out the data and train what all arms share; ``dataset`` of the results."""
        raise NotImplementedError

    def arms(self, seed: int) -> dict[str, dict[str, Any]]:
        """Every arm's values with a seed; what is trained already is read."""
        raise NotImplementedError

    def pairs(self) -> list[tuple[str, str, str, str]]:
        """(claim, better arm, worse arm, metric) of every comparison."""
        return [(*s, metric) for s in self.statements for metric in self.compared or [self.metric]]

    def environment(self) -> Path:
        """``environment.json`` of the first run."""
        raise NotImplementedError

    def details(self) -> dict[str, Any]:
        """What else the results file says."""
        return {}

    def compare(self) -> Results:
        """Train every arm with every seed and judge the paired differences."""
        self.work.mkdir(parents=True, exist_ok=True)
        dataset = self.prepare()
        arms: dict[str, dict[str, dict]] = {}
        for seed in self.args.seeds:
            for arm, values in self.arms(seed).items():
                arms.setdefault(arm, {})[str(seed)] = values
        rows = results_file.compared(arms, self.pairs())
        environment = read_json(self.environment())
        seeds = " ".join(map(str, self.args.seeds))
        given = f"{self.command()} --size {self.args.size} --seeds {seeds}"
        return results_file.made(
            environment,
            kind="claim",
            paper=self.paper,
            claim=self.claim,
            metric=self.metric,
            arms=arms,
            seeds=self.args.seeds,
            dataset=dataset,
            command=f"python -m benchmarks {self.name}{given}",
            shown=self.shown,
            percent=self.percent,
            size={"name": self.args.size, **vars(self.size)},
            comparisons=rows,
            verdict=results_file.verdict_of([row for row in rows if row.metric == self.metric]),
            details=self.details(),
        )


def table(result: Results) -> str:
    """Results as text: a line a training, a line a comparison on the judged metric."""
    show = "{:.1%}".format if result.percent else "{:.3f}".format
    signed = "{:+.1%}".format if result.percent else "{:+.3f}".format
    wide = max(len("arm"), *map(len, result.arms)) + 2
    widths = [max(12, len(name) + 2) for name in result.shown]
    heads = "".join(f"{n:>{w}}" for n, w in zip(result.shown, widths, strict=True))
    lines = [f"{'arm':<{wide}}{'seed':>5}{heads}"]
    for arm, by_seed in result.arms.items():
        for seed, values in by_seed.items():
            found = [values.get(name) for name in result.shown]
            cells = ["" if value is None else show(value) for value in found]
            shown = "".join(f"{cell:>{w}}" for cell, w in zip(cells, widths, strict=True))
            lines.append(f"{arm:<{wide}}{seed:>5}{shown}".rstrip())
    for row in result.judged():
        effect = f"mean {signed(row.mean)}"
        if row.interval_95:
            low, high = map(signed, row.interval_95)
            effect += f", 95% interval {low} to {high}"
        lines += [f"claim: {row.claim}: {row.verdict}", f"    {row.metric}: {effect}"]
    if len(result.judged()) > 1:
        lines.append(f"all of it: {result.claim}: {result.verdict}")
    return "\n".join([*lines, result.dataset["note"]])


def build_parser(cls: type[Comparison], text: str | None) -> argparse.ArgumentParser:
    """The flags of a comparison."""
    parser = commands.build_parser(cls.name, text)
    add = parser.add_argument
    add("--size", choices=cls.sizes, default="quick", help="full is for a GPU; smoke: a minute")
    add("--seeds", type=at_least_0, nargs="+", default=[1, 2, 3])
    work = Path("runs") / cls.name
    add("--work", type=Path, default=work, help=f"data and run folders; default: {work}")
    add("--out", type=Path, default=RESULTS, help="results file, or a folder for it")
    if cls.workers is not None:
        add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
        add("--num_workers", type=at_least_0, default=cls.workers, help="processes a stream")
    cls.add_flags(add)
    return parser


def main_of(cls: type[Comparison], text: str | None) -> commands.Main:
    """The command of a comparison: compare, write the results files, print their tables.

    A claim that fails is a result, not an error.
    """

    @commands.command
    def main(argv: list[str]) -> int:
        args = build_parser(cls, text).parse_args(argv)
        for number, part in enumerate(cls.all_of(args)):
            result = part.compare()
            out = args.out
            if out.suffix != ".json":
                out = out / part.results_name()
            elif number:  # a second set of data has its file beside that of the first
                out = out.with_name(f"{out.stem}_{number + 1}.json")
            results_file.write(out, result)
            print(f"{table(result)}\nresults file: {out}")
        return 0

    return main
