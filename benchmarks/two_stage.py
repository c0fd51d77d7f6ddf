"""Does the second stage help? Valence of held-out images after one_stage and after two_stage.

The first stage learns from categories alone, through the points of their words; the second goes on
with ratings. Both run as a person would run them, with every correction on, on a drawn stand-in
for FI and Emotion6 and, where its folder is given, on BASS, whose categories are the thirds of its
training images by valence.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import common.datasets.__main__ as data_command
from benchmarks import comparison
from benchmarks.verdict import interval, verdict
from common.cli import UserError, entry_point
from common.datasets.catalogue import STANDINS
from common.datasets.readers.folder import DRAWN_MARK
from common.datasets.readers.va import read_ratings
from common.datasets.standins.va import WORDS
from common.engine.launch import DRAWN
from common.engine.run_folder import ENVIRONMENT
from common.flags import count
from dimva import train as training
from dimva.authors_files import FINAL, Files
from dimva.data import LEXICON

RESULTS = comparison.RESULTS / "dimva_two_stage.json"
CLAIM = "two_stage predicts the valence of held-out images better than one_stage"
JUDGED = "r_valence"
FIGURES = ("r_{}", "r_{}_interval_95", "ccc_{}", "rmse_{}", "mae_{}", "r2_{}")
KEPT = ("images", *(name.format(d) for d in ("valence", "arousal") for name in FIGURES))
MADE_UP = "the lexicon is made up, so the first stage's points are not those of people"
THIRDS = ("negative", "neutral", "positive")


@dataclass(frozen=True)
class Size:
    """How large the comparison is: share of the twin, pixels, epochs of each stage."""

    scale: float
    image_size: int
    epochs: int
    backbone: str = "resnet18"
    batch_size: int = 16


SIZES = {
    "smoke": Size(0.001, 32, 1, batch_size=8),
    "quick": Size(0.06, 96, 8),
    "full": Size(1.0, 448, 100, "resnet101", 10),
}


def lay_out_bass(bass: Path, root: Path, lexicon: Path | None) -> None:
    """Make ``<root>/Flickr/<split>/<third>/`` of copies of BASS's images, and the lexicon.

    The thirds are those of the training images' valence; test images fall where they fall. The
    splits are the reader's, so that no motif of the test is seen in either stage.

    Args:
        bass: folder with ``index.csv`` and ``images/``.
        root: data root to make.
        lexicon: NRC-VAD; None writes the made-up one.
    """
    manifest = read_ratings("bass", bass)
    table = manifest.table
    limits = table.loc[table["split"] == "train", "valence"].quantile([1 / 3, 2 / 3]).to_numpy()
    for path, split, valence in zip(table["path"], table["split"], table["valence"], strict=True):
        folder = root / "Flickr" / split / THIRDS[int(np.searchsorted(limits, valence))]
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / Path(path).name
        if copy.is_symlink():  # of an earlier version; links out of the root are refused
            copy.unlink()
        if not copy.exists():
            shutil.copyfile(path, copy)
    if lexicon is None:
        lines = ["\t".join((word, *(f"{x:.3f}" for x in vad))) for word, vad in WORDS.items()]
        (root / LEXICON).write_text("\n".join(lines) + "\n", encoding="utf-8")


def data_root(args, data: str) -> Path:
    """Where a set of this size stands; BASS with another source or lexicon stands elsewhere."""
    tag = _digest(args.bass, args.lexicon) if data == "bass" else ""
    return args.work / args.size / f"{data}_data{tag}"


def runs_root(args, data: str) -> Path:
    """Where the runs on a set stand: apart for all that changes them and is not in their names."""
    start = args.pretrained.stem
    start += _digest(args.pretrained) if args.pretrained.exists() else ""
    epochs = args.epochs or SIZES[args.size].epochs
    tag = _digest(args.bass, args.lexicon) if data == "bass" else ""
    return args.work / args.size / f"epochs{epochs}" / start / f"{data}{tag}"


def _digest(*paths: Path | None) -> str:
    text = "\n".join(str(path and path.resolve()) for path in paths)
    return "_" + hashlib.sha256(text.encode()).hexdigest()[:8]


def flags_of(size: Size, args, data: str, seed: int, mode: str) -> list[str]:
    """The command line of one stage, beyond the program's name."""
    name, rated = ("FI", []) if data == "twin" else ("Flickr", ["--va_dataset", "bass"])
    words = [
        *("--gpu_num", "0", "--dataname", name, "--mode", mode, "--task", "single"),
        *("--num_epochs", str(args.epochs or size.epochs), "--batch_size", str(size.batch_size)),
        *("--seed", str(seed), "--backbone", size.backbone, "--image_size", str(size.image_size)),
        *("--pretrained", str(args.pretrained), "--corrected", "--device", args.device, *rated),
        *("--num_workers", str(args.num_workers), "--out", str(runs_root(args, data))),
        *("--data_root", str(data_root(args, data)), "--overwrite"),
    ]
    if data == "bass":
        words += ["--va_root", str(args.bass)]
        words += ["--lexicon", str(args.lexicon)] if args.lexicon else []
    return words


