"""Command-line flags that every training shares, and how a command line is read."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common.cli import UserError
from common.engine.precision import DTYPES
from common.files import read_yaml


def number(
    kind: type, low: float | None = None, high: float | None = None, below: float | None = None
):
    """An argparse type: a number with `low` <= value <= `high` and value < `below`."""

    def parse(text: str):
        value = kind(text)
        if value != value:
            raise argparse.ArgumentTypeError("nan is no number")
        if low is not None and value < low:
            raise argparse.ArgumentTypeError(f"{text} is below {low}")
        if high is not None and value > high:
            raise argparse.ArgumentTypeError(f"{text} is above {high}")
        if below is not None and value >= below:
            raise argparse.ArgumentTypeError(f"{text} must be below {below}")
        return value

    parse.__name__ = kind.__name__
    return parse


count = number(int, low=1)
at_least_0 = number(int, low=0)
a_seed = number(int, low=0, high=2**32 - 1)  # what NumPy's generator takes
not_negative = number(float, low=0)
positive = number(float, low=1e-12)
share = number(float, low=0, high=1)


def _names(text: str) -> list[str]:
    return list(name.strip().lstrip("-") for name in text.split(",") if name.strip())


class _Declaring:
    """Flags that say of themselves what a run must know of them."""

    def add_argument(self, *names, neutral: bool = False, no_effect: str = "", **settings):
        """As argparse's, and:

        Args:
            neutral: a run and its continuation may differ in it: it does not decide what is
                computed.
            no_effect: why the flag, accepted since it was published, changes nothing; a user who
                gives it is told.
        """
        action = super().add_argument(*names, **settings)
        action.neutral, action.no_effect = neutral or bool(no_effect), no_effect
        return action


class _Group(_Declaring, argparse._ArgumentGroup):
    pass


class Parser(_Declaring, argparse.ArgumentParser):
    """argparse's parser, with defaults in its help, whose flags are declared as above."""

    def __init__(self, **settings):
        settings.setdefault("formatter_class", argparse.ArgumentDefaultsHelpFormatter)
        super().__init__(**settings)

    def error(self, message: str):
        """As argparse's, with the flag that a misspelt one may mean."""
        before, _, words = message.partition("unrecognized arguments: ")
        if words and not before:
            wrong = words.split()[0].partition("=")[0]
            known = [name for action in self._actions for name in action.option_strings]
            if near := difflib.get_close_matches(wrong, known, n=1):
                message += f"; did you mean {near[0]}?"
        super().error(message)

    def add_argument_group(self, *words, **settings) -> _Group:
        """A group whose flags are declared like the parser's own."""
        group = _Group(self, *words, **settings)
        self._action_groups.append(group)
        return group

    def neutral(self) -> set[str]:
        """Names of the arguments that do not decide what is computed."""
        return {action.dest for action in self._actions if getattr(action, "neutral", True)}

    def without_effect(self, reason: str = "", *names: str) -> dict[str, str]:
        """Name -> reason of all arguments without effect, after `names` have become such."""
        for action in self._actions:
            if action.dest in names:
                action.no_effect, action.neutral = reason, True
        actions = [a for a in self._actions if getattr(a, "no_effect", "")]
        return {action.dest: action.no_effect for action in actions}


def setting(default, help: str, *names: str, laboratory: bool = False, **settings) -> Any:
    """A field of a settings dataclass that is a flag too, so that its default stands once.

    Args:
        default: the published value; False makes a switch.
        help: what the flag does.
        names: spellings of the flag; ``--<field>`` when none is given.
        laboratory: the published code does not have it.
        settings: ``type``, ``choices``, ``neutral`` … of ``add_argument``.
    """
    flag = {"default": default, "help": help, **settings}
    if default is False and "type" not in settings:
        flag = {"action": "store_true", "help": help, **settings}
    return dataclasses.field(
        default=default, metadata={"names": names, "laboratory": laboratory, "flag": flag}
    )


