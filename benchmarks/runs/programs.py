"""Which data each program of the papers reads in a run here, and how it is told where they are.

Flags, seed, run folder, and how to go on, are those of the programs' Experiments.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks.ground.commands import words
from benchmarks.ground.results_file import ROOT
from common.cli import UserError
from common.engine.experiment import Experiment
from common.engine.run_folder import RunFolder
from common.nn.backbones import imagenet_file


@dataclass(frozen=True)
class Need:
    """A dataset, or a file, that a job reads.

    Attributes:
        reader: name in ``common.datasets.readers``; empty for a file.
        path: folder, or file.
        twin: name of its drawn stand-in, in the form that the program reads; empty where none is.
        scale: of that stand-in in a smoke run.
    """

    reader: str
    path: Path
    twin: str = ""
    scale: float = 0.002


@dataclass(frozen=True)
class Where:
    """Where a job reads and writes, its seed, and whether it is a smoke run."""

    data: Path
    out: Path
    seed: int
    smoke: bool

    @property
    def ratings(self) -> Path:
        """Root of what dimva reads; its stand-in holds several datasets."""
        return self.data / "va" if self.smoke else self.data


@dataclass(frozen=True)
class Program:
    """What a program's Experiment does not say: what its runs here read, and how small they can be.

    Attributes:
        experiment: module that has the Experiment.
        flags: template of the flags that set data and output.
        smoke: flags of a run of a few steps.
        drop: flags with one value that a smoke run leaves out.
        twins: dataset -> its drawn stand-in, in the form that the program reads.
        scale: of that stand-in in a smoke run.
    """

    experiment: str
    flags: str
    smoke: str
    drop: tuple[str, ...] = ()
    twins: dict[str, str] = field(default_factory=dict)
    scale: float = 0.002

    def added(self, experiment: Experiment, args: argparse.Namespace, where: Where) -> list[str]:
        """Flags that set seed, data and output."""
        given = words(self.flags, args=args, where=where)
        if experiment.name == "webemotion":
            return [*_webemotion_values(args, where), *given]
        if getattr(args, "testdir", None):
            given += ["--testdir", f"{where.data}/{args.testdir}"]
        return [f"--{experiment.seed}", str(where.seed), *given]

    def needs(self, experiment: Experiment, args: argparse.Namespace, where: Where) -> list[Need]:
        """What is read."""
        special = {"dimva": _dimva_needs, "ssfer": _ssfer_needs, "webemotion": _webemotion_needs}
        return special.get(experiment.name, _needs)(self, args, where)

    def dataset(self, args: argparse.Namespace, reader: str, folder: Path) -> Need:
        """The dataset that a program reads."""
        name = getattr(args, "dataset", None) or args.dataname
        return Need(reader, folder, self.twins.get(name, ""), self.scale)


def _needs(program: Program, args: argparse.Namespace, where: Where) -> list[Need]:
    """One dataset and, outside smoke runs, starting weights."""
    dataset = program.dataset(args, args.dataset, where.data / args.dataset)
    weights = args.pretrained and not where.smoke
    return [dataset, Need("", Path(args.pretrained))] if weights else [dataset]


def _dimva_needs(program: Program, args: argparse.Namespace, where: Where) -> list[Need]:
    if where.smoke:
        return [program.dataset(args, "va", where.ratings)]
    needs = [
        Need(args.dataname, where.data / args.dataname),
        Need("emotion6", where.data / "Emotion6"),
        Need("", where.data / "NRC-VAD-Lexicon.txt"),
    ]
    first = args.mode == "one_stage" and str(args.pretrained) == "imagenet"
    return [*needs, Need("", imagenet_file(args.backbone))] if first else needs


def _ssfer_needs(program: Program, args: argparse.Namespace, where: Where) -> list[Need]:
    names = {"RAFDB": "RAF-DB", "AffectNet7": "AffectNet-7", "AffectNet8": "AffectNet-8"}
    needs = [program.dataset(args, "", where.data / names.get(args.dataset, args.dataset))]
    return needs if where.smoke else [*needs, Need("", Path(args.checkpoint))]


def _webemotion_config(args: argparse.Namespace) -> dict:
    path = ROOT / args.config_file
    try:
        return {**json.loads(path.read_text(encoding="utf-8")), **dict(args.set)}
    except (OSError, ValueError) as error:
        raise UserError(f"the configuration {path} cannot be read ({error}).") from None


def _webemotion_values(args: argparse.Namespace, where: Where) -> list[str]:
    """Paths below ``data/`` move to the data root; all stand in the configuration."""
    values = {"seed": where.seed, "save_directory": str((where.out / "run").absolute())}
    for key, value in _webemotion_config(args).items():
        if isinstance(value, str) and value.startswith("data/"):
            values[key] = str(where.data / value.removeprefix("data/"))
    return [flag for k, v in values.items() for flag in ("--set", f"{k}={json.dumps(v)}")]


def _webemotion_needs(program: Program, args: argparse.Namespace, where: Where) -> list[Need]:
    def below(keys: str) -> list[Need]:
        paths = [config[key] for key in keys.split() if config.get(key)]
        inside = {p: where.data / p.removeprefix("data/") for p in paths if p.startswith("data/")}
        return [Need("", inside.get(path, ROOT / path)) for path in paths]

    config = _webemotion_config(args)
    first = [Need("", where.data / "webtags", "webtags", 0.002)]
    lists = first if where.smoke else below("train_file val_file resume")
    return [*lists, *below("text_ckpt text_embed idx2tag visual_model")]


DECLARED = yaml.safe_load(Path(__file__).with_name("programs.yaml").read_text(encoding="utf-8"))
PROGRAMS = {script: Program(**declared) for script, declared in DECLARED.items()}
ELSEWHERE = {
    "ssfer/evaluate.py": "a released checkpoint is evaluated, not trained: see "
    "`python -m benchmarks weights`",
}


def program_of(script: str) -> Program | None:
    """The program that a script is; None where nothing is planned for it."""
    if script.startswith("webemotion/") and "0Shot" not in script:
        return PROGRAMS["webemotion"]
    return PROGRAMS.get(script)


def split(command: str) -> tuple[str, list[str]]:
    """(script or module, words after it) of a command line that starts with ``python``."""
    found = shlex.split(command)
    return (found[2], found[3:]) if found[1] == "-m" else (found[1], found[2:])


def last_of(command: str) -> str:
    """The last of the command lines that ``&&`` joins, whose run gives the row's number."""
    return command.split("&&")[-1].strip()


