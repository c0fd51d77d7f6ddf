"""``python -m benchmarks side_by_side PAPER --authors DIR``: the first difference, or none."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from itertools import zip_longest
from pathlib import Path

from benchmarks.ground.commands import build_parser
from benchmarks.parity.side_by_side.sides import SIDES, Side
from common.cli import UserError
from common.flags import count, not_negative

ABOUT = """Run a script of your own clone of the authors' repository and ours, step by step.

Both read the same drawn images, start from the same weights and seeds, and run on the CPU in one
process each; what the script asks of a GPU or of libraries of its time is stood in for. Compared
are every batch of images, loss, gradient step and rate, and what the three random generators hold.
The clone is run, so it must be code that you trust. Flags after -- are given to both commands.

Exit code: 0 equal, 1 a difference, 2 a side did not run."""
ROOT = Path(__file__).resolve().parents[3]
WORDS = {
    "images": "images of a batch [shape, sum, norm]",
    "loss": "loss",
    "random": "next numbers of random, numpy.random and torch",
    "rates": "learning rates",
    "weights": "norm of the weights after the step",
}


def first_difference(theirs: list[dict], ours: list[dict], rtol: float) -> str:
    """Where two traces part, in a sentence; empty where they do not."""
    for a, b in zip_longest(theirs, ours):
        if a is None or b is None:
            longer, row = ("ours", b) if a is None else ("theirs", a)
            return f"step {row['step']}: only {longer} goes on, with a {row['kind']}"
        where = f"step {a['step']}"
        if a["kind"] != b["kind"]:
            return f"{where}: theirs comes to a {a['kind']}, ours to a {b['kind']}"
        if a["kind"] == "start" and a["network"] != b["network"]:
            apart = sorted(set(a["network"]) ^ set(b["network"]))
            return f"the start: the networks differ in {len(apart)} keys, {apart[0]} first"
        for name, text in WORDS.items():
            if name in a and not _equal(a[name], b[name], 1e-7 if name == "random" else rtol):
                return f"{where}, {text}: theirs {_short(a[name])}, ours {_short(b[name])}"
    return ""


def _equal(a, b, rtol: float) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_equal(x, y, rtol) for x, y in zip(a, b, strict=True))
    return math.isclose(a, b, rel_tol=rtol, abs_tol=rtol) or (math.isnan(a) and math.isnan(b))


def _short(value) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def run(side: str, request: dict, folder: Path) -> list[dict]:
    """Run a side in a process of its own.

    Raises:
        UserError: it failed before it came to the first pass over its images.
    """
    place = folder / side
    file, trace = folder / f"{side}.json", folder / f"{side}_trace.json"
    file.write_text(json.dumps({**request, "side": side, "trace": str(trace)}), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.parity.side_by_side.child", str(file)],
        cwd=place / SIDES[request["paper"]].here,
        env=environment,
        capture_output=True,
        text=True,
    )
    rows = json.loads(trace.read_text(encoding="utf-8")) if trace.exists() else []
    if not any(row["kind"] == "update" for row in rows):
        said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        (folder / f"{side}.txt").write_text(done.stdout + done.stderr, encoding="utf-8")
        raise UserError(
            f"{side} ended with exit code {done.returncode} before its first step: "
            f"{said[-1].strip()} (all that it said is in {folder / f'{side}.txt'} with --work)."
        )
    return rows


def find_script(clone: Path, name: str) -> Path:
    """A script of the clone.

    Raises:
        UserError: there is no such folder or file.
    """
    if not clone.is_dir():
        raise UserError(f"--authors {clone} is no folder; give your clone of their repository.")
    if not (clone / name).is_file():
        there = sorted(p.relative_to(clone).as_posix() for p in clone.rglob("*.py"))[:12]
        raise UserError(
            f"there is no {name} in {clone}; say by --script which of its files is meant, such as "
            f"{', '.join(there) or 'there is no Python file'}."
        )
    return (clone / name).resolve()


def request_of(side: Side, script: Path, clone: Path, argv: list[str], steps: int) -> dict:
    """What the process of the authors' script must know."""
    folders = [script.parent, *script.parent.parents]
    path = [str(f) for f in folders if f.is_relative_to(clone.resolve())]
    return {"script": str(script), "path": path, "argv": argv, "steps": steps}


def main(argv: list[str]) -> int:
    """Compare; returns the exit code.

    Raises:
        UserError: no such clone or script, or a side that did not run.
    """
    parser = build_parser("side_by_side", ABOUT)
    add = parser.add_argument
    add("paper", choices=SIDES, metavar="PAPER", help=", ".join(SIDES))
    add("--authors", type=Path, required=True, metavar="DIR", help="your clone of their repository")
    add("--script", help="file in DIR; default: the published one")
    add("--steps", type=count, default=3, help="optimiser steps to compare (default: 3)")
    add("--rtol", type=not_negative, default=1e-4, help="relative tolerance (default: 1e-4)")
    add("--work", type=Path, help="folder to run in, kept; default: a temporary one")
    split = argv.index("--") if "--" in argv else len(argv)
    args = parser.parse_args(argv[:split])
    side, more = SIDES[args.paper], argv[split + 1 :]
    name = args.script or side.script
    script = find_script(args.authors, name)
    if args.work and args.work.exists() and any(args.work.iterdir()):
        raise UserError(f"--work {args.work} is not empty; give a new folder.")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.work or Path(temporary)).resolve()
        flags = [*side.make(folder / "ours", args.steps), *more]
        shutil.copytree(folder / "ours", folder / "theirs")
        request = request_of(side, script, args.authors, flags, args.steps) | {"paper": args.paper}
        theirs = run("theirs", request, folder)
        own = [*flags, *side.only_ours, "--draws", "authors", "--device", "cpu"]
        # A published script's name begins with its own folder, whatever the clone has above it.
        published = "/".join(Path(name).with_suffix("").parts[-2:]) if side.scripts else ""
        ours = run("ours", request | {"argv": own, "script": published}, folder)
    difference = first_difference(theirs, ours, args.rtol)
    if difference:
        print(f"first difference at {difference}")
        return 1
    steps = sum(row["kind"] == "update" for row in theirs)
    print(f"equal over {steps} step{'s' if steps > 1 else ''} ({len(theirs)} events)")
    return 0
