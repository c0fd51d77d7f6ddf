"""``python -m benchmarks <command>``: one door to every check and measurement.

A command is a module ``benchmarks/<name>.py`` (or package) with ``main(argv) -> int`` and a line in
`COMMANDS`; it is imported only when it is called.
"""

from __future__ import annotations

import argparse
import importlib

from common.cli import entry_point

COMMANDS = {
    "demo": "stand-in data, two short trainings, parity checks and a report, in minutes",
    "parity": "compare the project with values measured on the authors' code",
    "readmes": "compare or rewrite the results tables of the READMEs",
    "report": "write what runs, parity checks and claims gave as HTML and Markdown",
    "semi_supervision": "S2-VER against supervised training with the same few labels",
    "speed": "training step under other number formats, as ratios in one run",
    "two_stage": "valence after one_stage and after two_stage, on a twin and on BASS",
}


def _run(argv: list[str]) -> int:
    listing = "\n".join(f"  {name:<18}{text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"commands (each has its own --help):\n{listing}",
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    # Only the first word is ours; the rest, --help included, belongs to the command.
    args = parser.parse_args(argv[:1])
    return importlib.import_module(f"benchmarks.{args.command}").main(argv[1:])


def main(argv: list[str] | None = None) -> int:
    """Run a command; mistakes of the user come out as one sentence and exit code 2."""
    return entry_point(_run, argv)


def cli() -> None:
    """The installed script ``emotionlab-benchmarks``."""
    raise SystemExit(main())


if __name__ == "__main__":
    cli()
