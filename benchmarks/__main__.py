"""``python -m benchmarks <command>``: one door to every check and measurement.

A command is a module with ``main(argv) -> int`` and a line in `COMMANDS`; it is imported only when
it is called.
"""

from __future__ import annotations

import argparse
import importlib

from common.cli import command

COMMANDS = {
    "claims": ("claims.command", "the papers' statements on data that can be held here"),
    "demo": ("demo.command", "stand-in data, a short training per paper, parity and a report"),
    "explain": ("runs.explain", "how a run differs from a paper's recipe, and what that matters"),
    "lines": ("upkeep.lines", "lines of code per package, without blanks, comments and docstrings"),
    "list": ("ledger.list", "the ledger: every reported number, its source and its status"),
    "masked_faces": ("claims.masked_faces", "SSFER's stages on drawn faces"),
    "parity": ("parity.command", "compare with values measured on the authors' code"),
    "readmes": ("claims.readmes", "compare or rewrite the results tables of the READMEs"),
    "regression": ("upkeep.regression", "parity and smoke claims against the committed baseline"),
    "report": ("report.command", "all evidence and given runs: HTML, Markdown, JUnit and JSON"),
    "run": ("runs.command", "plan and train what the ledger's rows need; skips what is done"),
    "semi_supervision": ("claims.semi_supervision", "S2-VER or Ada-CM against its baselines"),
    "side_by_side": (
        "parity.side_by_side",
        "the authors' code and ours, step by step",
    ),
    "speed": ("speed.command", "training step and image loading against plain ones, as ratios"),
    "two_stage": ("claims.two_stage", "valence after one_stage and after two_stage"),
    "verdict": ("ledger.verdict", "runs against the paper's value and deviation"),
    "web_transfer": ("claims.web_transfer", "StockEmotion's way from web tags to UnBiasedEmo"),
    "weights": ("runs.weights", "evaluate a published checkpoint against its row"),
}
"""Command -> its module, and what it does."""


@command
def main(argv: list[str]) -> int:
    """Run a command; mistakes of the user come out as one sentence and exit code 2."""
    listing = "\n".join(f"  {name:<18}{text}" for name, (_, text) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"commands (each has its own --help):\n{listing}",
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND")
    # Only the first word is ours; the rest, --help included, belongs to the command.
    args = parser.parse_args(argv[:1])
    module, _ = COMMANDS[args.command]
    return importlib.import_module(f"benchmarks.{module}").main(argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())
