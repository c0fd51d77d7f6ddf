"""Adapters of the s2ver kinds that run the Trainer: trajectories and the average's life."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.parity.cases import Case, adapter
from benchmarks.parity.measure import (
    Idle,
    Recorder,
    also_named,
    copies,
    end_state,
    given_stream,
    prepared,
    seeded_images,
    stacked,
    tensors,
    train,
)
from benchmarks.parity.s2ver.adapters import NAMES, build_method
from common.data.streams import GivenStream
from common.engine import checkpoint
from common.engine.method import Progress, StepOutput
from common.engine.run_folder import RunFolder
from common.engine.trainer import Recipe, Trainer
from common.nn.ema import ParameterEMA
from common.nn.schedule import cosine_schedule
from s2ver.authors_files import BEST, BestCheckpoint
from s2ver.model import build_model, build_optimizer


@adapter("s2ver/trajectory")
def trajectory(case: Case) -> dict:
    """A short training through the Method and the Trainer."""
    p = case.params
    model = prepared(build_model("resnet50", p["num_classes"], p["low_dim"]), p)
    method = build_method(model, p)
    optimizer = build_optimizer(model, p["optim"], p["lr"], p["momentum"], p["weight_decay"])
    labels = torch.arange(p["eval_n"]) % p["num_classes"]
    recorder = Recorder(seeded_images(p["eval_n"], p["size"], p["eval_seed"]), labels)
    ema = ParameterEMA(method, p["ema_m"])
    out = train(
        recorder,
        method,
        optimizer,
        Recipe(p["epochs"], p["steps"], clip=p["clip"]),
        _given_streams(case),
        cosine_schedule(optimizer, p["epochs"] * p["steps"], cycles=p["num_cycles"]),
        evaluators={"test": recorder.evaluate},
        ema=ema,
    )
    saved = torch.nonzero(out["is_best"])[:, 0]
    return also_named(out, NAMES) | {"saved_epoch": saved} | end_state(model, method, ema)


def _given_streams(case: Case) -> dict[str, GivenStream]:
    p = case.params

    def labelled(seeds: dict, label: Tensor) -> dict:
        return {"weak": seeded_images(p["n_lb"], p["size"], seeds["x_lb"]), "label": label}

    def unlabelled(seeds: dict, true_label: Tensor) -> dict:
        names = {"weak": "x_ulb_w", "strong0": "x_ulb_s0", "strong1": "x_ulb_s1"}
        views = {v: seeded_images(p["n_ulb"], p["size"], seeds[n]) for v, n in names.items()}
        return {**views, "label": true_label}

    return {
        "labelled": given_stream(labelled, p["input_seeds"], case.inputs["y_lb"]),
        "unlabelled": given_stream(unlabelled, p["input_seeds"], case.inputs["y_ulb"]),
    }


class _Stub(nn.Module):
    """A trainable parameter, a frozen one and a buffer, whose values the case prescribes."""

    def __init__(self, given: dict[str, Tensor]):
        super().__init__()
        self.w = nn.Parameter(given["w_init"].clone())
        self.frozen = nn.Parameter(given["frozen_init"].clone(), requires_grad=False)
        self.register_buffer("running", given["running_init"].clone())


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


class _EmaRecorder(Recorder):
    def __init__(self):
        super().__init__()
        self.seen: list[dict[str, Tensor]] = []
        self.saved: list[dict] = []

    def evaluate(self, method: Idle, progress: Progress) -> dict:
        self.seen.append(copies(method.model.state_dict()))
        return {"top1": 0.5}

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        super().on_step_end(trainer, output)
        self.steps[-1]["shadow_w"] = trainer.ema.state_dict()["model.w"].clone()

    def on_evaluated(self, trainer: Trainer, results: dict, is_best: bool) -> None:
        self.saved.append(checkpoint.load(trainer.run.path / BEST))


@adapter("s2ver/ema")
def ema(case: Case) -> dict:
    """The average over epochs: restarted, saved, evaluated and, after a resume, re-loaded."""
    p = case.params
    given = dict(zip(case.inputs, tensors(case, *case.inputs), strict=True))
    model = _Stub(given)
    method, recorder = Idle(model), _EmaRecorder()
    with tempfile.TemporaryDirectory() as folder:
        out = train(
            recorder,
            method,
            _Writer(model, given),
            Recipe(p["epochs"], p["steps"]),
            evaluators={"test": recorder.evaluate},
            ema=ParameterEMA(method, p["decay"]),
            ema_reload={"model.w": given["resume_ema_w"]} if p["resume"] else None,
            run=RunFolder(Path(folder), may_write=True),
            callbacks=(BestCheckpoint(), recorder),
        )
    each, seen = 2 if p["resume"] else 1, stacked(recorder.seen)
    average = stacked([saved["ema_model"] for saved in recorder.saved])
    for name in ("w", "frozen", "running"):
        out[f"eval_{name}"] = seen[name][each - 1 :: each]
        if p["resume"]:
            out[f"resume_eval_{name}"] = seen[name][::each]
        out[f"saved_ema_{name}"] = average[name]
    out["saved_model_w"] = torch.stack([saved["model"]["w"] for saved in recorder.saved])
    out["live_w_after_eval"] = model.w.detach()
    return out