def add_switches(group: _Group, neutral: bool = False, **helps: str) -> None:
    """Add switches, each by its name and what it turns on."""
    for name, text in helps.items():
        group.add_argument(f"--{name}", action="store_true", neutral=neutral, help=text)


def add_settings(config: type, published: _Group, laboratory: _Group) -> None:
    """Add a flag for every :func:`setting` of a dataclass, each to its group."""
    for field in dataclasses.fields(config):
        if "flag" in field.metadata:
            group = laboratory if field.metadata["laboratory"] else published
            names = field.metadata["names"] or (f"--{field.name}",)
            group.add_argument(*names, dest=field.name, **field.metadata["flag"])


def settings_of(config: type, args: argparse.Namespace, **others):
    """The dataclass `config` with the values of its flags; `others` are given by name."""
    names = {f.name for f in dataclasses.fields(config) if "flag" in f.metadata} - others.keys()
    return config(**{name: getattr(args, name) for name in names}, **others)


def add_laboratory_flags(
    parser: Parser,
    backbones: tuple[str, ...],
    default: str,
    helps: dict[str, str] | None = None,
) -> _Group:
    """Add the group of flags that this project has beyond the authors'.

    Args:
        backbones: names ``--backbone`` takes.
        default: the authors' backbone.
        helps: flag -> help text, where the paper gives the flag another meaning.

    Returns:
        The group, for flags of the paper's own.
    """
    group = parser.add_argument_group(
        "laboratory flags", "not in the published code; the defaults leave its results as they are"
    )
    helps = helps or {}

    def add(flag: str, **settings) -> None:
        settings["help"] = helps.get(flag, settings["help"])
        group.add_argument(flag, **settings)

    add(
        "--pretrained",
        type=Path,
        metavar="PATH",
        neutral=True,
        help="torchvision weights or an earlier run's .pth",
    )
    add("--backbone", choices=backbones, default=default, help="resnet18 suits small machines")
    add("--image_size", type=number(int, low=16), default=224, help="side of the training images")
    add_machine_flags(group, add)
    add(
        "--bn_groups",
        type=count,
        default=1,
        help="parts of a batch with batch-norm statistics of their own, like DataParallel's GPUs",
    )
    add("--data_seed", type=a_seed, help="seed of the labelled split; default: --seed")
    add(
        "--val_fraction",
        type=number(float, low=0, below=1),
        default=0.0,
        help="share of the images without a label held out to choose the epoch",
    )
    return group


def add_draws(group: _Group) -> None:
    """Add ``--draws``, for a command whose streams can draw as the published scripts do."""
    group.add_argument(
        "--draws",
        choices=("seeded", "authors"),
        default="seeded",
        help="authors: the published scripts' random numbers in their order; resumes at epoch ends",
    )


SAVING: tuple[tuple[str, dict], ...] = (
    (
        "--save_every_minutes",
        {
            "type": not_negative,
            "default": 10.0,
            "help": "write last.ckpt inside an epoch this often; 0: at epoch ends alone",
        },
    ),
    (
        "--on_nan",
        {
            "choices": ("stop", "skip"),
            "default": "stop",
            "help": "a loss or gradient that is not finite ends the run, or its step is left "
            "out (which waits for the device at every step)",
        },
    ),
    (
        "--allow_change",
        {
            "type": _names,
            "default": [],
            "metavar": "FLAG[,FLAG]",
            "help": "flags that may differ from the checkpoint's, as lr; config.json tells",
        },
    ),
)
"""What says how a training keeps what it has."""


