"""From a row's command to jobs: where it reads and writes, its seed, how it goes on, what it needs.

Each program of the papers is described once. A job is one command line (or several in a row, for
two stages) with one seed; rows that need the same job share it.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.ledger import LedgerRow
from common.cli import UserError
from common.engine.run_folder import LAST

PROFILES = ("smoke", "claims", "paper")
ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Need:
    """A dataset, or a file, that a job reads.

    Attributes:
        reader: name in ``common.datasets.readers``; empty for a file.
        place: folder, or file.
        twin: name of its drawn stand-in, in the form that the program reads; empty where none is.
        scale: of that stand-in in a smoke run.
    """

    reader: str
    place: Path
    twin: str = ""
    scale: float = 0.002


@dataclass(frozen=True)
class Where:
    """Where a job reads and writes, and its seed."""

    data: Path
    out: Path
    seed: int


@dataclass(frozen=True)
class Program:
    """How a program's command line is completed.

    Attributes:
        build_parser: (words after the script) -> (parser, words for it).
        place: (arguments, where) -> flags that set seed, data and output.
        folder: (arguments, where) -> run folder.
        resume: run folder -> flags that go on.
        needs: (arguments, where, smoke) -> what is read.
        smoke: flags of a run of a few steps.
        drop: flags with one value that a smoke run leaves out.
    """

    build_parser: Callable[[list[str]], tuple[argparse.ArgumentParser, list[str]]]
    place: Callable[[argparse.Namespace, Where], list]
    folder: Callable[[argparse.Namespace, Where], Path]
    resume: Callable[[Path], list]
    needs: Callable[[argparse.Namespace, Where, bool], list[Need]]
    smoke: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


def _options(module: str):
    def build(words: list[str]):
        return importlib.import_module(module).build_parser(), words

    return build


def _baseline_parser(words: list[str]):
    command = importlib.import_module("benchmarks.baselines.__main__")
    if not words or words[0] not in command.METHODS:
        raise UserError(f"python -m benchmarks.baselines {' '.join(words[:1])}: no such method.")
    return command.entry_of(words[0]).parser(), words[1:]


def _s2ver_needs(args, where: Where, smoke: bool) -> list[Need]:
    needs = [Need(args.dataset, where.data / args.dataset, "fi" if args.dataset == "fi" else "")]
    return needs + ([Need("", Path(args.pretrained))] if args.pretrained and not smoke else [])


def _adacm_needs(args, where: Where, smoke: bool) -> list[Need]:
    twin = "rafdb" if args.dataset == "rafdb" else ""
    needs = [Need(args.dataset, where.data / args.dataset, twin, 0.04)]
    return needs + ([Need("", Path(args.pretrained))] if args.pretrained and not smoke else [])


def _dimva_needs(args, where: Where, smoke: bool) -> list[Need]:
    if smoke:
        return [Need("va", where.data / "va", "va" if args.dataname == "FI" else "", 0.01)]
    sets = [Need(args.dataname, where.data / args.dataname), Need("emotion6", _e6(where))]
    return [*sets, Need("", where.data / "NRC-VAD-Lexicon.txt")]


def _e6(where: Where) -> Path:
    return where.data / "Emotion6"


def _ssfer_needs(args, where: Where, smoke: bool) -> list[Need]:
    names = {"RAFDB": "RAF-DB", "AffectNet7": "AffectNet-7", "AffectNet8": "AffectNet-8"}
    folder = where.data / names.get(args.dataset, args.dataset)
    twin = "rafdb_folders" if args.dataset == "RAFDB" else ""
    needs = [Need("", folder, twin, 0.03)]
    return needs if smoke else [*needs, Need("", Path(args.checkpoint))]


def _ssfer_place(args, where: Where) -> list:
    words = ["--seed", where.seed, "--out", where.out / "run", "--detector", "none"]
    words += ["--traindir", where.data / args.traindir]
    return [*words, "--testdir", where.data / args.testdir] if args.testdir else words


def _webemotion_config(args) -> dict:
    path = ROOT / args.config_file
    try:
        return {**json.loads(path.read_text(encoding="utf-8")), **dict(args.set)}
    except (OSError, ValueError) as error:
        raise UserError(f"the configuration {path} cannot be read ({error}).") from None


def _webemotion_place(args, where: Where) -> list:
    """Paths below ``data/`` move to the data root; all stand in the configuration."""
    values = {"seed": where.seed, "save_directory": str(where.out / "run")}
    for key, value in _webemotion_config(args).items():
        if isinstance(value, str) and value.startswith("data/"):
            values[key] = str(where.data / value.removeprefix("data/"))
    flags = [flag for k, v in values.items() for flag in ("--set", f"{k}={json.dumps(v)}")]
    return [*flags, "--overwrite"]


def _webemotion_needs(args, where: Where, smoke: bool) -> list[Need]:
    config = _webemotion_config(args)
    files = [config.get(k) for k in ("text_ckpt", "text_embed", "idx2tag", "visual_model")]
    needs = [Need("", _below(f, where)) for f in files if f]
    if smoke:
        return [Need("", where.data / "webtags", "webtags", 0.002), *needs]
    lists = [config.get(k) for k in ("train_file", "val_file", "resume")]
    return [*(Need("", _below(f, where)) for f in lists if f), *needs]


def _below(path: str, where: Where) -> Path:
    if path.startswith("data/"):
        return where.data / path.removeprefix("data/")
    return ROOT / path


def _dimva_folder(args, where: Where) -> Path:
    name = f"{args.mode}_{args.task}_{args.dataname}_rs_{where.seed}"
    return where.out / "run" / "runs" / name


_SMALL = ("--image_size", "32", "--num_workers", "0")
_S2VER = Program(
    _options("s2ver.options"),
    lambda args, w: [
        *("--seed", w.seed, "--data_dir", w.data, "--save_dir", w.out, "--save_name", "run"),
        "--overwrite",
    ],
    lambda args, w: w.out / "run",
    lambda run: ["--resume", "--load_path", run],
    _s2ver_needs,
    (
        *("--epoch", "2", "--num_train_iter", "2", "--backbone", "resnet18", "-bsz", "4"),
        *("--num_labels", "16", *_SMALL),
    ),
)
PROGRAMS: dict[str, Program] = {
    "s2ver/main.py": _S2VER,
    "benchmarks.baselines": replace(_S2VER, build_parser=_baseline_parser),
    "adacm/main.py": Program(
        _options("adacm.options"),
        lambda args, w: ["--manualSeed", w.seed, "--data_dir", w.data, "--out", w.out / "run"],
        lambda args, w: w.out / "run",
        lambda run: ["--resume", run],
        _adacm_needs,
        (
            *("--epochs", "2", "--train-iteration", "2", "--batch-size", "4"),
            *("--n-labeled", "100", *_SMALL),
        ),
        ("--pretrained",),
    ),
    "dimva/train.py": Program(
        _options("dimva.options"),
        lambda args, w: ["--seed", w.seed, "--out", w.out / "run", "--overwrite"],
        _dimva_folder,
        lambda run: ["--resume", "--load_path", run],
        _dimva_needs,
        (
            *("--num_epochs", "1", "--batch_size", "4", "--backbone", "resnet18"),
            *("--pretrained", "none", "--keep_best", *_SMALL),
        ),
    ),
    "ssfer/fine_tune.py": Program(
        _options("ssfer.options"),
        _ssfer_place,
        lambda args, w: w.out / "run" / ("stage3" if args.semi_epochs else "stage2"),
        lambda run: ["--resume", run.parent],
        _ssfer_needs,
        (
            *("--model", "tiny", "--input_size", "32", "--checkpoint", "none", "--anno_percent"),
            *("0.3", "--num_epochs", "2", "--semi_epochs", "1", "--batch_size", "4"),
        ),
        ("--checkpoint",),
    ),
}
WEBEMOTION = Program(
    _options("webemotion.options"),
    _webemotion_place,
    lambda args, w: w.out / "run",
    lambda run: ["--resume", run],
    _webemotion_needs,
    (
        *("--set", "resume=null", "--set", "epochs=2", "--set", "batch_size=4"),
        *("--set", "workers=0", "--max_steps", "2", "--backbone", "resnet18"),
        *("--image_size", "32"),
    ),
)
ELSEWHERE = {
    "ssfer/evaluate.py": "a released checkpoint is evaluated, not trained: see "
    "`python -m benchmarks weights`",
}


def program_of(script: str) -> Program | None:
    """The program that a script is; None where nothing is planned for it."""
    if script.startswith("webemotion/") and "0Shot" not in script:
        return WEBEMOTION
    return PROGRAMS.get(script)


@dataclass(frozen=True)
class Stage:
    """One command of a job.

    Attributes:
        words: after ``python``.
        folder: its run folder.
        resume: flags that go on from that folder.
    """

    words: tuple[str, ...]
    folder: Path
    resume: tuple[str, ...]

    def argv(self) -> list[str]:
        """The words, with those that go on where there is a checkpoint."""
        return [*self.words, *(self.resume if (self.folder / LAST).exists() else ())]


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
    for script, _ in commands:
        if program_of(script) is None:
            told = ELSEWHERE.get(script, f"{script} trains nothing")
            key = _key(profile, seed, data, row.command)
            return Job(key, row.paper, profile, seed, (row.id,), blocked=told, dataset=row.dataset)
    # Its folder has the key's name, so the key is made of arguments that name no folder yet.
    nowhere = Where(data, Path("OUT"), seed)
    key = _key(profile, seed, data, [_identity(c, profile == "smoke", nowhere) for c in commands])
    where = Where(data, out / key, seed)
    stages, needs = [], []
    for command in commands:
        words, args = _words(command, profile == "smoke", where)
        program = program_of(command[0])
        folder = program.folder(args, where)
        stages.append(Stage(tuple(words), folder, tuple(map(str, program.resume(folder)))))
        needs += [n for n in program.needs(args, where, profile == "smoke") if n not in needs]
    ids = (row.id,)
    return Job(key, row.paper, profile, seed, ids, tuple(stages), tuple(needs), "", row.dataset)


def split(command: str) -> tuple[str, list[str]]:
    """(script or module, words after it) of a command line that starts with ``python``."""
    words = shlex.split(command)
    return (words[2], words[3:]) if words[1] == "-m" else (words[1], words[2:])


def parse(command: str) -> argparse.Namespace:
    """The arguments of one command line of a row, by the package's own parser.

    Raises:
        UserError: no such program.
        SystemExit: the parser refuses it.
    """
    script, words = split(command)
    program = program_of(script)
    if program is None:
        raise UserError(f"{script} is no training program of the papers.")
    parser, words = program.build_parser(words)
    return parser.parse_args(words)


def _words(command: tuple[str, list[str]], smoke: bool, where: Where):
    script, given = command
    program = program_of(script)
    if smoke:
        given = [*_without(given, program.drop), *program.smoke]
    parser, own = program.build_parser(given)
    args = parser.parse_args(own)
    extra = [str(word) for word in program.place(args, where)]
    if script == "dimva/train.py":
        extra += ["--data_root", str(where.data / "va" if smoke else where.data)]
    head = ["-m", script] if "/" not in script else [script]
    return [*head, *given, *extra], args


def _identity(command: tuple[str, list[str]], smoke: bool, where: Where) -> list:
    """Program and effective arguments, by which equal trainings are known."""
    words, args = _words(command, smoke, where)
    program = words[: 3 if words[0] == "-m" else 1]
    # Places are those of `where`; what was parsed before they were added does not decide.
    places = [str(word) for word in program_of(command[0]).place(args, where)]
    return [program, sorted((name, str(value)) for name, value in vars(args).items()), places]


def _without(words: list[str], flags: tuple[str, ...]) -> list[str]:
    kept, skip = [], False
    for word in words:
        if not skip and word not in flags:
            kept.append(word)
        skip = not skip and word in flags
    return kept


def _key(profile: str, seed: int, data: Path, what: list | str) -> str:
    content = json.dumps([profile, seed, str(data), what])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
