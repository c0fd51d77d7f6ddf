"""Do unlabelled images pay? A paper's method against its baselines with the same few labels.

All train on the same labelled images of a drawn stand-in for as many steps with the same backbone,
image size and seeds. The methods keep the settings of their papers, the baselines the optimiser of
the shared flags. Nothing is chosen by looking at results: the verdict is on the last epoch.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import common.datasets.__main__ as data_command
from adacm import data as adacm_data
from adacm import main as adacm_command
from benchmarks import comparison, face_recognition
from benchmarks.baselines import __main__ as baseline_command
from benchmarks.face_recognition import Recognition
from benchmarks.verdict import interval, overall, verdict
from common.cli import UserError, entry_point
from common.datasets.catalogue import STANDINS
from common.datasets.readers.folder import DRAWN_MARK
from common.engine.launch import DRAWN, read_summary
from common.engine.run_folder import ENVIRONMENT, LAST, SUMMARY
from s2ver import authors_files as s2ver_artefacts
from s2ver import main as s2ver_command

PROTOCOLS = ("best_on_test", "last", "median_last_20")
JUDGED = "last"  # the epoch is chosen on nothing, least of all on the test images


@dataclass(frozen=True)
class Size:
    """How large a comparison is: share of the twin, pixels, and length of the trainings."""

    scale: float
    image_size: int
    backbone: str
    epochs: int
    steps: int
    recognition: Recognition


SIZES = {
    "quick": Size(0.2, 48, "resnet18", 6, 200, Recognition(200, 6, 200)),
    "long": Size(0.2, 48, "resnet18", 12, 200, Recognition(200, 6, 200)),
    "full": Size(0.5, 96, "resnet18", 40, 512, Recognition(1000, 20, 512)),
    "smoke": Size(0.02, 32, "resnet18", 1, 2, Recognition(3, 1, 2)),
}


@dataclass(frozen=True)
class Comparison:
    """A method, what it is compared with, and how each is run.

    Attributes:
        claim: the statement in a sentence.
        twin: name of the drawn stand-in.
        method: the method the claim is about.
        baselines: what it should beat.
        labels: labelled images in all.
        train: (method, size, seed, work folder, run folder) -> exit code.
        start: ``random`` weights, or those of a network that knows drawn ``people``.
    """

    claim: str
    twin: str
    method: str
    baselines: tuple[str, ...]
    labels: int
    train: Callable[[str, Size, int, Path, Path], int]
    start: str = "random"


def shared_flags(size: Size, seed: int, work: Path, run: Path) -> list[str]:
    """Flags of ``s2ver/main.py`` and the baselines that do not depend on the method."""
    words = [
        *("--epoch", size.epochs, "--num_train_iter", size.steps, "--backbone", size.backbone),
        *("--image_size", size.image_size, "--fast", "--seed", seed, "--data_dir", work / "data"),
        *("--save_dir", run.parent, "--save_name", run.name, "--overwrite"),
    ]
    if (run / LAST).exists():
        words += ["--resume", "--load_path", run]
    return [str(word) for word in words]


def train_for_s2ver(method: str, size: Size, seed: int, work: Path, run: Path) -> int:
    """FI, 5 labels a class, the batch sizes of S2-VER's published command."""
    words = ["-ds", "fi", "-nc", "8", "-nl", "40", "-bsz", "8"]
    words += shared_flags(size, seed, work, run)
    if method == "s2ver":
        return s2ver_command.main(words)
    return baseline_command.main([method, *words])


def train_for_adacm(method: str, size: Size, seed: int, work: Path, run: Path) -> int:
    """RAF-DB, Ada-CM's 100 labels and batch sizes; the baselines get the labels Ada-CM drew."""
    return _train_for_adacm(method, size, seed, work, run, [])


def train_for_adacm_from_people(method: str, size: Size, seed: int, work: Path, run: Path) -> int:
    """The same, and every method starts from the same weights, as the paper's start from faces."""
    weights = face_recognition.pretrain(work, size.recognition, size.image_size)
    return _train_for_adacm(method, size, seed, work, run, ["--pretrained", str(weights)])


