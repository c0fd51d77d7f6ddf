"""The ssfer kinds that run the Trainer: rates, and the stages of pre-training and fine-tuning."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from benchmarks.parity.cases import Case, adapter
from benchmarks.parity.measure import (
    Idle,
    Recorder,
    given_stream,
    prepared,
    seeded_images,
    train,
    weight_summary,
)
from common.data.streams import GivenStream
from common.engine.method import StepOutput
from common.engine.trainer import Recipe, Trainer
from common.nn.ema import ParameterEMA
from ssfer.finetune import rates
from ssfer.finetune.method import EMATeacher, FaceMix, TeacherConfig
from ssfer.pretrain.mae import build_mae
from ssfer.pretrain.method import MaskedPretraining, build_optimizer
from ssfer.vit import build_vit

SIZE = 224
COSINE = tuple(field.name for field in fields(rates.CosineConfig))
PRED_STRIDE = (13, 37)


def _rates_used(lr: float, recipe: Recipe, schedule=None) -> Tensor:
    """Rates of every step [E, K] of a training whose `schedule` makes a scheduler, if any."""
    method = Idle()
    optimizer = rates.build_optimizer(method.parameters(), lr, 0.05)
    scheduler = schedule(optimizer) if schedule else None
    return train(Recorder(), method, optimizer, recipe, scheduler=scheduler)["lr"]


@adapter("ssfer/finetune_lr")
def finetune_lr(case: Case) -> dict:
    """Rates of every step of the supervised stage."""
    p = case.params
    settings = rates.CosineConfig(**{name: p[name] for name in COSINE})
    steps = p["iters_per_epoch"]

    def schedule(optimizer: Optimizer):
        return rates.cosine_schedule(optimizer, settings, steps)

    ends = [settings.rate_of_step((e + 1) * steps, steps) for e in range(p["num_epochs"])]
    used = _rates_used(p["lr"], Recipe(p["num_epochs"], steps), schedule)
    return {"lr_used": used, "lr_epoch_end": ends}


@adapter("ssfer/semi_lr")
def semi_lr(case: Case) -> dict:
    """Rates of the semi-supervised stage as the published code has them."""
    p = case.params
    schedule = rates.semi_schedule("kfold")
    recipe = Recipe(p["epochs"], p["iters_per_epoch"], schedule_per="epoch")
    moved = 0 if schedule is None else p["epochs"]
    used = _rates_used(p["lr"], recipe, schedule)
    return {"lr_used": used, "scheduler_steps_after_creation": moved}


@adapter("ssfer/trajectory")
def trajectory(case: Case) -> dict:
    """A short training of the stage that the case names."""
    return STAGES[case.params["stage"]](case)


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
    return prepared(build_vit(p["model"], num_classes=p["classes"], img_size=size), p)


def _images(p: dict, seed: int, number: int) -> Tensor:
    return seeded_images(number, p.get("size", SIZE), seed)


def _labelled(case: Case, name: str) -> GivenStream:
    p = case.params

    def batch(seed: int, labels: Tensor) -> dict:
        return {"image": _images(p, seed, len(labels)), "label": labels}

    return given_stream(batch, p["input_seeds"], case.inputs[name])


@torch.no_grad()
def _logits(model: nn.Module, p: dict) -> Tensor:
    return model.eval()(_images(p, p["eval_seed"], 2))


def finetune(case: Case) -> dict:
    """The supervised stage: FaceMix, AdamW, cosine, average of the parameters."""
    p = case.params
    model = _network(p)
    detector = GivenFaces(case.inputs["dets"], case.inputs["det_counts"])
    method = FaceMix(model, p["classes"], detector=detector)
    average = ParameterEMA(method, 0.999 if p["ema_decay"] is None else p["ema_decay"])
    optimizer = rates.build_optimizer(model.parameters(), p["lr"], p["weight_decay"])
    settings = rates.CosineConfig(**{name: p[name] for name in COSINE if name in p})
    np.random.seed(p["numpy_seed"])
    out = train(
        Recorder(),
        method,
        optimizer,
        Recipe(p["epochs"], p["steps"], ema_across_epochs=True),
        {"labelled": _labelled(case, "labels")},
        rates.cosine_schedule(optimizer, settings, p["steps"]),
        ema=average,
    )
    out |= weight_summary(model, "weight")
    with average.applied(method):
        return {**out, **weight_summary(model, "ema_weight"), "eval_logits": _logits(model, p)}


def semi(case: Case) -> dict:
    """The semi-supervised stage: student, teacher, pseudo-labels."""
    p = case.params
    kept = ("threshold", "coefficient_u", "burnin_epochs", "ema_teacher", "ema_decay")
    given = {name: p[name] for name in kept if p.get(name) is not None}
    method = EMATeacher(_network(p), TeacherConfig(**given))

    def unlabelled(seed: int, true_label: Tensor) -> dict:
        weak, strong = (_images(p, seed + k, len(true_label)) for k in (1, 2))
        return {"weak": weak, "strong": strong, "label": true_label}

    streams = {
        "labelled": _labelled(case, "labels_x"),
        "unlabelled": given_stream(unlabelled, p["input_seeds"], case.inputs["labels_u"]),
    }
    decay = p.get("weight_decay", 0.05)
    optimizer = rates.build_optimizer(method.model.parameters(), p["lr"], decay)
    number = case.inputs["labels_u"].shape[-1]
    nothing = {  # what a step of the burn-in, which labels nothing, is listed with
        "pseudo_label": torch.full((number,), -1),
        "mask": torch.zeros(number, dtype=torch.bool),
        "score": torch.zeros(number),
    }
    recorder, recipe = Recorder(nothing=nothing), Recipe(p["epochs"], p["steps"])
    out = train(recorder, method, optimizer, recipe, streams)
    return {
        **out,
        "pseudo": out["pseudo_label"],
        "max_probs": out["score"],
        **weight_summary(method.model, "weight"),
        **weight_summary(method.teacher, "ema_weight"),
        "eval_logits_ema": _logits(method.teacher, p),
        "eval_logits_live": _logits(method.model, p),
    }


class _Pretraining(Recorder):
    """Keeps what the autoencoder makes of given images after every epoch, and the updates."""

    def __init__(self, p: dict):
        super().__init__(seeded_images(p["batch"], p["size"], p["eval_seed"]))
        self.noise_seed = p["eval_noise_seed"]
        self.updates: list[int] = []

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        super().on_step_end(trainer, output)
        if all(p.grad is None for p in trainer.method.parameters()):
            self.updates.append(len(self.steps))

    @torch.no_grad()
    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        super().on_epoch_end(trainer, row)
        method, (rows, columns) = trainer.method.eval(), PRED_STRIDE
        torch.manual_seed(self.noise_seed)
        loss, prediction, _ = method.model(self.images, method.mask_ratio)
        method.train()
        self.note(row["epoch"] - 1, eval_loss=loss, eval_pred=prediction[:, ::rows, ::columns])


class _SeededNoise(MaskedPretraining):
    """Seeds the generator before every forward, as the case was measured."""

    def __init__(self, model, mask_ratio: float, noise_seed: int):
        super().__init__(model, mask_ratio)
        self.noise_seed = noise_seed

    def training_step(self, batches, progress) -> StepOutput:
        torch.manual_seed(self.noise_seed + progress.global_step)
        return super().training_step(batches, progress)


def pretrain(case: Case) -> dict:
    """Pre-training; every step's images have a seed of their own, counted through all epochs."""
    p = case.params
    model = prepared(build_mae(p["model"].removeprefix("mae_"), **p.get("kwargs", {})), p)
    method = _SeededNoise(model, p["mask_ratio"], p["noise_seed"])
    optimizer, scheduler = build_optimizer(
        model, p["lr"], p["weight_decay"], p["warmup_epochs"], p["epochs"]
    )
    seeds = p["input_seed"] + np.arange(p["epochs"] * p["steps"]).reshape(p["epochs"], -1)
    faces = given_stream(
        lambda seed: {"image": seeded_images(p["batch"], p["size"], int(seed))}, seeds
    )
    recipe = Recipe(
        p["epochs"],
        p["steps"],
        schedule_per="epoch",
        accumulate=p["accum_iter"],
        mean_gradients=False,
    )
    recorder = _Pretraining(p)
    out = train(recorder, method, optimizer, recipe, {"faces": faces}, scheduler)
    listed = {"mask": out["mask"].bool(), "epoch_mean_loss": out["epoch_loss"]}
    listed["update_after_step"] = np.array(recorder.updates, dtype=np.int64)
    return {**out, **weight_summary(model, "weight"), **listed}


STAGES = {"pretrain": pretrain, "finetune": finetune, "semi": semi}
