"""Adapters of the dimva kinds that run the Trainer: trajectory, schedule and selection."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.parity.cases import Case
from benchmarks.parity.fill import fill_state_dict, scale_state_dict
from benchmarks.parity.registry import adapter
from common.cli import UserError
from common.data.streams import GivenStream
from common.engine.method import Method, Progress, StepOutput
from common.engine.trainer import Callback, Recipe, Trainer
from dimva import authors_files, data, evaluation
from dimva.authors_files import Files
from dimva.evaluation import JUDGED, by_role
from dimva.method import Dimensional, DimvaConfig
from dimva.model import LAST_STAGE, DimensionalResNet, build_optimizer, freeze, schedule
from dimva.selection import Selection

CPU = torch.device("cpu")


def _images(number: int, size: int, seed: int) -> Tensor:
    return torch.randn((number, 3, size, size), generator=torch.Generator().manual_seed(seed))


class _Recorder(Callback):
    """Loss and rate of every step."""

    def __init__(self):
        self.loss: list[float] = []
        self.rate: list[float] = []
        self.rate_after: list[float] = []

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        self.loss.append(output.logs.get("loss", output.loss).item())
        self.rate.append(trainer.rate_used)
        self.rate_after.append(trainer.optimizer.param_groups[0]["lr"])


@adapter("dimva/trajectory")
def trajectory(case: Case) -> dict:
    """A short training through the Method and the Trainer."""
    p = case.params
    multilabel = p["cls_type"] == "multilabel"
    classes = {"flickr": 3, "instagram": 3}.get(p["dataname"], 8)
    model = DimensionalResNet("resnet101", classes if p["task"] == "multi" else None)
    fill_state_dict(model, p["fill_seed"])
    scale_state_dict(model, p["scale"])
    trainable = freeze(model, LAST_STAGE if p["mode"] == "two_stage" else 0)
    method = Dimensional(model, DimvaConfig(p["mode"], p["task"], multilabel))
    optimizer = build_optimizer(model.parameters(), p["lr"], p["decay"])
    recorder = _Recorder()
    trainer = Trainer(
        method,
        optimizer,
        schedule(optimizer),
        {"train": GivenStream([_batches(case, multilabel)])},
        Recipe(1, p["steps"]),
        CPU,
        callbacks=(recorder,),
    )
    history = trainer.fit()
    method.eval()
    with torch.no_grad():
        logits, va = method.predict(_images(p["batch"], p["size"], p["eval_seed"]))
    state = {name: value.double() for name, value in model.state_dict().items()}
    names = sorted(state)
    out = {
        "loss": np.array(recorder.loss),
        "lr": np.array(recorder.rate),
        "epoch_loss": np.array([row["train"]["loss"] for row in history]),
        "eval_va": va,
        "weight_key": np.array(names, dtype=np.str_),
        "weight_sum": np.array([state[n].sum().item() for n in names]),
        "weight_norm": np.array([state[n].norm().item() for n in names]),
        "trainable": np.array(sorted(trainable), dtype=np.str_),
    }
    return out if logits is None else {**out, "eval_label_logits": logits}


def _batches(case: Case, multilabel: bool) -> list[dict]:
    p = case.params
    given = {name: torch.from_numpy(array) for name, array in case.inputs.items()}
    return [
        {
            "image": _images(p["batch"], p["size"], seed),
            "va": given["va"][k],
            "hot" if multilabel else "label": given["label"][k],
            "categorical": given["index"][k],
        }
        for k, seed in enumerate(p["input_seeds"])
    ]


class _Quadratic(Method):
    """0.5 · |w − target|²."""

    def __init__(self, start: Tensor, target: Tensor):
        super().__init__()
        self.w, self.target = nn.Parameter(start.clone()), target
        self.path: list[Tensor] = []

    def training_step(self, batches, progress) -> StepOutput:
        return StepOutput(0.5 * ((self.w - self.target) ** 2).sum())

    def on_step_end(self, progress) -> None:
        self.path.append(self.w.detach().clone())


@adapter("dimva/lr")
def lr(case: Case) -> dict:
    """Adam under the schedule, step by step."""
    p = case.params
    given = {name: torch.from_numpy(array) for name, array in case.inputs.items()}
    method, recorder = _Quadratic(given["param_init"], given["target"]), _Recorder()
    optimizer = build_optimizer(method.parameters(), p["lr"], p["weight_decay"])
    scheduler = schedule(optimizer) if p["scheduling"] else None
    Trainer(
        method, optimizer, scheduler, {}, Recipe(1, p["steps"]), CPU, callbacks=(recorder,)
    ).fit()
    return {
        "lr_used": np.array(recorder.rate),
        "lr_after": np.array(recorder.rate_after),
        "param": torch.stack(method.path),
    }


class _Counting(Method):
    """A weight that holds the number of the epoch."""

    def __init__(self):
        super().__init__()
        self.model = nn.Linear(1, 1, bias=False)

    def training_step(self, batches, progress) -> StepOutput:
        return StepOutput(0 * self.model.weight.sum())

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
        optimizer = torch.optim.SGD(method.parameters(), lr=0.0)
        recipe = Recipe(p["num_epochs"], 1, metric=JUDGED)
        evaluators = by_role(named, plan)
        trainer = Trainer(method, optimizer, None, {}, recipe, CPU, evaluators, callbacks=(saver,))
        trainer.fit()
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
        "epochs_run": np.int64(trainer.progress.epoch),
        "loaded_epoch": np.int64(loaded),
        "load_error": np.str_(error),
        "final_patience": np.int64(saver.choice.patience),
        "best_valence_r": np.float64(saver.choice.best),
        "train_loader": np.str_("+".join(names)),
        "selection_loader": np.str_(plan.selection),
        "evaluations_first_epoch": np.array(trace[: len(plan.evaluations)], dtype=np.str_),
        "evaluations_after_load": np.array(after, dtype=np.str_),
        "checkpoint_files": np.array(written, dtype=np.str_),
    }
