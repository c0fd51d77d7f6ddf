"""Adapters of the s2ver kinds that run the Trainer: trajectories and the average's life."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.parity.cases import Case
from benchmarks.parity.fill import fill_state_dict, scale_state_dict
from benchmarks.parity.measure import by_epoch, end_state, seeded_images
from benchmarks.parity.registry import adapter
from benchmarks.parity.s2ver.adapters import build_method, step_row
from common.data.streams import GivenStream
from common.engine import checkpoint
from common.engine.method import Method, Progress, StepOutput
from common.engine.run_folder import RunFolder
from common.engine.trainer import Callback, Recipe, Trainer
from common.metrics.classification import classification_report
from common.nn.ema import ParameterEMA
from common.nn.schedule import cosine_schedule
from s2ver.authors_files import BEST, BestCheckpoint
from s2ver.method import S2VER
from s2ver.model import build_model, build_optimizer

CPU = torch.device("cpu")


class _Recorder(Callback):
    """Collects what a trajectory case lists, step by step and epoch by epoch."""

    def __init__(self, images: Tensor, labels: Tensor):
        self.images, self.labels = images, labels
        self.steps: list[dict] = []
        self.epochs: list[dict] = []
        self.saved: list[int] = []

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        rate = torch.tensor(trainer.rate_used, dtype=torch.float64)
        self.steps.append({**step_row(output, trainer.method), "lr": rate})

    def evaluate(self, method: S2VER, progress: Progress) -> dict:
        logits, features = method.model(self.images)
        report = classification_report(logits, self.labels)
        self.epochs.append(
            {
                "eval_logits": logits,
                "eval_features": features,
                **{
                    f"eval_{k}": torch.tensor(report[k])
                    for k in ("loss", "top1", "top5")
                    if k in report
                },
            }
        )
        return report

    def on_evaluated(self, trainer: Trainer, results: dict, is_best: bool) -> None:
        if is_best:
            self.saved.append(trainer.progress.epoch)


@adapter("s2ver/trajectory")
def trajectory(case: Case) -> dict:
    """A short training through the Method and the Trainer."""
    p = case.params
    model = build_model("resnet50", p["num_classes"], p["low_dim"])
    fill_state_dict(model, p["fill_seed"])
    scale_state_dict(model, p["scale"])
    method = build_method(model, p)
    optimizer = build_optimizer(model, p["optim"], p["lr"], p["momentum"], p["weight_decay"])
    total = p["epochs"] * p["steps"]
    labels = torch.arange(p["eval_n"]) % p["num_classes"]
    recorder = _Recorder(seeded_images(p["eval_n"], p["size"], p["eval_seed"]), labels)
    ema = ParameterEMA(method, p["ema_m"])
    trainer = Trainer(
        method,
        optimizer,
        cosine_schedule(optimizer, total, cycles=p["num_cycles"]),
        _given_streams(case),
        Recipe(p["epochs"], p["steps"], clip=p["clip"]),
        CPU,
        evaluators={"test": recorder.evaluate},
        ema=ema,
        callbacks=(recorder,),
    )
    trainer.fit()
    out = {"saved_epoch": np.array(recorder.saved)}
    out |= by_epoch(recorder.steps, recorder.epochs) | end_state(model, method, ema)
    return {name: out[name] for name in case.expected}


def _given_streams(case: Case) -> dict[str, GivenStream]:
    p = case.params
    labelled, unlabelled = [], []
    for epoch, steps in enumerate(p["input_seeds"]):
        labelled.append([])
        unlabelled.append([])
        for k, seeds in enumerate(steps):
            y, true_label = (torch.from_numpy(case.inputs[n][epoch, k]) for n in ("y_lb", "y_ulb"))
            labelled[-1].append(
                {"weak": seeded_images(p["n_lb"], p["size"], seeds["x_lb"]), "label": y}
            )
            three = {
                view: seeded_images(p["n_ulb"], p["size"], seeds[f"x_ulb_{short}"])
                for view, short in (("weak", "w"), ("strong0", "s0"), ("strong1", "s1"))
            }
            unlabelled[-1].append({**three, "label": true_label})
    return {"labelled": GivenStream(labelled), "unlabelled": GivenStream(unlabelled)}


class _Stub(nn.Module):
    """A trainable parameter, a frozen one and a buffer, whose values the case prescribes."""

    def __init__(self, given: dict[str, Tensor]):
        super().__init__()
        self.w = nn.Parameter(given["w_init"].clone())
        self.frozen = nn.Parameter(given["frozen_init"].clone(), requires_grad=False)
        self.register_buffer("running", given["running_init"].clone())

    def values(self) -> dict[str, Tensor]:
        state = {"w": self.w, "frozen": self.frozen, "running": self.running}
        return {name: value.detach().clone() for name, value in state.items()}


class _StubMethod(Method):
    def __init__(self, model: _Stub):
        super().__init__()
        self.model = model

    def training_step(self, batches, progress) -> StepOutput:
        return StepOutput((0 * self.model.w).sum())


class _Writer(torch.optim.SGD):
    """An optimiser whose step writes the case's next live values."""

    def __init__(self, model: _Stub, given: dict[str, Tensor]):
        super().__init__([model.w], lr=1.0)
        self.model = model
        steps = zip(
            *(given[f"{n}_steps"].flatten(0, 1) for n in ("w", "frozen", "running")), strict=True
        )
        self.coming = iter(steps)

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for target, value in zip(
            (self.model.w, self.model.frozen, self.model.running), next(self.coming), strict=True
        ):
            target.copy_(value)


class _EmaRecorder(Callback):
    def __init__(self):
        self.shadows: list[Tensor] = []
        self.seen: list[dict[str, Tensor]] = []
        self.saved: list[dict] = []

    def evaluate(self, method: _StubMethod, progress: Progress) -> dict:
        self.seen.append(method.model.values())
        return {"top1": 0.5}

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        self.shadows.append(trainer.ema.state_dict()["model.w"].clone())

    def on_evaluated(self, trainer: Trainer, results: dict, is_best: bool) -> None:
        self.saved.append(checkpoint.load(trainer.run.path / BEST))


@adapter("s2ver/ema")
def ema(case: Case) -> dict:
    """The average over epochs: restarted, saved, evaluated and, after a resume, re-loaded."""
    p = case.params
    given = {name: torch.from_numpy(array) for name, array in case.inputs.items()}
    model = _Stub(given)
    method = _StubMethod(model)
    recorder = _EmaRecorder()
    reload = {"model.w": given["resume_ema_w"]} if p["resume"] else None
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder), may_write=True)
        Trainer(
            method,
            _Writer(model, given),
            None,
            {},
            Recipe(p["epochs"], p["steps"]),
            CPU,
            evaluators={"test": recorder.evaluate},
            ema=ParameterEMA(method, p["decay"]),
            ema_reload=reload,
            run=run,
            callbacks=(BestCheckpoint(), recorder),
        ).fit()
    each = 2 if p["resume"] else 1
    out = {"shadow_w": torch.stack(recorder.shadows).reshape(p["epochs"], p["steps"], -1)}
    for name in ("w", "frozen", "running"):
        seen = torch.stack([values[name] for values in recorder.seen])
        out[f"eval_{name}"] = seen[each - 1 :: each]
        if p["resume"]:
            out[f"resume_eval_{name}"] = seen[::each]
        out[f"saved_ema_{name}"] = torch.stack([s["ema_model"][name] for s in recorder.saved])
    out["saved_model_w"] = torch.stack([s["model"]["w"] for s in recorder.saved])
    out["live_w_after_eval"] = model.w.detach()
    return out
