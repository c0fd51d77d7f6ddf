"""Adapters of the ssfer kinds that run the Trainer: rates, and the two stages of fine-tuning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmarks.parity.cases import Case
from benchmarks.parity.fill import fill_state_dict, scale_state_dict
from benchmarks.parity.measure import seeded_images, weight_summary
from benchmarks.parity.registry import adapter
from common.data.streams import GivenStream
from common.engine.method import Method, StepOutput
from common.engine.trainer import Callback, Recipe, Trainer
from common.nn.ema import ParameterEMA
from ssfer.finetune import rates
from ssfer.finetune.method import EMATeacher, FaceMix, TeacherConfig
from ssfer.vit import build_vit

CPU = torch.device("cpu")
SIZE = 224
COSINE = tuple(field.name for field in fields(rates.CosineConfig))


class _Recorder(Callback):
    """Loss, rate, logs and details of every step."""

    def __init__(self):
        self.rows: list[dict[str, Tensor]] = []

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        rate = torch.tensor(trainer.rate_used, dtype=torch.float64)
        row = {**output.logs, **output.details, "loss": output.loss, "lr": rate}
        self.rows.append({n: torch.as_tensor(v).detach().clone() for n, v in row.items()})

    def stacked(self, epochs: int) -> dict[str, Tensor]:
        """What every step has, as [E, K, …]."""
        out = {}
        for name in self.rows[0].keys() & self.rows[-1].keys():
            flat = torch.stack([row[name] for row in self.rows])
            out[name] = flat.reshape(epochs, -1, *flat.shape[1:])
        return out


class _Constant(Method):
    """A parameter without gradient."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def training_step(self, batches, progress) -> StepOutput:
        return StepOutput(0 * self.weight.sum())


def _rates_used(schedule: Callable | None, lr: float, epochs: int, steps: int, per: str) -> Tensor:
    method, recorder = _Constant(), _Recorder()
    optimizer = rates.build_optimizer(method.parameters(), lr, 0.05)
    scheduler = schedule(optimizer) if schedule else None
    recipe = Recipe(epochs, steps, schedule_per=per)
    Trainer(method, optimizer, scheduler, {}, recipe, CPU, callbacks=(recorder,)).fit()
    return recorder.stacked(epochs)["lr"]


@adapter("ssfer/finetune_lr")
def finetune_lr(case: Case) -> dict:
    """Rates of every step of the supervised stage."""
    p = case.params
    settings = rates.CosineConfig(**{name: p[name] for name in COSINE})
    steps = p["iters_per_epoch"]

    def schedule(optimizer: Optimizer):
        return rates.cosine_schedule(optimizer, settings, steps)

    ends = [settings.rate_of_step((e + 1) * steps, steps) for e in range(p["num_epochs"])]
    return {
        "lr_used": _rates_used(schedule, p["lr"], p["num_epochs"], steps, "step"),
        "lr_epoch_end": np.array(ends),
    }


@adapter("ssfer/semi_lr")
def semi_lr(case: Case) -> dict:
    """Rates of the semi-supervised stage as the published code has them."""
    p = case.params
    schedule = rates.semi_schedule("kfold")
    used = _rates_used(schedule, p["lr"], p["epochs"], p["iters_per_epoch"], "epoch")
    moved = 0 if schedule is None else p["epochs"]
    return {"lr_used": used, "scheduler_steps_after_creation": np.int64(moved)}


# --- trajectories ---------------------------------------------------------------------------------


class GivenFaces:
    """A detector that answers with a case's rows, image after image, and keeps what it was shown.

    Args:
        rows: detections of all images in order, [n, 6].
        counts: rows of each image.
    """

    def __init__(self, rows: np.ndarray, counts):
        counts = np.asarray(counts).ravel()
        self.answers = iter(np.split(rows, np.cumsum(counts, dtype=np.int64))[: len(counts)])
        self.seen: Tensor | None = None

    def __call__(self, images: Tensor) -> list[np.ndarray]:
        self.seen = images.clone()
        return [next(self.answers) for _ in images]


def _network(p: dict) -> nn.Module:
    size = p.get("size", SIZE)
    model = build_vit(p["model"], num_classes=p["classes"], img_size=size)
    fill_state_dict(model, p["fill_seed"])
    scale_state_dict(model, p.get("scale", {}))
    return model


