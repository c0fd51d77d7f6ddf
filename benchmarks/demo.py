"""``python -m benchmarks demo --out DIR``: from nothing to a report in minutes.

Stand-in data is drawn, the supervised baseline and S2-VER are trained through their own command
lines, the shipped parity cases are checked, and all of it becomes a table and a page.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import benchmarks.baselines.__main__ as baseline_command
import common.data.__main__ as data_command
from benchmarks.parity import command as parity_command
from benchmarks.report import collect, tables
from benchmarks.report.command import write
from benchmarks.report.content import build
from common.cli import UserError
from common.data.readers.folder import DRAWN_MARK
from common.data.twins import fi
from common.engine.launch import DRAWN
from common.engine.protocols import MEANING
from common.engine.runlog import log_to
from s2ver import main as s2ver_command

TITLE = "Demonstration: S2-VER and its supervised baseline on drawn stand-in data"
METHODS: dict[str, Callable[[list[str]], int]] = {
    "supervised": lambda argv: baseline_command.main(["supervised", *argv]),
    "s2ver": s2ver_command.main,
}
SEED = 0
NEXT = """\
The same with real data: put FI's images into data/fi/train/<class>/ and data/fi/test/<class>/, then
  python -m benchmarks.baselines supervised --num_labels 1600 -ds fi -nc 8 --gpu 0 -sn supervised
  python s2ver/main.py --num_labels 1600 -ds fi -nc 8 --gpu 0 -sn s2ver
  python -m benchmarks report --runs saved_models --out report"""


@dataclass(frozen=True)
class Size:
    """How large the demonstration is.

    Attributes:
        scale: of the stand-in, 1 being FI's own 23 308 images.
        drawn_size: pixels of a drawn image's long side.
        image_size: pixels that the networks see.
        epochs, steps: length of each training.
        parity: which cases are checked.
    """

    scale: float
    drawn_size: int
    image_size: int
    epochs: int
    steps: int
    parity: str


FULL = Size(0.04, 96, 48, 6, 40, "s2ver/*")  # about 3 minutes on two CPU cores
QUICK = Size(0.001, 48, 32, 1, 2, "s2ver/step")  # shows that everything is in place, no more


def training_flags(size: Size, out: Path, method: str) -> list[str]:
    """The command line of one training, beyond the program's name."""
    return [
        *("-ds", "fi", "-nc", "8", "--num_labels", "40", "-bsz", "8"),
        *("--backbone", "resnet18", "--image_size", str(size.image_size), "--fast"),
        *("--epoch", str(size.epochs), "--num_train_iter", str(size.steps)),
        *("--num_workers", "1", "--overwrite", "--data_dir", str(out / "data")),
        *("--save_dir", str(out / "runs"), "--save_name", method),
    ]


def draw_data(size: Size, out: Path) -> int:
    """Draw the stand-in, unless the same one is there; returns the exit code."""
    place = out / "data" / "fi"
    wanted = {"scale": size.scale, "seed": SEED, "size": size.drawn_size}
    try:
        there = json.loads((place / DRAWN_MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        there = {}
    identity = {**wanted, "generator": fi.VERSION}
    if isinstance(there, dict) and all(there.get(k) == v for k, v in identity.items()):
        print(f"{place} is there already.")
        return 0
    # What earlier runs noted as their labelled images are rows of the data that is replaced.
    for noted in out.glob("runs/*/sampled_label_idx_*.npy"):
        noted.unlink()
    flags = [word for name, value in wanted.items() for word in (f"--{name}", str(value))]
    place.parent.mkdir(parents=True, exist_ok=True)
    return data_command.main(["twin", "fi", "--out", str(place), *flags, "--overwrite"])


def check_parity(size: Size, file: Path) -> int:
    """Run the shipped cases; returns the parity command's exit code, 0 where none are shipped."""
    file.unlink(missing_ok=True)
    cases = parity_command.SHIPPED
    if not any(cases.glob("s2ver_*.npz")):
        print(f"The parity cases are not part of this copy ({cases} has none): left out.")
        return 0
    return parity_command.main([str(cases), "--only", size.parity, "--json", str(file)])


def closing_words(runs: list[collect.Run], parity: dict | None, page: Path) -> str:
    """The end of the demonstration: the numbers, what they are worth, and how to go on."""
    columns = ["run", *MEANING, "metric", "images/s", "wall time"]
    lines = [tables.headline_table(runs).only(columns).plain(), ""]
    lines += [f"{name}: {meaning}" for name, meaning in tables.protocol_notes(runs)]
    if parity:
        lines += ["", "parity with the authors' code:", tables.parity_table(parity).plain()]
    return "\n".join([*lines, "", f"*** {DRAWN} ***", "", f"The page: {page}", "", NEXT])


def run(size: Size, out: Path) -> int:
    """The whole demonstration; returns 0, or the exit code of the part that failed."""
    started = time.monotonic()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out} cannot be made ({error.strerror}); give another --out.") from None

    _say("1/4  stand-in data")
    if code := draw_data(size, out):
        return code
    for method, train in METHODS.items():
        _say(f"2/4  training: {method}")
        if code := train(training_flags(size, out, method)):
            return code
    log_to()  # from here on nothing belongs into the last run's log
    _say("3/4  parity with the authors' code")
    parity_file = out / "parity.json"
    parity_code = check_parity(size, parity_file)

    _say("4/4  report")
    runs = collect.find_runs([out / "runs" / method for method in METHODS])
    parity = collect.read_parity(parity_file) if parity_file.exists() else None
    page = write(build(runs, parity), out, TITLE)
    print(closing_words(runs, parity, page.absolute()))
    print(f"\nThis took {tables.duration(time.monotonic() - started).text}.")
    if parity_code:
        print("A parity case failed: this copy does not compute what the authors' code computes.")
    return parity_code


def _say(step: str) -> None:
    print(f"\n=== {step}", flush=True)


def main(argv: list[str]) -> int:
    """Run the command.

    Raises:
        UserError: the folder cannot be made or written to.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks demo",
        description="Draw stand-in data, train twice, check parity and write a report.",
        epilog="Exit code: 0, or that of the step that failed; 1 when a parity case failed.",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), metavar="DIR", help="gets data, runs and report"
    )
    parser.add_argument("--quick", action="store_true", help="seconds in place of minutes")
    args = parser.parse_args(argv)
    return run(QUICK if args.quick else FULL, args.out)