def add_machine_flags(group: _Group, add: Callable | None = None, device: str = "auto") -> None:
    """Add what says how to run, not what to compute.

    Args:
        add: adds a flag; `group`'s own ``add_argument`` when None.
        device: the default of ``--device``.
    """
    for flag, settings in (
        (
            "--precision",
            {"choices": tuple(DTYPES), "default": "fp32", "help": "number format of the forward"},
        ),
        ("--channels_last", {"help": "memory layout that convolutions prefer"}),
        ("--compile", {"help": "compile the network with torch.compile"}),
        ("--fast", {"help": "all that changes results by no more than noise"}),
        ("--device", {"default": device, "help": "auto, cpu, cuda or cuda:N"}),
        (
            "--stop_after_epoch",
            {"type": at_least_0, "default": 0, "help": "leave, resumable, after this epoch"},
        ),
        *SAVING,
        ("--corrected", {"help": "turn on every correction of the fidelity table"}),
    ):
        switch = {} if "default" in settings else {"action": "store_true"}
        (add or group.add_argument)(flag, neutral=True, **switch, **settings)


class GivenFlags(set):
    """Names of the arguments that the user gave.

    Attributes:
        argv: the command line itself.
    """

    def __init__(self, names=(), argv: tuple[str, ...] = ()):
        super().__init__(names)
        self.argv = list(argv)


def parse(build: Callable[[], argparse.ArgumentParser], argv: list[str]):
    """Read a command line; the YAML file of ``--c``, where given, speaks before it.

    Args:
        build: makes the parser.
        argv: the arguments.

    Returns:
        (namespace, :class:`GivenFlags`).

    Raises:
        UserError: the file of ``--c`` cannot be read or names a flag that does not exist.
    """
    args = build().parse_args(argv)
    if getattr(args, "c", ""):
        argv = _file_arguments(build(), Path(args.c)) + list(argv)
        args = build().parse_args(argv)
    probe = build()
    for action in probe._actions:
        action.default = argparse.SUPPRESS
    return args, GivenFlags(vars(probe.parse_args(argv)), argv)


def _file_arguments(parser: argparse.ArgumentParser, path: Path) -> list[str]:
    values = read_yaml(path, "'flag: value' lines, for --c")
    if not isinstance(values, dict):
        raise UserError(f"the file of --c, {path}, must hold 'flag: value' lines.")
    actions = {action.dest: action for action in parser._actions}
    arguments = []
    for name, value in values.items():
        action = actions.get(str(name).lstrip("-"))
        if action is None or action.dest in ("c", "help"):
            raise UserError(
                f"the file of --c, {path}, sets '{name}', which is no flag of this command."
            )
        flag = action.option_strings[-1]
        if action.nargs == 0:  # a switch
            if not isinstance(value, bool):
                raise UserError(
                    f"the file of --c, {path}, sets '{name}' to {value!r}; expected true or false."
                )
            arguments += [flag] if value else []
        elif value is not None:
            arguments.append(f"{flag}={value}")
    return arguments


def resume_command(
    program: str, argv: list[str], checkpoint: Path, takes_path: bool = False
) -> str:
    """The command that goes on with a stopped run, as a person would type it.

    Args:
        takes_path: the command's ``--resume`` takes the checkpoint itself.
    """
    argv = without_option(argv, "--stop_after_epoch")
    if takes_path:
        words = without_option(argv, "--resume")
        return f"{program} {shlex.join([*words, '--resume', str(checkpoint)])}"
    kept, skip = [], False
    for word in argv:
        if skip:
            skip = False
        elif word == "--load_path":
            skip = True
        elif word not in ("--resume", "--overwrite", "-o") and not word.startswith("--load_path="):
            kept.append(word)
    words = [*kept, "--resume", "--load_path", str(checkpoint), "--overwrite"]
    return f"{program} {shlex.join(words)}"


def without_option(argv: list[str], flag: str) -> list[str]:
    """`argv` without a flag that takes one value, in both its spellings."""
    kept, skip = [], False
    for word in argv:
        if skip:
            skip = False
        elif word == flag:
            skip = True
        elif not word.startswith(f"{flag}="):
            kept.append(word)
    return kept


def plain(value):
    """A command-line value as JSON and checkpoints can hold it."""
    return str(value) if isinstance(value, Path) else value
