"""``python -m benchmarks demo --out DIR``: from nothing to a report in minutes.

Stand-in data is drawn, every paper and the supervised baseline are trained shortly through their
own command lines, shipped parity cases are checked, and all of it becomes the report, beside the
committed evidence. The exit code is 0, or that of the step that failed; 1 when a parity case
failed.
"""

from __future__ import annotations

import time
from pathlib import Path

import common.datasets.__main__ as data_command
from benchmarks.demo.trainings import FULL, QUICK, SEED, TRAININGS, TWINS, Size
from benchmarks.ground.commands import build_parser
from benchmarks.ground.reading import read_mapping
from benchmarks.ground.results_file import DRAWN
from benchmarks.parity import command as parity_command
from benchmarks.report import command as report_command
from benchmarks.report.content import Report
from benchmarks.report.tables import evidence
from benchmarks.report.tables import runs as run_tables
from benchmarks.report.tables import table as tables
from common.cli import UserError, log_to
from common.datasets.catalogue import STANDINS
from common.datasets.readers.folder import DRAWN_MARK
from common.metrics.protocols import MEANING

NEXT = """\
The same with real data: put FI's images into data/fi/train/<class>/ and data/fi/test/<class>/, then
  python -m benchmarks.baselines supervised --num_labels 1600 -ds fi -nc 8 --gpu 0 -sn supervised
  python s2ver/main.py --num_labels 1600 -ds fi -nc 8 --gpu 0 -sn s2ver
  python -m benchmarks report --runs saved_models --out report"""


def draw_data(twin: str, size: Size, out: Path) -> int:
    """Draw a stand-in, unless the same one is there; returns the exit code."""
    folder = out / "data" / TWINS[twin][0]
    wanted = {"scale": size.factor * TWINS[twin][1], "seed": SEED, "size": size.drawn_size}
    there = read_mapping(folder / DRAWN_MARK)
    identity = {**wanted, "generator": STANDINS[twin].version}
    if all(there.get(k) == v for k, v in identity.items()):
        print(f"{folder} is there already.")
        return 0
    # What earlier runs noted as their labelled images are rows of the data that is replaced.
    for noted in out.glob("runs/*/sampled_label_idx_*.npy"):
        noted.unlink()
    flags = [word for name, value in wanted.items() for word in (f"--{name}", str(value))]
    folder.parent.mkdir(parents=True, exist_ok=True)
    return data_command.main(["twin", twin, "--out", str(folder), *flags, "--overwrite"])


def check_parity(size: Size, file: Path) -> int:
    """Run the shipped cases; returns the parity command's exit code, 0 where none are shipped."""
    file.unlink(missing_ok=True)
    cases = parity_command.SHIPPED
    if not any(cases.glob("*.npz")):
        print(f"The parity cases are not part of this copy ({cases} has none): left out.")
        return 0
    left_out = [f"--without={pattern}" for pattern in size.without]
    return parity_command.main([str(cases), "--only", size.parity, *left_out, "--json", str(file)])


def closing_words(report: Report, page: Path) -> str:
    """The end of the demonstration: the numbers, what they are worth, and how to go on."""
    columns = ["run", *MEANING, "metric", "images/s", "wall time"]
    lines = [run_tables.headline_table(report.runs).only(columns).plain(), ""]
    lines += [f"{name}: {meaning}" for name, meaning in run_tables.protocol_notes(report.runs)]
    if report.parity:
        counts = evidence.parity_tables(report.parity)[0].plain()
        lines += ["", "parity with the authors' code:", counts]
    return "\n".join([*lines, "", f"*** {DRAWN} ***", "", f"The page: {page}", "", NEXT])


def run(size: Size, out: Path) -> int:
    """The whole demonstration; returns 0, or the exit code of the part that failed."""
    started = time.monotonic()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out} cannot be made ({error.strerror}); give another --out.") from None

    _say("1/4  stand-in data")
    for twin in dict.fromkeys(twin for training in TRAININGS for twin in training.twins):
        if code := draw_data(twin, size, out):
            return code
    for training in TRAININGS:
        _say(f"2/4  training: {training.name}")
        if code := training.run(size, out):
            return code
    log_to()  # from here on nothing belongs into the last run's log
    _say("3/4  parity with the authors' code")
    parity_file = out / "parity.json"
    parity_code = check_parity(size, parity_file)

    _say("4/4  report")
    flags = ["--out", str(out), "--runs", str(out / "runs")]
    flags += ["--parity", str(parity_file)] if parity_file.exists() else []
    report = report_command.gather(report_command.build_parser().parse_args(flags))
    page = report_command.write(report, out)
    print(closing_words(report, page.absolute()))
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
    parser = build_parser("demo", __doc__)
    add = parser.add_argument
    add("--out", type=Path, default=Path("demo"), metavar="DIR", help="data, runs and report")
    add("--quick", action="store_true", help="half a minute in place of minutes")
    args = parser.parse_args(argv)
    return run(QUICK if args.quick else FULL, args.out)
