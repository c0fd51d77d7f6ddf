"""Adapters of the dimva kinds that run the Trainer: trajectory, schedule and selection."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.parity.cases import Case, adapter
from benchmarks.parity.measure import (
    Idle,
    Recorder,
    copies,
    given_stream,
    prepared,
    seeded_images,
    tensors,
    text,
    train,
    weight_summary,
)
from common.cli import UserError
from common.engine.method import Method, Progress, StepOutput
from common.engine.trainer import Recipe, Trainer
from dimva import authors_files, data, evaluation
from dimva.authors_files import Files
from dimva.evaluation import JUDGED, by_role
from dimva.method import Dimensional, DimvaConfig
from dimva.model import LAST_STAGE, DimensionalResNet, build_optimizer, freeze, schedule
from dimva.selection import Selection


@adapter("dimva/trajectory")
def trajectory(case: Case) -> dict:
    """A short training through the Method and the Trainer."""
    p = case.params
    multilabel = p["cls_type"] == "multilabel"
    classes = {"flickr": 3, "instagram": 3}.get(p["dataname"], 8)
    model = DimensionalResNet("resnet101", classes if p["task"] == "multi" else None)
    trainable = freeze(prepared(model, p), LAST_STAGE if p["mode"] == "two_stage" else 0)
    method = Dimensional(model, DimvaConfig(p["mode"], p["task"], multilabel))
    optimizer = build_optimizer(model.parameters(), p["lr"], p["decay"])

    def batch(seed: int, va: Tensor, label: Tensor, categorical: Tensor) -> dict:
        images = seeded_images(p["batch"], p["size"], seed)
        target = "hot" if multilabel else "label"
        return {"image": images, "va": va, target: label, "categorical": categorical}

    one_epoch = ([case.inputs[name]] for name in ("va", "label", "index"))
    stream = given_stream(batch, [p["input_seeds"]], *one_epoch)
    recipe = Recipe(1, p["steps"])
    out = train(Recorder(), method, optimizer, recipe, {"train": stream}, schedule(optimizer))
    method.eval()
    with torch.no_grad():
        logits, va = method.predict(seeded_images(p["batch"], p["size"], p["eval_seed"]))
    return {
        "loss": out["loss"][0],
        "lr": out["lr"][0],
        "epoch_loss": out["epoch_loss"],
        "eval_va": va,
        "trainable": text(sorted(trainable)),
        **weight_summary(model, "weight"),
        **({} if logits is None else {"eval_label_logits": logits}),
    }


class _Quadratic(Method):
    """0.5 · |w − target|²."""

    def __init__(self, start: Tensor, target: Tensor):
        super().__init__()
        self.w, self.target = nn.Parameter(start), target

    def training_step(self, batches, progress) -> StepOutput:
        return StepOutput(0.5 * ((self.w - self.target) ** 2).sum())


class _Path(Recorder):
    """Keeps the parameter after every step too."""

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        super().on_step_end(trainer, output)
        self.steps[-1] |= copies({"w": trainer.method.w})


@adapter("dimva/lr")
def lr(case: Case) -> dict:
    """Adam under the schedule, step by step."""
    p = case.params
    method = _Quadratic(*tensors(case, "param_init", "target"))
    optimizer = build_optimizer(method.parameters(), p["lr"], p["weight_decay"])
    scheduler = schedule(optimizer) if p["scheduling"] else None
    out = train(_Path(), method, optimizer, Recipe(1, p["steps"]), scheduler=scheduler)
    names = {"lr_used": "lr", "lr_after": "lr_after", "param": "w"}
    return {name: out[ours][0] for name, ours in names.items()}


class _Counting(Idle):
    """A weight that holds the number of the epoch."""

    def on_step_end(self, progress) -> None:
        nn.init.constant_(self.model.weight, progress.epoch)


class _Prescribed:
    """An evaluator that gives the case's r for the selection, and tells what was asked."""

    def __init__(self, values: np.ndarray, trace: list[str], name: str):
        self.values, self.trace, self.name, self.epoch = values, trace, name, 0

    def __call__(self, method: Method, progress: Progress) -> dict:
        self.trace.append(self.name)
        self.epoch += 1
        return {JUDGED: float(self.values[self.epoch - 1])}


@adapter("dimva/selection")
def selection(case: Case) -> dict:
    """Which epochs are saved, when training ends and which weights are tested."""
    p, values = case.params, case.inputs["valence_r"]
    plan = data.plan(p["mode"], p["task"])
    trace: list[str] = []
    named = {n: _Prescribed(values, trace, f"{n}:{kind}") for n, kind in plan.evaluations}
    method = _Counting()
    with tempfile.TemporaryDirectory() as folder:
        files = Files(Path(folder), p["mode"], p["task"], p["dataname"], p["seed"])
        files.make_folders()
        if p["mode"] == "two_stage":
            files.first_stage.touch()
        saver = Selection(files.checkpoint, p["early_stop"])
        recorder = Recorder()
        train(
            recorder,
            method,
            torch.optim.SGD(method.parameters(), lr=0.0),
            Recipe(p["num_epochs"], 1, metric=JUDGED),
            evaluators=by_role(named, plan),
            callbacks=(saver, recorder),
        )
        loaded, error, after = -1, "", []
        try:
            loaded = int(authors_files.tested_state(files)["weight"].item())
            after = [f"{name}:{kind}" for name, kind in evaluation.AFTER_LOADING]
        except UserError:
            error = "FileNotFoundError"
        written = sorted(path.name for path in files.checkpoint.parent.iterdir())
    names = [
        n if len(plan.trained) == 1 or n == "train_cat" else f"{n}(first split)"
        for n in plan.trained
    ]
    return {
        "save_epochs": np.array(saver.choice.saved, dtype=np.int64),
        "epochs_run": np.int64(len(recorder.epochs)),
        "loaded_epoch": np.int64(loaded),
        "load_error": np.str_(error),
        "final_patience": np.int64(saver.choice.patience),
        "best_valence_r": np.float64(saver.choice.best),
        "train_loader": np.str_("+".join(names)),
        "selection_loader": np.str_(plan.selection),
        "evaluations_first_epoch": text(trace[: len(plan.evaluations)]),
        "evaluations_after_load": text(after),
        "checkpoint_files": text(written),
    }
