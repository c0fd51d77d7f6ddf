"""Adapters of the webemotion kinds that run the Trainer: trajectory and learning rate."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import MultiStepLR

from benchmarks.parity.cases import Case, adapter
from benchmarks.parity.measure import (
    fill_state_dict,
    scale_state_dict,
    seeded_images,
    weight_summary,
)
from common.data.streams import GivenStream
from common.engine.method import Method, Progress, StepOutput
from common.engine.trainer import Callback, Recipe, Trainer
from webemotion.catalogue import SCRIPTS, SIDES, Script
from webemotion.config import Config
from webemotion.method import METHODS, Settings
from webemotion.metrics import Validation
from webemotion.model import build_network, freeze_all_except_fc
from webemotion.schedule import (
    GAMMA,
    build_optimizer,
    go_on_with,
    milestones_of,
    scheduling,
)
from webemotion.text import models
from webemotion.text_side import TextSide

CPU = torch.device("cpu")


class _Recorder(Callback):
    """Loss and rate of every step; after every epoch, logits on the evaluation images."""

    def __init__(self, images: Tensor | None = None):
        self.images = images
        self.loss: list[float] = []
        self.rate: list[float] = []
        self.logits: list[Tensor] = []

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        self.loss.append(output.loss.item())
        self.rate.append(trainer.rate_used)

    def on_evaluated(self, trainer: Trainer, results: dict, is_best: bool) -> None:
        if self.images is None:
            return
        trainer.method.eval()
        with torch.no_grad():
            self.logits.append(trainer.method.predict(self.images))
        trainer.method.train()


def _script(name: str) -> Script:
    """The row of a script by its file's name, with or without its folder."""
    stem = name.removesuffix(".py")
    return next(row for path, row in SCRIPTS.items() if stem in (path, path.split("/")[1]))


def _text(params: dict | None, kind: str | None) -> TextSide | None:
    if params is None:
        return None
    side = SIDES[kind or "sentence"]
    sizes = (params["max_len"], params["word_dim"], params["filter_num"])
    model = models.build(
        side.family, side.model, params["vocab_size"], *sizes, params.get("num_classes", 8)
    )
    fill_state_dict(model, params["fill_seed"])
    return TextSide(model, side, params["vocab_size"] + 1)


def _schedule(lr_schedule: str | None, **more) -> Config:
    return Config(path="case", lr_schedule=lr_schedule, **more)


@adapter("webemotion/trajectory")
def trajectory(case: Case) -> dict:
    """A short training through the Method and the Trainer."""
    p = case.params
    row = _script(p["script"])
    model = build_network(p["arch"], p["num_classes"], **p["net_kwargs"])
    fill_state_dict(model, p["fill_seed"])
    scale_state_dict(model, p["scale"])
    if p["freeze"]:
        freeze_all_except_fc(model)
    settings = Settings(alpha=p.get("alpha", 1.0), beta=p.get("beta", 1.0))
    # Whatever reads its embedding alone gets the sentence model that the kind prescribes.
    side = "sentence" if row.method == "cosine" else row.text
    method = METHODS[row.method](model, settings, _text(p.get("text"), side))
    optimizer = build_optimizer(model.parameters(), p["lr"], p["momentum"], p["weight_decay"])
    # An empty list of milestones is a constant rate, not a plateau.
    milestones = ", ".join(map(str, p["milestones"])) or str(p["epochs"])
    scheduler, callbacks = scheduling(optimizer, _schedule(milestones))
    batches = _batches(case)
    size = batches[0][0]["image"].shape[-1]
    images = seeded_images(p["batch"], size, p["eval_seed"])
    evaluation = [{"image": images, "target": batches[0][0]["target"]}]
    recorder = _Recorder(images)
    trainer = Trainer(
        method,
        optimizer,
        scheduler,
        {"train": GivenStream(batches)},
        Recipe(p["epochs"], p["steps"], metric=row.metric, schedule_per="epoch"),
        CPU,
        {"test": Validation(evaluation, row.metric)},
        callbacks=(recorder, *callbacks),
    )
    history = trainer.fit()
    shape = (p["epochs"], p["steps"])
    validated = [[100 * row_["test"][row.metric], row_["test"]["loss"]] for row_ in history]
    return {
        "loss": np.array(recorder.loss).reshape(shape),
        "lr": np.array(recorder.rate).reshape(shape),
        "validate": np.array(validated),
        "eval_logits": torch.stack(recorder.logits),
        **weight_summary(model, "weight"),
    }


def _batches(case: Case) -> list[list[dict]]:
    """The batches of every epoch; images are 224 pixels unless a case says otherwise."""
    p = case.params
    given = {name: torch.from_numpy(array) for name, array in case.inputs.items()}
    return [
        [
            {
                "image": seeded_images(p["batch"], p.get("size", 224), seed),
                **{name: value[e][k] for name, value in given.items()},
            }
            for k, seed in enumerate(seeds)
        ]
        for e, seeds in enumerate(p["input_seeds"])
    ]


class _Weight(Method):
    """One number, which is its own loss."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def training_step(self, batches, progress) -> StepOutput:
        return StepOutput(self.weight)


class _Prescribed:
    """An evaluator that gives the case's losses one after the other."""

    def __init__(self, losses: Iterable[float]):
        self.losses = iter(losses)

    def __call__(self, method: Method, progress: Progress) -> dict:
        return {"loss": next(self.losses)}


@adapter("webemotion/lr")
def lr(case: Case) -> dict:
    """The rate of every epoch that is trained."""
    p, method = case.params, _Weight()
    start = p.get("start_epoch", 0)
    optimizer = build_optimizer(method.parameters(), p["lr"], 0.9, 0.0)
    config = _schedule(p["lr_schedule"], lr_patience=p.get("lr_patience", 10), lr=p["lr"])
    if p.get("resumed_optimizer_lr") is not None:
        state = optimizer.state_dict()
        state["param_groups"][0]["lr"] = p["resumed_optimizer_lr"]
        go_on_with(optimizer, state, config)
    scheduler, callbacks = scheduling(optimizer, config)
    recorder = _Recorder()
    trainer = Trainer(
        method,
        optimizer,
        scheduler,
        {},
        Recipe(p["epochs"], 1, start_epoch=start, metric="loss", mode="min", schedule_per="epoch"),
        CPU,
        {"test": _Prescribed(p.get("val_loss") or [0.0] * p["epochs"])},
        callbacks=(recorder, *callbacks),
    )
    trainer.fit()
    rates = np.array(recorder.rate)
    modern = _modern_rates(p, len(rates)) if p["lr_schedule"] else rates
    return {"lr": rates, "lr_modern": modern}


def _modern_rates(params: dict, epochs: int) -> np.ndarray:
    """What the published order of calls gives under today's torch; nothing trains by it."""
    optimizer = build_optimizer(_Weight().parameters(), params["lr"], 0.9, 0.0)
    milestones = milestones_of(params["lr_schedule"])
    scheduler = MultiStepLR(optimizer, milestones, params.get("gamma", GAMMA))
    optimizer.step()  # torch warns where the scheduler moves first
    group = optimizer.param_groups[0]
    if params.get("resumed_optimizer_lr") is not None:
        group["lr"] = params["resumed_optimizer_lr"]
    rates = []
    for _ in range(epochs):
        scheduler.step()
        rates.append(group["lr"])
    return np.array(rates)
