"""``python -m benchmarks <command>``: one door to every check and measurement.

A command is a module ``benchmarks/<name>.py`` (or package) with ``main(argv) -> int`` and a line in
`COMMANDS`; it is imported only when it is called.
"""

from __future__ import annotations

import argparse
import importlib

from common.cli import entry_point

COMMANDS = {
    "claims": "the papers' statements on data that can be held here: read, or run",
    "demo": "stand-in data, a short training per paper, parity checks and a report, in minutes",
    "explain": "how a run differs from a paper's recipe, and what that is known to matter",
    "list": "the ledger: every reported number, its source and its status",
    "masked_faces": "SSFER's stages on drawn faces: pre-training, FaceMix, EMA teacher",
    "parity": "compare the project with values measured on the authors' code",
    "readmes": "compare or rewrite the results tables of the READMEs",
    "regression": "parity and smoke claims against the committed baseline",
    "report": "all evidence and given runs as one page: HTML, Markdown, JUnit XML and JSON",
    "run": "plan and train what the ledger's rows need; skips what is done",
    "semi_supervision": "S2-VER against supervised training with the same few labels",
    "speed": "training step and image loading against plain ones, as ratios in one run",
    "two_stage": "valence after one_stage and after two_stage, on a twin and on BASS",
    "verdict": "runs against the paper's value and deviation",
    "web_transfer": "StockEmotion's way from web tags to UnBiasedEmo and zero-shot",
    "weights": "evaluate a published checkpoint against its row",
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
