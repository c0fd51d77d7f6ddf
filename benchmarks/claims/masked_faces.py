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


class MaskedFaces(base.Comparison):
    """Stage 2 from random weights, stage 2 from the autoencoder, and stage 3 after the latter."""

    name = "masked_faces"

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
                self.pretraining_flags,
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
                self.tuning_flags,
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