def _images(p: dict, seed: int, number: int) -> Tensor:
    return seeded_images(number, p.get("size", SIZE), seed)


def _labelled(case: Case, name: str) -> list[list[dict]]:
    p = case.params
    return [
        [
            {"image": _images(p, seed, len(labels)), "label": torch.from_numpy(labels.copy())}
            for seed, labels in zip(seeds, of_epoch, strict=True)
        ]
        for seeds, of_epoch in zip(p["input_seeds"], case.inputs[name], strict=True)
    ]


@torch.no_grad()
def _logits(model: nn.Module, p: dict) -> Tensor:
    return model.eval()(_images(p, p["eval_seed"], 2))


def finetune_trajectory(case: Case) -> dict:
    """The supervised stage: FaceMix, AdamW, cosine, average of the parameters."""
    p = case.params
    model = _network(p)
    detector = GivenFaces(case.inputs["dets"], case.inputs["det_counts"])
    method = FaceMix(model, p["classes"], detector=detector)
    average = ParameterEMA(method, 0.999 if p["ema_decay"] is None else p["ema_decay"])
    optimizer = rates.build_optimizer(model.parameters(), p["lr"], p["weight_decay"])
    settings = rates.CosineConfig(**{name: p[name] for name in COSINE if name in p})
    batches = _labelled(case, "labels")
    recorder = _Recorder()
    np.random.seed(p["numpy_seed"])
    Trainer(
        method,
        optimizer,
        rates.cosine_schedule(optimizer, settings, p["steps"]),
        {"labelled": GivenStream(batches)},
        Recipe(p["epochs"], p["steps"], ema_across_epochs=True),
        CPU,
        ema=average,
        callbacks=(recorder,),
    ).fit()
    # The parts a step logs are means; what the case lists is per image.
    per_image = {
        name: torch.stack([row[name] for row in recorder.rows]) for name in recorder.rows[0]
    }
    out = {
        name: value.reshape(p["epochs"], p["steps"], *value.shape[1:])
        for name, value in per_image.items()
    }
    out |= weight_summary(model, "weight")
    with average.applied(method):
        return {**out, **weight_summary(model, "ema_weight"), "eval_logits": _logits(model, p)}


def semi_trajectory(case: Case) -> dict:
    """The semi-supervised stage: student, teacher, pseudo-labels."""
    p = case.params
    kept = ("threshold", "coefficient_u", "burnin_epochs", "ema_teacher", "ema_decay")
    given = {name: p[name] for name in kept if p.get(name) is not None}
    method = EMATeacher(_network(p), TeacherConfig(**given))
    labelled, unlabelled = _labelled(case, "labels_x"), []
    for seeds, of_epoch in zip(p["input_seeds"], case.inputs["labels_u"], strict=True):
        unlabelled.append(
            [
                {
                    "weak": _images(p, seed + 1, len(labels)),
                    "strong": _images(p, seed + 2, len(labels)),
                    "label": torch.from_numpy(labels.copy()),
                }
                for seed, labels in zip(seeds, of_epoch, strict=True)
            ]
        )
    recorder = _Recorder()
    decay = p.get("weight_decay", 0.05)
    Trainer(
        method,
        rates.build_optimizer(method.model.parameters(), p["lr"], decay),
        None,
        {"labelled": GivenStream(labelled), "unlabelled": GivenStream(unlabelled)},
        Recipe(p["epochs"], p["steps"]),
        CPU,
        callbacks=(recorder,),
    ).fit()
    number = case.inputs["labels_u"].shape[-1]
    nothing = {
        "pseudo_label": torch.full((number,), -1),
        "mask": torch.zeros(number, dtype=torch.bool),
        "score": torch.zeros(number),
    }
    recorder.rows = [{**nothing, **row} for row in recorder.rows]
    out = recorder.stacked(p["epochs"])
    out |= {"pseudo": out["pseudo_label"], "max_probs": out["score"]}
    out |= weight_summary(method.model, "weight")
    average = weight_summary(method.teacher, "ema_weight")
    return {
        **out,
        **average,
        "eval_logits_ema": _logits(method.teacher, p),
        "eval_logits_live": _logits(method.model, p),
    }
