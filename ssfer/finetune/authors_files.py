"""The files of fine-tuning: weights under the authors' names, and where a run's stages stand."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from common.cli import UserError
from common.data.splits import Images
from common.engine import checkpoint
from common.engine.method import StepOutput
from common.engine.run_folder import CONFIG, LAST, RunFolder
from common.engine.trainer import Callback, Trainer
from common.files import write_json

RESULTS = "results.json"
STAGES = ("stage2", "stage3")


@dataclass(frozen=True)
class Released:
    """One of the authors' checkpoints.

    Attributes:
        dataset: a key of :data:`ssfer.finetune.data.CLASSES`.
        fraction: labelled share of the training images, as in the file's name.
        paper: accuracy in the paper's table, percent.
        notebook: accuracy that the authors' notebook printed for the file, percent.
        correct, images: the counts behind it.
    """

    dataset: str
    fraction: str
    paper: float
    notebook: float
    correct: int
    images: int

    @property
    def file(self) -> str:
        """``SSFER_<dataset>_<fraction>_model.pth``."""
        return weights_name(self.dataset, self.fraction)


RELEASED = (
    Released("RAFDB", "0.05", 80.96, 81.29, 2494, 3068),
    Released("RAFDB", "0.10", 85.07, 85.37, 2619, 3068),
    Released("RAFDB", "0.25", 88.23, 88.89, 2727, 3068),
    Released("FERPlus", "0.05", 81.77, 81.94, 5817, 7099),
    Released("FERPlus", "0.10", 83.95, 83.90, 5956, 7099),
    Released("FERPlus", "0.25", 85.82, 85.81, 6092, 7099),
    Released("AffectNet7", "0.01", 59.08, 59.83, 2094, 3500),
    Released("AffectNet7", "0.05", 64.02, 64.06, 2242, 3500),
    Released("AffectNet7", "0.10", 65.37, 65.34, 2287, 3500),
    Released("AffectNet8", "0.01", 53.85, 53.93, 2157, 4000),
    Released("AffectNet8", "0.05", 60.17, 60.15, 2406, 4000),
    Released("AffectNet8", "0.10", 61.65, 61.70, 2468, 4000),
)


def fraction_text(fraction: float) -> str:
    """``0.05``, ``0.10``; more digits where two do not say it."""
    short = f"{fraction:.2f}"
    return short if float(short) == fraction else f"{fraction:g}"


def weights_name(dataset: str, fraction: float | str) -> str:
    """File name of a run's weights; a `fraction` that is text stands as it is."""
    text = fraction if isinstance(fraction, str) else fraction_text(fraction)
    return f"SSFER_{dataset}_{text}_model.pth"


def released(file: str) -> Released | None:
    """What is known of a checkpoint by its file name."""
    return next((row for row in RELEASED if row.file == Path(file).name), None)


def averaged_weights(trainer: Trainer) -> dict[str, Tensor]:
    """The state dict that a stage is evaluated with, under timm's names."""
    teacher = getattr(trainer.method, "teacher", None)
    if teacher is not None:
        return {name: value.cpu().clone() for name, value in teacher.state_dict().items()}
    with trainer.averaged():
        state = trainer.method.model.state_dict()
        return {name: value.cpu().clone() for name, value in state.items()}


def save_weights(trainer: Trainer, path: Path) -> None:
    """Write :func:`averaged_weights` as a plain state dict, in one step."""
    checkpoint.save(averaged_weights(trainer), path, trainer.record)


def run_of(path: Path) -> Path:
    """The run that `path` belongs to: its folder, a stage's folder, or a ``last.ckpt``.

    Raises:
        UserError: there is no run.
    """
    place = path.absolute()
    for folder in (place, *place.parents[:3]):
        if any((folder / part / STAGES[0] / LAST).is_file() for part in (".", "fold0")):
            return folder
    raise UserError(f"there is no run to go on with at {path}; give its --out folder.")


def stage_folders(out: Path) -> list[Path]:
    """The folders of an earlier run's stages."""
    places = (place for name in STAGES for place in (out / name, *out.glob(f"fold*/{name}")))
    return [place for place in places if (place / CONFIG).is_file()]