def _train_for_adacm(method, size: Size, seed: int, work: Path, run: Path, start: list[str]) -> int:
    if method == "adacm":
        words = [
            *("--n-labeled", 100, "--epochs", size.epochs, "--train-iteration", size.steps),
            *("--image_size", size.image_size, "--fast", "--manualSeed", seed),
            *("--data_dir", work / "data", "--out", run),
        ]
        if (run / LAST).exists():
            words += ["--resume", run]
        return adacm_command.main([str(word) for word in words] + start)
    index = s2ver_artefacts.index_file(run, "rafdb", 100)
    if not index.exists():
        run.mkdir(parents=True, exist_ok=True)
        np.save(index, adacm_labels(work / "data" / "rafdb", 100, seed))
    words = ["-ds", "rafdb", "-nc", "7", "-nl", "100", "-bsz", "16", "--uratio", "1"]
    return baseline_command.main([method, *words, *shared_flags(size, seed, work, run), *start])


def adacm_labels(folder: Path, number: int, seed: int) -> np.ndarray:
    """Positions (int64 [number]) of the training images that Ada-CM labels with this seed."""
    read, classes = adacm_data.DATASETS["rafdb"]
    labels = read(folder).split("train").labels
    np.random.seed(seed)
    return adacm_data.draw_labelled(labels, adacm_data.quotas(number, classes))[0]


COMPARISONS = {
    "s2ver": Comparison(
        "S2-VER beats CoMatch, FixMatch and supervised training with the same few labels",
        *("fi", "s2ver", ("supervised", "fixmatch", "comatch"), 40, train_for_s2ver),
    ),
    "adacm": Comparison(
        "Ada-CM beats FixMatch and supervised training with the same few labels",
        *("rafdb", "adacm", ("supervised", "fixmatch"), 100, train_for_adacm_from_people),
        start="people",
    ),
    "adacm_from_scratch": Comparison(
        "Ada-CM beats FixMatch and supervised training from random weights",
        *("rafdb", "adacm", ("supervised", "fixmatch"), 100, train_for_adacm),
    ),
}


def _row(run: Path) -> dict:
    """A finished run's figures, and the commit it was trained on."""
    summary = read_summary(run)
    row = {name: summary["protocols"][name]["value"] for name in PROTOCOLS}
    last = summary["last"]
    kept = {k: last["train"][k] for k in ("mask_rate", "pseudo_true_ratio") if k in last["train"]}
    row |= {"balanced_accuracy_last": last["test"]["balanced_accuracy"], **kept}
    environment = json.loads((run / ENVIRONMENT).read_text(encoding="utf-8"))
    row |= {"ece_last": last["test"]["ece"], "wall_s": summary["wall_s"]}
    return {**row, "commit": environment["commit"]}


def _finished(comparison: Comparison, method: str, size: Size, seed: int, work: Path) -> Path:
    """The folder of a run, trained now unless it was finished before."""
    run = work / f"{comparison.twin}_{method}_seed{seed}"
    if not (run / SUMMARY).exists() or not read_summary(run)["finished"]:
        code = comparison.train(method, size, seed, work, run)
        if code:
            raise UserError(f"the run in {run} ended with exit code {code}; its log says why.")
    return run


def _draw(comparison: Comparison, size: Size, work: Path) -> dict:
    """The stand-in's own description, drawn now unless it is there."""
    twin = work / "data" / comparison.twin
    if not (twin / DRAWN_MARK).exists():
        words = ["twin", comparison.twin, "--out", str(twin), "--scale", str(size.scale)]
        if data_command.main(words):
            raise UserError("the stand-in data could not be drawn.")
    mark = json.loads((twin / DRAWN_MARK).read_text(encoding="utf-8"))
    if (mark["scale"], mark["generator"]) != (size.scale, STANDINS[comparison.twin].version):
        raise UserError(
            f"{twin} was drawn otherwise (scale {mark['scale']}, version {mark['generator']}) than "
            "this comparison needs; delete the folder, and the runs beside it, or give another "
            "--work."
        )
    return mark


