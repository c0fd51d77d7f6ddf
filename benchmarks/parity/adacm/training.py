"""Adapter of the adacm kind that runs the Trainer."""

from __future__ import annotations

import torch
from torch import Tensor

from adacm.authors_files import best_before
from adacm.method import AdaCM, MarginEvaluator
from adacm.model import UnitNormResNet
from benchmarks.parity.adacm.adapters import LOSSES, NAMES, build_method
from benchmarks.parity.cases import Case, adapter
from benchmarks.parity.measure import (
    Recorder,
    also_named,
    end_state,
    given_stream,
    prepared,
    seeded_images,
    tensors,
    train,
)
from common.data.streams import GivenStream
from common.engine.method import Progress
from common.engine.trainer import Recipe, Trainer
from common.nn.ema import StateEMA


class _Recorder(Recorder):
    """Keeps the margins of every epoch too, and whether the authors' rule takes it as the best."""

    def __init__(self, margins: MarginEvaluator, images: Tensor, labels: Tensor):
        super().__init__(images, labels)
        self.margins = margins

    def adapt(self, method: AdaCM, progress: Progress) -> dict:
        given = self.margins.batches(int(method.epoch) - 1)
        logits = torch.cat([method.predict(batch["weak"]) for batch in given])
        report = self.margins(method, progress)
        self.note(
            progress.epoch,
            threshold_logits=logits,
            threshold=method.margins,
            threshold_loss=report["loss"],
            threshold_top1=100 * report["top1"],
        )
        return report

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        best = 100 * row["test"]["top1"] > best_before(trainer.history)
        means = [row["train"][name] for name in LOSSES]
        self.note(row["epoch"] - 1, is_best=best, epoch_mean=torch.tensor(means))


@adapter("adacm/trajectory")
def trajectory(case: Case) -> dict:
    """A short training through the Method and the Trainer."""
    p = case.params
    model, other = (
        prepared(UnitNormResNet(p["num_classes"], dropout=p["dropout_p"]), p, seed)
        for seed in ("fill_seed", "ema_fill_seed")
    )
    method = build_method(model, p)
    method.margins.copy_(torch.tensor(p["threshold_start"]))
    start = {f"model.{name}": value for name, value in other.state_dict().items()}
    ema = StateEMA(
        method, p["ema_decay"], "model.", shrink=method.config.shrink * p["lr"], start=start
    )
    images = seeded_images(p["n_test"], p["size"], p["test_seed"])
    recorder = _Recorder(
        MarginEvaluator(_margin_stream(case).batches), images, *tensors(case, "y_test")
    )
    out = train(
        recorder,
        method,
        torch.optim.Adam(model.parameters(), lr=p["lr"]),
        Recipe(p["epochs"], p["steps"], ema_across_epochs=True),
        _given_streams(case),
        evaluators={"labelled": recorder.adapt, "test": recorder.evaluate},
        ema=ema,
    )
    figures = {"test_loss": out["eval_loss"], "test_top1": 100 * out["eval_top1"]}
    return also_named(out, NAMES) | figures | end_state(model, method, ema)


def _given_streams(case: Case) -> dict[str, GivenStream]:
    p = case.params

    def image(seed: int) -> Tensor:
        return seeded_images(p["batch"], p["size"], seed)

    def labelled(seeds: dict, label: Tensor) -> dict:
        return {"weak": image(seeds["x"]), "label": label}

    def unlabelled(seeds: dict) -> dict:
        names = {"weak0": "u", "weak1": "u2", "strong": "strong"}
        return {view: image(seeds[name]) for view, name in names.items()}

    return {
        "labelled": given_stream(labelled, p["input_seeds"], case.inputs["y_x"]),
        "unlabelled": given_stream(unlabelled, p["input_seeds"]),
    }


def _margin_stream(case: Case) -> GivenStream:
    p = case.params
    epochs = []
    for seed, labels in zip(p["threshold_seeds"], *tensors(case, "y_threshold"), strict=True):
        images = seeded_images(p["n_threshold"], p["size"], seed)
        pairs = zip(*(x.split(p["threshold_batch"]) for x in (images, labels)), strict=True)
        epochs.append([{"weak": x, "label": y} for x, y in pairs])
    return GivenStream(epochs)
