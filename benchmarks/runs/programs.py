"""Which data each program of the papers reads in a run here, and how it is told where they are.

Flags, seed, run folder, and how to go on, are those of the programs' Experiments.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.ground.commands import words
from benchmarks.ground.results_file import ROOT
from common.cli import UserError
from common.engine.experiment import Experiment
from common.engine.run_folder import RunFolder


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


Started = tuple[Experiment, list[str]]


@dataclass(frozen=True)
class Program:
    """What a program's Experiment does not say: what its runs here read, and how small they can be.

    Attributes:
        start: (script, words after it) -> (its Experiment, words for that).
        flags: (arguments, where) -> flags that set data and output.
        needs: (arguments, where) -> what is read.
        smoke: flags of a run of a few steps.
        drop: flags with one value that a smoke run leaves out.
        part: arguments -> the folder below that of the run whose summary has the row's number.
        seeds: whether the Experiment's seed is a flag of its own; else `flags` sets it.
    """

    start: Callable[[str, list[str]], Started]
    flags: Callable[[argparse.Namespace, Where], list[str]]
    needs: Callable[[argparse.Namespace, Where], list[Need]]
    smoke: str = ""
    drop: tuple[str, ...] = ()
    part: Callable[[argparse.Namespace], str] = lambda args: ""
    seeds: bool = True


def _declared(module: str) -> Callable[[str, list[str]], Started]:
    return lambda script, given: (importlib.import_module(module).EXPERIMENT, given)


def _baseline(script: str, given: list[str]) -> Started:
    command = importlib.import_module("benchmarks.baselines.__main__")
    if not given or given[0] not in command.METHODS:
        raise UserError(f"python -m benchmarks.baselines {' '.join(given[:1])}: no such method.")
    return command.experiment(given[0]), given[1:]


def _flags(template: str) -> Callable[[argparse.Namespace, Where], list[str]]:
    return lambda args, where: words(template, args=args, where=where)


def _classes(twins: dict[str, str], scale: float) -> Callable:
    """Needs of a program that reads one dataset and, outside smoke runs, starting weights."""

    def needs(args: argparse.Namespace, where: Where) -> list[Need]:
        dataset = Need(args.dataset, where.data / args.dataset, twins.get(args.dataset, ""), scale)
        weights = args.pretrained and not where.smoke
        return [dataset, Need("", Path(args.pretrained))] if weights else [dataset]

    return needs


def _dimva_needs(args: argparse.Namespace, where: Where) -> list[Need]:
    if where.smoke:
        return [Need("va", where.ratings, "va" if args.dataname == "FI" else "", 0.01)]
    return [
        Need(args.dataname, where.data / args.dataname),
        Need("emotion6", where.data / "Emotion6"),
        Need("", where.data / "NRC-VAD-Lexicon.txt"),
    ]


def _ssfer_needs(args: argparse.Namespace, where: Where) -> list[Need]:
    names = {"RAFDB": "RAF-DB", "AffectNet7": "AffectNet-7", "AffectNet8": "AffectNet-8"}
    folder = where.data / names.get(args.dataset, args.dataset)
    needs = [Need("", folder, "rafdb_folders" if args.dataset == "RAFDB" else "", 0.03)]
    return needs if where.smoke else [*needs, Need("", Path(args.checkpoint))]


def _ssfer_flags(args: argparse.Namespace, where: Where) -> list[str]:
    template = "--out {where.out}/run --detector none --traindir "
    template += "{where.data}/{args.traindir}"
    template += " --testdir {where.data}/{args.testdir}" if args.testdir else ""
    return words(template, args=args, where=where)


def _webemotion(script: str, given: list[str]) -> Started:
    """One of its scripts: all have the flags of ``webemotion.options``, and configurations."""
    options = importlib.import_module("webemotion.options")
    declared = Experiment(
        name="webemotion",
        command=f"python {script}",
        quirks=ROOT / "webemotion" / "quirks.yaml",
        parser=options.build_parser,
        read=None,
        build=None,
        folder=lambda args: RunFolder(Path(_webemotion_config(args)["save_directory"])),
    )
    return declared, given


def _webemotion_config(args: argparse.Namespace) -> dict:
    path = ROOT / args.config_file
    try:
        return {**json.loads(path.read_text(encoding="utf-8")), **dict(args.set)}
    except (OSError, ValueError) as error:
        raise UserError(f"the configuration {path} cannot be read ({error}).") from None


def _webemotion_flags(args: argparse.Namespace, where: Where) -> list[str]:
    """Paths below ``data/`` move to the data root; all stand in the configuration."""
    values = {"seed": where.seed, "save_directory": str(where.out / "run")}
    for key, value in _webemotion_config(args).items():
        if isinstance(value, str) and value.startswith("data/"):
            values[key] = str(where.data / value.removeprefix("data/"))
    flags = [flag for k, v in values.items() for flag in ("--set", f"{k}={json.dumps(v)}")]
    return [*flags, "--overwrite"]


def _webemotion_needs(args: argparse.Namespace, where: Where) -> list[Need]:
    def below(keys: str) -> list[Need]:
        paths = [config[key] for key in keys.split() if config.get(key)]
        inside = {p: where.data / p.removeprefix("data/") for p in paths if p.startswith("data/")}
        return [Need("", inside.get(path, ROOT / path)) for path in paths]

    config = _webemotion_config(args)
    first = [Need("", where.data / "webtags", "webtags", 0.002)]
    lists = first if where.smoke else below("train_file val_file resume")
    return [*lists, *below("text_ckpt text_embed idx2tag visual_model")]


_S2VER = Program(
    start=_declared("s2ver.main"),
    flags=_flags("--data_dir {where.data} --save_dir {where.out} --save_name run --overwrite"),
    needs=_classes({"fi": "fi"}, 0.002),
    smoke="--epoch 2 --num_train_iter 2 --backbone resnet18 -bsz 4 --num_labels 16 "
    "--image_size 32 --num_workers 0",
)
_WEBEMOTION = Program(
    start=_webemotion,
    flags=_webemotion_flags,
    needs=_webemotion_needs,
    smoke="--set resume=null --set epochs=2 --set batch_size=4 --set workers=0 --max_steps 2 "
    "--backbone resnet18 --image_size 32",
    seeds=False,
)
PROGRAMS: dict[str, Program] = {
    "s2ver/main.py": _S2VER,
    "benchmarks.baselines": replace(_S2VER, start=_baseline),
    "adacm/main.py": Program(
        start=_declared("adacm.main"),
        flags=_flags("--data_dir {where.data} --out {where.out}/run"),
        needs=_classes({"rafdb": "rafdb"}, 0.04),
        smoke="--epochs 2 --train-iteration 2 --batch-size 4 --n-labeled 100 --image_size 32 "
        "--num_workers 0",
        drop=("--pretrained",),
    ),
    "dimva/train.py": Program(
        start=_declared("dimva.train"),
        flags=_flags("--out {where.out}/run --overwrite --data_root {where.ratings}"),
        needs=_dimva_needs,
        smoke="--num_epochs 1 --batch_size 4 --backbone resnet18 --pretrained none --keep_best "
        "--image_size 32 --num_workers 0",
    ),
    "ssfer/fine_tune.py": Program(
        start=_declared("ssfer.finetune.main"),
        flags=_ssfer_flags,
        needs=_ssfer_needs,
        smoke="--model tiny --input_size 32 --checkpoint none --anno_percent 0.3 --num_epochs 2 "
        "--semi_epochs 1 --batch_size 4",
        drop=("--checkpoint",),
        part=lambda args: "stage3" if args.semi_epochs else "stage2",
    ),
}
ELSEWHERE = {
    "ssfer/evaluate.py": "a released checkpoint is evaluated, not trained: see "
    "`python -m benchmarks weights`",
}


def program_of(script: str) -> Program | None:
    """The program that a script is; None where nothing is planned for it."""
    if script.startswith("webemotion/") and "0Shot" not in script:
        return _WEBEMOTION
    return PROGRAMS.get(script)


def split(command: str) -> tuple[str, list[str]]:
    """(script or module, words after it) of a command line that starts with ``python``."""
    found = shlex.split(command)
    return (found[2], found[3:]) if found[1] == "-m" else (found[1], found[2:])


def last_of(command: str) -> str:
    """The last of the command lines that ``&&`` joins, whose run gives the row's number."""
    return command.split("&&")[-1].strip()


def started(command: str) -> Started:
    """The Experiment of one command line of a row, and the words for it.

    Raises:
        UserError: no such program.
    """
    script, given = split(command)
    program = program_of(script)
    if program is None:
        raise UserError(f"{script} is no training program of the papers.")
    return program.start(script, given)


def parse(command: str) -> argparse.Namespace:
    """The arguments of one command line of a row, by the package's own parser.

    Raises:
        UserError: no such program.
        SystemExit: the parser refuses it.
    """
    experiment, given = started(command)
    return experiment.parser().parse_args(given)
