"""Command-line flags that every training shares, and how a command line is read."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from pathlib import Path

import yaml

from common.cli import UserError
from common.engine.precision import DTYPES


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


def add_laboratory_flags(
    parser: argparse.ArgumentParser,
    backbones: tuple[str, ...],
    default: str,
    helps: dict[str, str] | None = None,
):
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
        help="torchvision weights or an earlier run's .pth",
    )
    add("--backbone", choices=backbones, default=default, help="resnet18 suits small machines")
    add("--image_size", type=number(int, low=16), default=224, help="side of the training images")
    add("--precision", choices=tuple(DTYPES), default="fp32", help="number format of the forward")
    add("--channels_last", action="store_true", help="memory layout that convolutions prefer")
    add("--compile", action="store_true", help="compile the network with torch.compile")
    add("--fast", action="store_true", help="all that changes results by no more than noise")
    add("--data_seed", type=a_seed, help="seed of the labelled split; default: --seed")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add(
        "--val_fraction",
        type=number(float, low=0, below=1),
        default=0.0,
        help="share of the images without a label held out to choose the epoch",
    )
    add("--stop_after_epoch", type=at_least_0, default=0, help="leave, resumable, after this epoch")
    add("--corrected", action="store_true", help="turn on every correction of the fidelity table")
    return group


def parse(build: Callable[[], argparse.ArgumentParser], argv: list[str]):
    """Read a command line; the YAML file of ``--c``, where given, speaks before it.

    Args:
        build: makes the parser.
        argv: the arguments.

    Returns:
        (namespace, names of the arguments that the user gave).

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
    return args, set(vars(probe.parse_args(argv)))


def _file_arguments(parser: argparse.ArgumentParser, path: Path) -> list[str]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"the file of --c, {path}, cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        place = getattr(error, "problem_mark", None)
        where = f"line {place.line + 1}: " if place else ""
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        raise UserError(
            f"the file of --c, {path}, is not valid YAML ({where}{reason}); "
            "expected 'flag: value' lines."
        ) from None
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