def started(script: str, given: list[str]) -> tuple[Experiment, list[str]]:
    """The Experiment of a command line, and the words for it.

    Raises:
        UserError: no such program.
    """
    program = program_of(script)
    if program is None:
        raise UserError(f"{script} is no training program of the papers.")
    module = importlib.import_module(program.experiment)
    if script == "benchmarks.baselines":
        if not given or given[0] not in module.METHODS:
            raise UserError(
                f"python -m benchmarks.baselines {' '.join(given[:1])}: no such method."
            )
        return module.experiment(given[0]), given[1:]
    if script.startswith("webemotion/"):
        return _webemotion(script, module.build_parser), given
    return module.EXPERIMENT, given


def _webemotion(script: str, parser: Callable) -> Experiment:
    """One of its scripts: all have the same flags, and a configuration each."""
    return Experiment(
        name="webemotion",
        command=f"python {script}",
        quirks=ROOT / "webemotion" / "quirks.yaml",
        parser=parser,
        read=None,
        build=None,
        folder=lambda args: RunFolder(Path(_webemotion_config(args)["save_directory"])),
    )


def parse(command: str) -> argparse.Namespace:
    """The arguments of one command line of a row, by the package's own parser.

    Raises:
        UserError: no such program.
        SystemExit: the parser refuses it.
    """
    experiment, given = started(*split(command))
    return experiment.parser().parse_args(given)