def run_stage(size: Size, args, data: str, seed: int, mode: str) -> dict:
    """Train one stage, or read the final test of the same stage if it was finished before."""
    argv = flags_of(size, args, data, seed, mode)
    name = "FI" if data == "twin" else "Flickr"
    files = Files(runs_root(args, data), mode, "single", name, seed)
    if not (files.run / FINAL).exists() and (code := training.main(argv)):
        raise UserError(f"the run {files.run} ended with exit code {code}; see its log.txt.")
    final = json.loads((files.run / FINAL).read_text(encoding="utf-8"))["test_va"]
    return {key: final[key] for key in KEPT}


def prepare(size: Size, args, data: str) -> dict:
    """Draw the twin or lay BASS out, once; what the result says of the data.

    Raises:
        UserError: the twin cannot be drawn, or the one that is there was drawn otherwise.
    """
    root = data_root(args, data)
    if data == "twin":
        if not (root / DRAWN_MARK).exists():
            flags = ["--scale", str(size.scale), "--seed", "0"]
            if data_command.main(["twin", "va", "--out", str(root), *flags]):
                raise UserError("the stand-in data could not be drawn.")
        mark = json.loads((root / DRAWN_MARK).read_text(encoding="utf-8"))
        if (mark["scale"], mark["generator"]) != (size.scale, STANDINS["va"].version):
            raise UserError(
                f"{root} was drawn otherwise (scale {mark['scale']}, version {mark['generator']}) "
                "than this comparison needs; delete the folder, and the runs beside it, or give "
                "another --work."
            )
        return {"note": DRAWN, "twin": mark}
    lay_out_bass(args.bass, root, args.lexicon)
    note = "BASS silhouettes (Kawai, Lukács & Ansorge 2021, CC BY 4.0), US ratings"
    return {"note": note, "lexicon": MADE_UP if args.lexicon is None else "the user's"}


def compare(args) -> dict:
    """Both stages on every set with every seed, and the paired differences."""
    size = SIZES[args.size]
    result: dict = {"claim": CLAIM, "size": args.size, "judged_on": JUDGED, "sets": {}}
    given = " --bass BASS" if args.bass else ""
    given += f" --epochs {args.epochs}" if args.epochs else ""
    given += f" --seeds {' '.join(map(str, args.seeds))}"
    result["command"] = f"python -m benchmarks two_stage --size {args.size}{given}"
    for data in ("twin", "bass") if args.bass else ("twin",):
        entry: dict = {"data": prepare(size, args, data), "runs": {}}
        for seed in args.seeds:
            for mode in ("one_stage", "two_stage"):
                row = run_stage(size, args, data, seed, mode)
                entry["runs"].setdefault(mode, {})[str(seed)] = row
        for key in (JUDGED, "r_arousal", "ccc_valence", "ccc_arousal"):
            one, two = (entry["runs"][mode] for mode in ("one_stage", "two_stage"))
            pairs = [two[str(s)][key] - one[str(s)][key] for s in args.seeds]
            entry[f"difference_{key}"] = {
                "differences": pairs,
                "mean": statistics.mean(pairs),
                "interval_95": list(interval(pairs)) if len(pairs) > 1 else None,
                "verdict": verdict(pairs),
            }
        entry["verdict"] = entry[f"difference_{JUDGED}"]["verdict"]
        result["sets"][data] = entry
    result["flags"] = flags_of(size, args, "twin", 0, "MODE")[8:20]
    name = Files(runs_root(args, "twin"), "one_stage", "single", "FI", args.seeds[0])
    result["environment"] = json.loads((name.run / ENVIRONMENT).read_text(encoding="utf-8"))
    return result


def table(result: dict) -> str:
    """The comparison as text."""
    lines = []
    for data, entry in result["sets"].items():
        lines.append(f"{data}: {'stage':<12}{'seed':>5}{'r valence':>12}{'r arousal':>12}")
        for mode, by_seed in entry["runs"].items():
            for seed, row in by_seed.items():
                figures = f"{row['r_valence']:>12.3f}{row['r_arousal']:>12.3f}"
                lines.append(f"{'':<{len(data) + 2}}{mode:<12}{seed:>5}{figures}")
        difference = entry[f"difference_{JUDGED}"]
        told = ""
        if difference["interval_95"]:
            low, high = difference["interval_95"]
            told = f", 95% interval {low:+.3f} to {high:+.3f}"
        lines.append(f"difference of r of valence: mean {difference['mean']:+.3f}{told}")
        lines += [f"claim: {result['claim']}: {entry['verdict']}", entry["data"]["note"]]
    return "\n".join(lines)


def _run(argv: list[str]) -> int:
    parser = comparison.build_parser("two_stage", __doc__, SIZES)
    comparison.add_machine(parser, RESULTS, workers=2)
    add = parser.add_argument
    add("--epochs", type=count, help="of each stage; default: what the size says")
    add("--bass", type=Path, help="folder with BASS's index.csv and images/")
    add("--lexicon", type=Path, help="NRC-VAD for BASS's words; default: made-up values")
    add("--pretrained", type=Path, default=Path("none"), help="trunk weights; none is random")
    args = parser.parse_args(argv)
    args.work.mkdir(parents=True, exist_ok=True)
    return comparison.conclude(compare(args), table, args.out)


def main(argv: list[str] | None = None) -> int:
    """Run the comparison; returns the exit code. A claim that fails is a result, not an error."""
    return entry_point(_run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
