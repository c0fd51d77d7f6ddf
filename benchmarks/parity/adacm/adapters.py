"""Adapters of the adacm kinds about single pieces: objective, margins, average, split, images."""

from __future__ import annotations

import tempfile
from argparse import Namespace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from adacm import data, objective
from adacm.method import AdaCM, AdaCMConfig, MarginEvaluator
from adacm.model import UnitNormResNet
from benchmarks.parity.cases import Case, adapter
from benchmarks.parity.measure import (
    also_named,
    augmented,
    copies,
    each_batch,
    fill_state_dict,
    forward_summary,
    gradient,
    module_of,
    next_random,
    one_image,
    seed_all,
    stacked,
    tensors,
    values_of,
    view_summary,
)
from common.datasets.readers.rafdb import CLASSES, read_list
from common.engine.method import Progress
from common.nn.ema import StateEMA

NAMES = {"Lx": "sup_loss", "Lu": "unsup_loss", "Ls": "contrast_loss", "max_prob": "score"}
"""The authors' name of a value -> ours."""
LOSSES = ("loss", "sup_loss", "unsup_loss", "contrast_loss")
VIEWS = ("outputs_u", "outputs_u2", "output_strong", "feature_u", "feature_u2")


def build_method(model: nn.Module, p: dict) -> AdaCM:
    weights = {name: p[name] for name in AdaCMConfig.__dataclass_fields__ if name in p}
    return AdaCM(model, p["num_classes"], AdaCMConfig(**weights))


@adapter("adacm/step")
def step(case: Case) -> dict:
    """The objective of K batches, with gradients to its inputs."""
    method = build_method(nn.Identity(), case.params)
    method.margins.copy_(torch.tensor(case.params["threshold"]))
    rows = []
    for given in each_batch(case):
        x, *leaves = (given[name].requires_grad_() for name in ("output_x", *VIEWS))
        output = method.losses(x, given["targets_x"], *leaves)
        output.loss.backward()
        names = zip(("output_x", *VIEWS), (x, *leaves), strict=True)
        gradients = {f"grad_{name}": gradient(leaf) for name, leaf in names}
        rows.append(values_of(method, output) | gradients)
    out = stacked(rows)
    means = torch.stack([out[name].double().mean() for name in LOSSES])
    return also_named(out, NAMES) | {"epoch_mean": means}


@adapter("adacm/supcon")
def supcon(case: Case) -> dict:
    """The contrastive loss and its gradient."""
    p = case.params
    given = dict(zip(case.inputs, tensors(case, *case.inputs), strict=True))
    features = given["features"].requires_grad_()
    settings = p["temperature"], p["base_temperature"], p["contrast_mode"]
    loss = objective.contrastive_loss(features, given.get("labels"), given.get("mask"), *settings)
    loss.backward()
    return {"loss": loss, "grad_features": features.grad}


class _Given(nn.Module):
    """A network whose images are its logits already."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images, images


@adapter("adacm/thresholds")
def thresholds(case: Case) -> dict:
    """Evaluation of the labelled images epoch after epoch, and the margins that follow."""
    p = case.params
    targets = torch.from_numpy(case.inputs["targets"])
    method = build_method(_Given(), p)
    rows = []
    for logits, epoch in zip(*tensors(case, "outputs", "epoch"), strict=True):
        pairs = zip(logits.split(p["batch"]), targets.split(p["batch"]), strict=True)
        batches = [{"weak": images, "label": labels} for images, labels in pairs]
        method.epoch.copy_(epoch)
        report = MarginEvaluator(lambda _, given=batches: iter(given))(method, Progress(0, 0, 1, 1))
        top1 = 100 * report["top1"]
        rows.append(
            {"threshold": report["margins"], "mean_loss": report["loss"], "top1_percent": top1}
        )
    return {name: [row[name] for row in rows] for name in rows[0]}


@adapter("adacm/ema")
def ema(case: Case) -> dict:
    """The average over K steps, the shrinking of the live state, and what both start from."""
    p, given = case.params, dict(zip(case.inputs, tensors(case, *case.inputs), strict=True))

    def part(prefix: str) -> dict[str, Tensor]:
        return {name: given[f"{prefix}.{name}"] for name in p["keys"]}

    module, before = module_of(part("model_init")), part("model_before")
    shrink = AdaCMConfig.shrink * p["lr"]
    average = StateEMA(module, p["alpha"], shrink=shrink, start=part("ema_init"))

    def both(when: str) -> dict[str, Tensor]:
        live = {f"model_{when}.{name}": value for name, value in module.state_dict().items()}
        return copies(live | {f"ema_{when}.{n}": value for n, value in average.shadow.items()})

    first, rows = both("after_init"), []
    for k in range(p["steps"]):
        module.load_state_dict({name: values[k] for name, values in before.items()})
        average.update(module)
        rows.append(both("after"))
    return first | stacked(rows)


@adapter("adacm/split")
def split(case: Case) -> dict:
    """Labelled and unlabelled positions of a label list, by the published rule."""
    p = case.params
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "list.txt"
        file.write_text(str(case.inputs["file"]), encoding="utf-8")
        labels = read_list(file)["label"].to_numpy()
    np.random.seed(p["numpy_seed"])
    labelled, unlabelled = data.draw_labelled(
        labels, data.quotas(p["n_labeled"], CLASSES, budget="code")
    )
    following = np.float64(np.random.rand())
    return {"labelled": labelled, "unlabelled": unlabelled, "next_numpy_random": following}


@adapter("adacm/load_image")
def load_image(case: Case) -> dict:
    """The pixels of an image file as the views get them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"image.{case.params['extension']}"
        path.write_bytes(case.inputs["bytes"].tobytes())
        return {"array": np.asarray(data.load_image(str(path)))}


# Strongly augmented images, the operations drawn, and the generators' next numbers.
adapter("adacm/randaugment")(augmented)


@adapter("adacm/transform")
def transform(case: Case) -> dict:
    """Every view of one image file, through the datasets that training reads."""
    p, args = case.params, Namespace(channel_order="bgr", cache=None)
    with one_image(case.inputs["image"], CLASSES, 4) as manifest:
        seed_all(p)
        labelled = data.dataset(args, manifest, data.labelled_views(), manifest)[0]
        seed_all(p)
        unlabelled = data.dataset(args, manifest, data.unlabelled_views(), manifest, hide=True)[0]
        following = next_random()
        test = data.dataset(args, manifest, data.test_views(), manifest)[0]
    seen = {"labelled": labelled["weak"], "eval": test["image"]}
    seen |= {name: unlabelled[name] for name in ("weak0", "weak1", "strong")}
    labels = [item["label"] for item in (labelled, unlabelled, test)]
    summary = view_summary(seen, p["sample_stride"])
    return {"label": labels, "next_random": following, **summary}


@adapter("adacm/backbone_forward")
def backbone_forward(case: Case) -> dict:
    """Logits and features of the filled network, and its state dict's layout."""
    p = case.params
    model = UnitNormResNet(p["num_classes"])
    fill_state_dict(model, p["weight_seed"])
    return forward_summary(model, p["input_shape"], p["input_seed"])
