"""The command that every script is: its configuration is read, and its program runs."""

from __future__ import annotations

import argparse
import importlib
import sys
from functools import partial
from pathlib import Path

if not __package__:  # run as a script: import from the repository's root, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from common import flags
from common.cli import entry_point
from common.engine.experiment import OnReady
from webemotion.catalogue import SCRIPTS
from webemotion.config import load
from webemotion.options import build_parser
from webemotion.program import Program
from webemotion.training import Training


def program(script: str, argv: list[str]) -> Program:
    """A script with the configuration that a command line gives it.

    Raises:
        UserError: the configuration cannot be read, or is not the script's.
    """
    args, given_flags = flags.parse(partial(build_parser, script), argv)
    changes = dict(args.set)
    if args.image_size:
        changes["image_size"] = args.image_size
    if args.pretrained:
        changes["pretrained"] = str(args.pretrained)
    if "backbone" in given_flags:
        changes["depth"] = args.backbone
    config = load(args.config_file, script, changes)
    task = SCRIPTS[script].task
    if task == "train" and not config.evaluate:
        return Training(script, config)
    module = importlib.import_module(f"webemotion.{'validate' if task == 'train' else task}")
    return module.PROGRAM(script, config)


def main(
    script: str | Path, argv: list[str] | None = None, on_ready: OnReady = lambda _: None
) -> int:
    """Run a script; returns the exit code.

    Args:
        script: its file, or its name in :data:`webemotion.catalogue.SCRIPTS`.
        argv: the arguments; those of the process when None.
        on_ready: see :meth:`common.engine.experiment.Experiment.main`.
    """
    name = str(script)
    if name not in SCRIPTS:
        name = f"{Path(script).parent.name}/{Path(script).stem}"

    def run(words: list[str]) -> int:
        return program(name, words).experiment().run(words, on_ready)

    return entry_point(run, argv)


def start(name: str, file: str) -> None:
    """Run a script where it is started, and not where a loader process imports it.

    Args:
        name, file: its ``__name__`` and ``__file__``.
    """
    if name == "__main__":
        raise SystemExit(main(file))


def cli() -> None:
    """``python -m webemotion.train --script NAME --config_file FILE``."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--script", choices=SCRIPTS, metavar="NAME", required=True)
    known, words = parser.parse_known_args()
    raise SystemExit(main(known.script, words))


if __name__ == "__main__":
    cli()