def clear(out: Path) -> None:
    """Take an earlier run's files away, so that none is taken for this one's; others stay.

    Raises:
        UserError: another process still writes one of its stages.
    """
    for stage in stage_folders(out):
        folder = RunFolder(stage, may_write=True, flags=("--out", "--out"))
        folder.open(resume=True)
        folder.close()
    files = [file for pattern in (RESULTS, weights_name("*", "*")) for file in out.glob(pattern)]
    for file in (*files, *(file for stage in stage_folders(out) for file in stage.glob("*"))):
        if file.is_file():
            file.unlink()


class Lines(Callback):
    """Prints the lines of the published script.

    Args:
        stage: see :class:`ssfer.finetune.stages.Stage`.
    """

    def __init__(self, stage):
        self.stage = stage

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        """Keep what the last step gave."""
        self.last = output

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """Tell the epoch."""
        line, rate = "=" * 23, trainer.optimizer.param_groups[0]["lr"]
        tqdm.write(f"{line} epoch:{row['epoch']}/{trainer.recipe.epochs} {line}")
        if self.stage.name == STAGES[0]:
            # Divided by all images, the last ones that fill no batch among them.
            batch = trainer.streams["labelled"].batch_size
            seen = trainer.recipe.steps_per_epoch * batch / len(self.stage.train)
            tqdm.write(f"train loss:{row['train']['loss'] * seen}  lr:{rate}")
            return
        logs = {name: float(torch.as_tensor(v).detach()) for name, v in self.last.logs.items()}
        unlabelled, right = logs["loss_u"], logs.get("pseudo_acc", 0.0)
        tqdm.write(
            f"overall loss:{self.last.loss.item()}  unlabel loss:{unlabelled}  pseudo_acc:{right}  "
            f"lr:{rate}"
        )
        if self.stage.fold is not None:
            fold, test = f"Fold {self.stage.fold + 1} -", row["test"]
            accuracy, loss = test["top1"], test["loss"]
            tqdm.write(f"{fold} Validation Accuracy: {accuracy}, Validation Loss: {loss}")


def write_results(args, images: Images, labelled: int, rows: list, trainer: Trainer) -> None:
    """Write weights and results, and tell them."""
    weights = None
    if args.protocol == "official":
        weights = weights_name(args.dataset, args.anno_percent)
        save_weights(trainer, args.out / weights)
    means = means_of(rows)
    result = {
        "protocol": args.protocol,
        "dataset": args.dataset,
        "anno_percent": args.anno_percent,
        "labelled_images": labelled,
        "weights": weights,
        "drawn": images.drawn,
        "rows": rows,
        "last": means,
    }
    write_json(args.out / RESULTS, result)
    for name, row in means.items():
        several = row["std"] is not None
        spread = f" ± {100 * row['std']:.2f} over {row['folds']} folds" if several else ""
        print(f"{name}: accuracy after the last epoch {100 * row['mean']:.2f} %{spread}")
    if weights:
        print(f"weights: {args.out / weights}")
    print(f"results: {args.out / RESULTS}")


def figures(summary: dict) -> dict:
    """What the results file says of a stage."""
    protocols, test = summary.get("protocols", {}), summary["last"].get("test", {})
    row = {name: values["value"] for name, values in protocols.items()}
    row |= {name: test[name] for name in ("macro_f1", "balanced_accuracy") if test}
    if "teacher" in summary["last"]:
        row["teacher_last"] = summary["last"]["teacher"]["top1"]
    row["seconds"] = summary["wall_s"]
    row["train_images_per_second"] = summary["train_images_per_second"]
    return row


def means_of(rows: list[dict]) -> dict[str, dict]:
    """Mean and deviation over the folds of each stage's last accuracy."""
    means = {}
    for name in STAGES:
        last = [row["last"] for row in rows if row["stage"] == name and "last" in row]
        if last:
            std = statistics.stdev(last) if len(last) > 1 else None
            means[name] = {"mean": statistics.mean(last), "folds": len(last), "std": std}
    return means
