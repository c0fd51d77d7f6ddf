"""Does S2-VER gain from unlabelled images? The method against supervised training alone.

Both train with the same labels, steps, backbone, optimiser and schedule, from the same seeds, on a
drawn stand-in for FI. The settings of the method are the published defaults; nothing is chosen by
looking at its results.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import statistics
from dataclasses import dataclass
from pathlib import Path

from scipy import stats

import common.data.__main__ as data_command
from benchmarks.baselines import __main__ as baseline_command
from common.cli import UserError, entry_point
from common.data.readers.folder import DRAWN_MARK
from common.engine.launch import DRAWN, read_summary
from common.engine.runlog import ENVIRONMENT, SUMMARY, write_json
from common.flags import at_least_0, count
from s2ver import main as s2ver_command

log = logging.getLogger(__name__)

RESULTS = Path(__file__).with_name("results") / "s2ver_semi_supervision.json"
CLAIM = "S2-VER beats supervised training with the same few labels"
PROTOCOLS = ("best_on_test", "last", "median_last_20")
JUDGED = "last"  # the epoch is chosen on nothing, least of all on the test images


@dataclass(frozen=True)
class Size:
    """How large the comparison is."""

    scale: float
    image_size: int
    backbone: str
    epochs: int
    steps: int
    flags: tuple[str, ...] = ()


SIZES = {
    "quick": Size(0.2, 48, "resnet18", 6, 200),
    "full": Size(0.5, 96, "resnet50", 40, 512),
    "smoke": Size(0.001, 32, "resnet18", 1, 2),
}


def interval(differences: list[float], level: float = 0.95) -> tuple[float, float]:
    """Student's t interval of the mean of paired differences.

    Raises:
        ValueError: fewer than two differences.
    """
    if len(differences) < 2:
        raise ValueError("an interval needs at least two seeds")
    mean = statistics.mean(differences)
    half = stats.t.ppf((1 + level) / 2, len(differences) - 1)
    half *= statistics.stdev(differences) / math.sqrt(len(differences))
    return mean - half, mean + half


def verdict(differences: list[float]) -> str:
    """``holds`` when the interval is above 0, ``fails`` when it is below, else ``undecided``."""
    if len(differences) < 2:
        return "undecided: one seed"
    low, high = interval(differences)
    return "holds" if low > 0 else "fails" if high < 0 else "undecided"


def flags_of(size: Size, args, seed: int, method: str) -> list[str]:
    """The command line of one run, beyond the program's name."""
    return [
        *("-ds", "fi", "-nc", "8", "-nl", str(8 * args.labels_per_class), "-bsz", "8"),
        *("--epoch", str(size.epochs), "--num_train_iter", str(size.steps)),
        *("--backbone", size.backbone, "--image_size", str(size.image_size), "--fast"),
        *("--seed", str(seed), "--data_dir", str(args.work / "data"), "--overwrite"),
        *("--save_dir", str(args.work), "--save_name", f"{method}_seed{seed}", *size.flags),
    ]


def _train(method: str, argv: list[str], folder: Path) -> dict:
    """Run a method, or read the summary of the same run if it was finished before."""
    done = folder / SUMMARY
    if not done.exists():
        last = folder / "last.ckpt"
        if last.exists():
            argv = [*argv, "--resume", "--load_path", str(folder)]
        if method == "s2ver":
            code = s2ver_command.main(argv)
        else:
            code = baseline_command.main([method, *argv])
        if code:
            raise UserError(f"the run in {folder} ended with exit code {code}; see its log.txt.")
    return read_summary(folder)


def _row(summary: dict) -> dict:
    row = {name: summary["protocols"][name]["value"] for name in PROTOCOLS}
    last = summary["last"]
    kept = {k: last["train"][k] for k in ("mask_rate", "pseudo_true_ratio") if k in last["train"]}
    return {**row, **kept, "wall_s": summary["wall_s"], "ece_last": last["test"]["ece"]}


def compare(args) -> dict:
    """Train every method with every seed and judge the paired differences."""
    size = SIZES[args.size]
    twin = args.work / "data" / "fi"
    if not (twin / DRAWN_MARK).exists():
        command = ["twin", "fi", "--out", str(twin), "--scale", str(size.scale), "--seed", "0"]
        if data_command.main(command):
            raise UserError("the stand-in data could not be drawn.")
    runs: dict[str, dict[str, dict]] = {}
    for seed in args.seeds:
        for method in ("supervised", "s2ver"):
            argv = flags_of(size, args, seed, method)
            folder = args.work / f"{method}_seed{seed}"
            runs.setdefault(method, {})[str(seed)] = _row(_train(method, argv, folder))
    mark = json.loads((twin / DRAWN_MARK).read_text(encoding="utf-8"))
    result = {"claim": CLAIM, "data": DRAWN, "size": args.size, "twin": mark}
    result["labels_per_class"] = args.labels_per_class
    result["command"] = f"python -m benchmarks semi_supervision --size {args.size}"
    result["flags"] = flags_of(size, args, 0, "METHOD")[:14]
    result["runs"] = runs
    result["judged_on"] = JUDGED
    for protocol in PROTOCOLS:
        pairs = [
            runs["s2ver"][str(s)][protocol] - runs["supervised"][str(s)][protocol]
            for s in args.seeds
        ]
        entry = {"differences": pairs, "mean": statistics.mean(pairs), "verdict": verdict(pairs)}
        entry["interval_95"] = list(interval(pairs)) if len(pairs) > 1 else None
        result[f"difference_{protocol}"] = entry
    result["verdict"] = result[f"difference_{JUDGED}"]["verdict"]
    environment = args.work / f"s2ver_seed{args.seeds[0]}" / ENVIRONMENT
    result["environment"] = json.loads(environment.read_text())
    return result


def table(result: dict) -> str:
    """The comparison as text."""
    lines = [f"{'method':<12}{'seed':>5}" + "".join(f"{p:>16}" for p in PROTOCOLS)]
    for method, by_seed in result["runs"].items():
        for seed, row in by_seed.items():
            figures = "".join(f"{row[p]:>16.1%}" for p in PROTOCOLS)
            lines.append(f"{method:<12}{seed:>5}{figures}")
    entry = result[f"difference_{JUDGED}"]
    lines.append(f"difference of {JUDGED}: mean {entry['mean']:+.1%}")
    if entry["interval_95"]:
        low, high = entry["interval_95"]
        lines.append(
            f"95% interval {low:+.1%} to {high:+.1%} over {len(entry['differences'])} seeds"
        )
    lines += [f"claim: {result['claim']}: {result['verdict']}", DRAWN]
    return "\n".join(lines)


def _run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks semi_supervision",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--size", choices=SIZES, default="quick", help="quick: CPU; full: GPU")
    add("--seeds", type=at_least_0, nargs="+", default=[1, 2, 3])
    add("--labels_per_class", type=count, default=5)
    add("--work", type=Path, default=Path("runs/semi_supervision"), help="data and run folders")
    add("--out", type=Path, default=RESULTS, help="results file")
    args = parser.parse_args(argv)
    args.work = args.work / args.size  # runs of one size are never taken for those of another
    args.work.mkdir(parents=True, exist_ok=True)
    result = compare(args)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_json(args.out, result)
    print(table(result))
    print(f"results file: {args.out}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Run the comparison; returns the exit code. A claim that fails is a result, not an error."""
    return entry_point(_run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