def compare(name: str, size_name: str, seeds: list[int], work: Path) -> dict:
    """Train every method with every seed and judge the paired differences.

    Args:
        name: a key of :data:`COMPARISONS`.
        size_name: a key of :data:`SIZES`.
        seeds: one training of every method each.
        work: folder for data and runs; finished runs in it are not trained again.

    Returns:
        What the results file holds.
    """
    comparison, size = COMPARISONS[name], SIZES[size_name]
    mark = _draw(comparison, size, work)
    runs: dict[str, dict[str, dict]] = {}
    for seed in seeds:
        for method in (*comparison.baselines, comparison.method):
            run = _finished(comparison, method, size, seed, work)
            runs.setdefault(method, {})[str(seed)] = _row(run)
    differences = {
        baseline: {p: _judge(runs, comparison.method, baseline, seeds, p) for p in PROTOCOLS}
        for baseline in comparison.baselines
    }
    first = work / f"{comparison.twin}_{comparison.method}_seed{seeds[0]}"
    chosen = " ".join(map(str, seeds))
    return {
        "claim": comparison.claim,
        "verdict": overall([rows[JUDGED]["verdict"] for rows in differences.values()]),
        "judged_on": JUDGED,
        "data": DRAWN,
        "twin": mark,
        "labels": comparison.labels,
        "size": {"name": size_name, **asdict(size)},
        "start": comparison.start,
        "people_named": face_recognition.accuracy(work) if comparison.start == "people" else None,
        "command": f"python -m benchmarks semi_supervision --claim {name} --size {size_name} "
        f"--seeds {chosen}",
        "runs": runs,
        "differences": differences,
        "environment": json.loads((first / ENVIRONMENT).read_text(encoding="utf-8")),
    }


def _judge(runs: dict, method: str, baseline: str, seeds: list[int], protocol: str) -> dict:
    pairs = [runs[method][str(s)][protocol] - runs[baseline][str(s)][protocol] for s in seeds]
    return {
        "differences": pairs,
        "mean": statistics.mean(pairs),
        "interval_95": list(interval(pairs)) if len(pairs) > 1 else None,
        "verdict": verdict(pairs),
    }


def table(result: dict) -> str:
    """The comparison as text."""
    lines = [f"{'method':<12}{'seed':>5}" + "".join(f"{p:>16}" for p in PROTOCOLS)]
    for method, by_seed in result["runs"].items():
        for seed, row in by_seed.items():
            figures = "".join(f"{row[p]:>16.1%}" for p in PROTOCOLS)
            lines.append(f"{method:<12}{seed:>5}{figures}")
    for baseline, rows in result["differences"].items():
        row = rows[result["judged_on"]]
        line = f"above {baseline}, {result['judged_on']}: {row['mean']:+.1%}"
        if row["interval_95"]:
            low, high = row["interval_95"]
            line += f", 95% interval {low:+.1%} to {high:+.1%}: {row['verdict']}"
        lines.append(line)
    lines += [f"claim: {result['claim']}: {result['verdict']}", DRAWN]
    return "\n".join(lines)


def _run(argv: list[str]) -> int:
    parser = comparison.build_parser("semi_supervision", __doc__, SIZES)
    add = parser.add_argument
    add("--claim", choices=COMPARISONS, default="s2ver")
    add("--out", type=Path, help="results file; default: benchmarks/results/")
    args = parser.parse_args(argv)
    results = comparison.RESULTS / f"{args.claim}_semi_supervision.json"
    out = args.out or results
    # runs of one size or start are never taken for those of another
    work = args.work / args.size / COMPARISONS[args.claim].start
    work.mkdir(parents=True, exist_ok=True)
    result = compare(args.claim, args.size, args.seeds, work)
    return comparison.conclude(result, table, out)


def main(argv: list[str] | None = None) -> int:
    """Run the comparison; returns the exit code. A claim that fails is a result, not an error."""
    return entry_point(_run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
