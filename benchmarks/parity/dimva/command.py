"""The kind ``dimva/command``: ``python dimva/train.py`` on a folder of data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from benchmarks.parity import whole
from benchmarks.parity.cases import Case, adapter
from benchmarks.parity.measure import fill_state_dict, scale_state_dict
from common.engine import checkpoint
from common.engine.method import StepOutput
from common.engine.trainer import Callback, Trainer
from dimva import data, evaluation, objective
from dimva.authors_files import Files, epoch_figures
from dimva.model import DimensionalResNet
from dimva.train import EXPERIMENT

HERE = "data"  # the case's paths are relative to the data folder, which lies in the working folder


class _Watch(Callback):
    """Records steps and evaluations as they happen."""

    def __init__(self, folder: Path):
        self.folder, self.steps, self.evaluations = folder, [], []
        self.places: dict[str, int] = {}  # path -> position in the unsplit set
        self.after_epoch, self.epoch, self.fitting = [], 0, True

    def attach(self, trainer: Trainer) -> None:
        """Watch a trainer from now on."""
        self.trainer, self.start = trainer, whole.weights("start_", _state(trainer))
        trainer.callbacks = (self, *trainer.callbacks)
        trainer.method.model.register_forward_hook(self._forward)
        step = trainer.method.training_step

        def training_step(batches: dict, progress) -> StepOutput:
            self.batch = batches["train"]
            return step(batches, progress)

        trainer.method.training_step = training_step

    def _forward(self, model, images, output) -> None:
        self.output = output

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        """Record the step; nothing has been drawn since its backward."""
        loss = output.logs.get("loss", output.loss)
        row = self.rows(self.batch, trainer.streams["train"].dataset.paths)
        logits, va = self.output
        flag = self.batch["categorical"]
        mixed = trainer.method.config.mode == "two_stage" and logits is not None
        row["va"] = va.detach()[flag == 0] if mixed else va.detach()
        if logits is not None:
            row["logits"] = logits.detach()[flag == 1] if mixed else logits.detach()
        self.steps.append(
            {
                "loss": float(loss),
                "lr": trainer.rate_used,
                "epoch": self.epoch,
                "random": whole.to_come(),
                "rows": row,
            }
        )

    def on_evaluated(self, trainer: Trainer, results: dict, is_best: bool) -> None:
        """Note what the generators hold when the epoch's evaluations are done."""
        self.after_epoch.append(whole.to_come())

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """Count."""
        self.epoch += 1

    def on_fit_end(self, trainer: Trainer) -> None:
        """What follows is the final test, of the last epoch's number."""
        self.fitting, self.epoch = False, self.epoch - 1
        self.end = whole.weights("", _state(trainer))

    def rows(self, batch: dict, paths: list[str]) -> dict:
        """What a case lists of the images of a batch."""
        label = batch["hot"] if "hot" in batch else batch["label"]
        return {
            "path": [self.relative(paths[k]) for k in batch["index"]],
            "flag": batch["categorical"].double(),
            "target_va": batch["va"],
            "label": label.long(),
            **whole.tensor_summary("image", batch["image"]),
        }

    def relative(self, path: str) -> str:
        """A path as the case writes it."""
        return Path(path).resolve().relative_to((self.folder / HERE).resolve()).as_posix()

    def noted(self, make: Callable) -> Callable:
        """``evaluation.evaluators``, whose evaluators tell their batches."""

        def evaluators(*args, **kwargs) -> dict:
            made = make(*args, **kwargs)
            for name, evaluator in made.items():
                evaluator.stream.batches = self._noted(name, evaluator.stream)
            return made

        return evaluators

    def _noted(self, name: str, stream) -> Callable:
        given = stream.batches

        def batches(*args):
            self.current = {"name": name, "rows": []}
            for batch in given(*args):
                self.current["rows"].append(self.rows(batch, stream.dataset.paths))
                yield batch

        return batches

    def reported(self, make: Callable) -> Callable:
        """``evaluation.report``, whose figures are kept."""

        def report(seen, kind, config, converter, *args, **kwargs) -> dict:
            out = make(seen, kind, config, converter, *args, **kwargs)
            compared = evaluation.categories(seen, kind, config, converter)
            kept = {"epoch": self.epoch, "final": not self.fitting, "seen": seen, "kind": kind}
            self.evaluations.append({**self.current, **kept, "report": out, "compared": compared})
            return out

        return report


