"""Adapter of the adacm kind that runs the Trainer."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from adacm.authors_files import best_before
from adacm.method import AdaCM, MarginEvaluator
from adacm.model import UnitNormResNet
from benchmarks.parity.adacm.adapters import CPU, LETTERS, build_method, step_row
from benchmarks.parity.cases import Case
from benchmarks.parity.fill import fill_state_dict, scale_state_dict
from benchmarks.parity.measure import by_epoch, end_state, seeded_images
from benchmarks.parity.registry import adapter
from common.data.streams import GivenStream
from common.engine.method import Progress, StepOutput
from common.engine.trainer import Callback, Recipe, Trainer
from common.metrics.classification import classification_report
from common.nn.ema import StateEMA


class _Recorder(Callback):
    """Collects what a trajectory case lists, step by step and epoch by epoch."""

    def __init__(self, margins: MarginEvaluator, images: Tensor, labels: Tensor):
        self.margins, self.images, self.labels = margins, images, labels
        self.steps: list[dict] = []
        self.epochs: list[dict] = []

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        rate = torch.tensor(trainer.rate_used, dtype=torch.float64)
        self.steps.append({**step_row(output), "lr": rate})

    def adapt(self, method: AdaCM, progress: Progress) -> dict:
        given = self.margins.batches(int(method.epoch) - 1)
        logits = torch.cat([method.predict(batch["weak"]) for batch in given])
        report = self.margins(method, progress)
        self.epochs.append(
            {
                "threshold_logits": logits,
                "threshold": method.margins.clone(),
                "threshold_loss": torch.tensor(report["loss"]),
                "threshold_top1": torch.tensor(100 * report["top1"]),
            }
        )
        return report

    def evaluate(self, method: AdaCM, progress: Progress) -> dict:
        logits, features = method.model(self.images)
        report = classification_report(logits, self.labels)
        self.epochs[-1] |= {
            "eval_logits": logits,
            "eval_features": features,
            "test_loss": torch.tensor(report["loss"]),
            "test_top1": torch.tensor(100 * report["top1"]),
        }
        return report

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        names = LETTERS.keys()
        best = 100 * row["test"]["top1"] > best_before(trainer.history)
        self.epochs[-1] |= {
            "epoch_mean": torch.tensor([row["train"][name] for name in names]),
            "is_best": torch.tensor(best),
        }


@adapter("adacm/trajectory")
def trajectory(case: Case) -> dict:
    """A short training through the Method and the Trainer."""
    p = case.params
    model, other = (
        UnitNormResNet(p["num_classes"], dropout=p["dropout_p"]) for _ in ("live", "average")
    )
    for network, seed in ((model, p["fill_seed"]), (other, p["ema_fill_seed"])):
        fill_state_dict(network, seed)
        scale_state_dict(network, p["scale"])
    method = build_method(model, p)
    method.margins.copy_(torch.tensor(p["threshold_start"]))
    start = {f"model.{name}": value for name, value in other.state_dict().items()}
    ema = StateEMA(
        method, p["ema_decay"], "model.", shrink=method.config.shrink * p["lr"], start=start
    )
    recorder = _Recorder(
        MarginEvaluator(_margin_stream(case).batches),
        seeded_images(p["n_test"], p["size"], p["test_seed"]),
        torch.from_numpy(case.inputs["y_test"]),
    )
    Trainer(
        method,
        torch.optim.Adam(model.parameters(), lr=p["lr"]),
        None,
        _given_streams(case),
        Recipe(p["epochs"], p["steps"], ema_across_epochs=True),
        CPU,
        evaluators={"labelled": recorder.adapt, "test": recorder.evaluate},
        ema=ema,
        callbacks=(recorder,),
    ).fit()
    out = by_epoch(recorder.steps, recorder.epochs) | end_state(model, method, ema)
    return {name: out[name] for name in case.expected}


def _given_streams(case: Case) -> dict[str, GivenStream]:
    p = case.params
    labelled, unlabelled = [], []
    for epoch, steps in enumerate(p["input_seeds"]):
        seen = [
            {name: seeded_images(p["batch"], p["size"], seed) for name, seed in seeds.items()}
            for seeds in steps
        ]
        targets = torch.from_numpy(case.inputs["y_x"][epoch])
        labelled.append([{"weak": v["x"], "label": y} for v, y in zip(seen, targets, strict=True)])
        unlabelled.append(
            [{"weak0": v["u"], "weak1": v["u2"], "strong": v["strong"]} for v in seen]
        )
    return {"labelled": GivenStream(labelled), "unlabelled": GivenStream(unlabelled)}


def _margin_stream(case: Case) -> GivenStream:
    p = case.params
    epochs = []
    for seed, labels in zip(p["threshold_seeds"], case.inputs["y_threshold"], strict=True):
        images = seeded_images(p["n_threshold"], p["size"], seed).split(p["threshold_batch"])
        given = torch.from_numpy(np.asarray(labels)).split(p["threshold_batch"])
        epochs.append([{"weak": x, "label": y} for x, y in zip(images, given, strict=True)])
    return GivenStream(epochs)