@adapter("dimva/command")
def command(case: Case) -> dict:
    """The published command line, from its arguments to its files."""
    own = ["--draws", "authors", "--device", "cpu", "--num_workers", "0", "--pretrained", "none"]
    argv = [*case.params["argv"], *own]
    args = EXPERIMENT.parser().parse_args(argv)
    files, kept = Files.of(args), {}

    def read(*given) -> data.Sets:
        kept["sets"] = data_read(*given)
        return kept["sets"]

    def ready(trainer: Trainer) -> None:
        filled = () if case.params["first_stage"] else (trainer.method.model,)
        whole.at_the_point(case, *filled)
        watch.attach(trainer)

    with whole.unpacked(case, HERE) as folder:
        watch, data_read = _Watch(folder), data.read
        if case.params["first_stage"]:
            _write_first_stage(case, args, files)
        with (
            mock.patch.object(evaluation, "evaluators", watch.noted(evaluation.evaluators)),
            mock.patch.object(evaluation, "report", watch.reported(evaluation.report)),
        ):
            whole.run(replace(EXPERIMENT, read=read).main, argv, on_ready=ready)
        saved = checkpoint.load(files.checkpoint)
        out = {
            "files_written": whole.files_written(folder, case),
            **_sets(kept["sets"], watch, args),
        }
    trainer = watch.trainer
    choice = trainer.callbacks[1].choice
    history = [epoch_figures(row) for row in trainer.history]
    network = trainer.method.model
    return out | {
        **_steps(watch),
        **_evaluations(watch),
        **watch.start,
        **watch.end,
        **whole.weights("saved_", saved),
        "epoch_value": np.array([[row[name] for name in sorted(row)] for row in history]),
        "random_after_epoch": np.stack(watch.after_epoch),
        "saved_epoch": np.array(choice.saved, dtype=np.int64),
        "epochs_run": np.int64(len(history)),
        "patience": np.int64(choice.patience),
        "best_valence_r": np.float64(choice.best),
        "class_va": kept["sets"].converter.points,
        "trainable": np.array(
            sorted(name for name, p in network.named_parameters() if p.requires_grad)
        ),
        "checkpoint_file": np.array([files.checkpoint.name]),
        "checkpoint_state_key": np.array(list(saved)),
    }


def _write_first_stage(case: Case, args, files: Files) -> None:
    """The checkpoint that the second stage starts from, as the authors' first stage leaves it."""
    classes = len(objective.label_order(args.dataname)) if args.task == "multi" else None
    network = DimensionalResNet(args.backbone, classes)
    fill_state_dict(network, case.params["fill_seed"])
    scale_state_dict(network, case.params.get("scale", {}))
    files.first_stage.parent.mkdir(parents=True)
    torch.save(network.state_dict(), files.first_stage)


def _state(trainer: Trainer) -> dict:
    return trainer.method.model.state_dict()


def _sets(sets: data.Sets, watch: _Watch, args) -> dict:
    """Images of every loader before shuffling, and their positions in the unsplit set."""
    named = dict(sets.named)
    if len(data.plan(args.mode, args.task).trained) == 1:
        named.pop("train")
    paths = {
        name: [watch.relative(str(of.root / p)) for p in of.table["path"]]
        for name, of in named.items()
    }
    rated = data.read_rated(args).split("train")
    whole_sets = [
        [watch.relative(str(rated.root / p)) for p in rated.table["path"]],
        paths["test_va"],
        *([paths["test_cat"]] if sets.converter.multilabel else []),
    ]
    for order in (*whole_sets, paths["train_cat"], paths["val_cat"], paths["test_cat"]):
        for place, path in enumerate(order):
            watch.places.setdefault(path, place)
    out = {f"set_{name}_path": np.array(listed) for name, listed in paths.items()}
    for name, listed in paths.items():
        out[f"set_{name}_index"] = np.array([watch.places[path] for path in listed])
    return out


def _joined(prefix: str, rows: list[dict], watch: _Watch) -> dict:
    """Rows of batches one after another."""
    paths = [path for row in rows for path in row["path"]]
    out = {
        f"{prefix}_{name}": torch.as_tensor(np.concatenate([np.asarray(row[name]) for row in rows]))
        for name in rows[0]
        if name != "path"
    }
    out[f"{prefix}_path"] = np.array(paths)
    out[f"{prefix}_index"] = np.array([watch.places[path] for path in paths])
    return out


def _steps(watch: _Watch) -> dict:
    out = _joined("step", [step["rows"] for step in watch.steps], watch)
    return out | {
        "loss": np.array([step["loss"] for step in watch.steps]),
        "lr": np.array([step["lr"] for step in watch.steps]),
        "step_epoch": np.array([step["epoch"] for step in watch.steps]),
        "step_rows": np.array([len(step["rows"]["path"]) for step in watch.steps]),
        "random_after_step": np.stack([step["random"] for step in watch.steps]),
    }


def _evaluations(watch: _Watch) -> dict:
    made = watch.evaluations
    out = _joined("evaluation", [row for of in made for row in of["rows"]], watch)
    compared = [of["compared"] for of in made if of["compared"] is not None]
    figures = [of["report"] for of in made]
    return out | {
        "evaluation_name": np.array([f"{of['name']}:{of['kind']}" for of in made]),
        "evaluation_epoch": np.array([of["epoch"] for of in made]),
        "evaluation_final": np.array([of["final"] for of in made]),
        "evaluation_rows": np.array([len(of["seen"].va) for of in made]),
        "evaluation_loss": np.array([row.get("loss", np.nan) for row in figures]),
        "evaluation_accuracy": np.array([row.get("accuracy", -1.0) for row in figures]),
        **{
            f"evaluation_{key}": np.array(
                [[row[f"{key}_{name}"] for name in evaluation.DIMENSIONS] for row in figures]
            )
            for key in ("r", "p")
        },
        "evaluation_va": torch.cat([of["seen"].va for of in made]),
        "evaluation_true_va": torch.cat([of["seen"].true_va for of in made]),
        **{
            f"evaluation_{name}": torch.cat([pair[k] for pair in compared])
            for k, name in enumerate(("pred", "true"))
            if compared
        },
    }
