"""Adapters of the adacm kinds about single pieces: objective, margins, average, split, images."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn

from adacm import data, objective
from adacm.method import AdaCM, AdaCMConfig, MarginEvaluator
from adacm.model import UnitNormResNet
from benchmarks.parity.cases import Case
from benchmarks.parity.fill import fill_state_dict
from benchmarks.parity.measure import (
    augmented,
    forward_summary,
    next_random,
    seed_all,
    view_summary,
)
from benchmarks.parity.registry import adapter
from common.data.manifest import Manifest
from common.datasets.readers.rafdb import CLASSES, read_list
from common.engine.method import Progress, StepOutput
from common.nn.ema import StateEMA

CPU = torch.device("cpu")
LETTERS = {"loss": "loss", "sup_loss": "Lx", "unsup_loss": "Lu", "contrast_loss": "Ls"}
VIEWS = ("outputs_u", "outputs_u2", "output_strong", "feature_u", "feature_u2")


def build_method(model: nn.Module, p: dict) -> AdaCM:
    weights = {name: p[name] for name in AdaCMConfig.__dataclass_fields__ if name in p}
    return AdaCM(model, p["num_classes"], AdaCMConfig(**weights))


def step_row(output: StepOutput) -> dict[str, Tensor]:
    """What the kinds list of a step, under the authors' letters."""
    losses = {"loss": output.loss, **output.logs}
    values = {letter: losses[name] for name, letter in LETTERS.items()}
    values |= {name: output.details[name] for name in ("mask", "pseudo_label", "n_contrast")}
    values["max_prob"] = output.details["score"]
    return {name: value.detach().clone() for name, value in values.items()}


@adapter("adacm/step")
def step(case: Case) -> dict:
    """The objective of K batches, with gradients to its inputs."""
    method = build_method(nn.Identity(), case.params)
    method.margins.copy_(torch.tensor(case.params["threshold"]))
    rows: dict[str, list[Tensor]] = {}
    for k in range(len(case.inputs["output_x"])):
        given = {name: torch.from_numpy(array[k]) for name, array in case.inputs.items()}
        leaves = {n: given[n].requires_grad_() for n in ("output_x", *VIEWS)}
        output = method.losses(
            leaves["output_x"], given["targets_x"], *(leaves[name] for name in VIEWS)
        )
        output.loss.backward()
        row = step_row(output)
        for name, leaf in leaves.items():
            row[f"grad_{name}"] = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    out = {name: torch.stack(values) for name, values in rows.items()}
    means = [out[letter].double().mean() for letter in LETTERS.values()]
    return {**out, "epoch_mean": torch.stack(means)}


@adapter("adacm/supcon")
def supcon(case: Case) -> dict:
    """The contrastive loss and its gradient."""
    p = case.params
    given = {name: torch.from_numpy(array) for name, array in case.inputs.items()}
    features = given["features"].requires_grad_()
    loss = objective.contrastive_loss(
        features,
        given.get("labels"),
        given.get("mask"),
        p["temperature"],
        p["base_temperature"],
        p["contrast_mode"],
    )
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
    rows: dict[str, list] = {"threshold": [], "mean_loss": [], "top1_percent": []}
    for logits, epoch in zip(case.inputs["outputs"], case.inputs["epoch"], strict=True):
        pairs = zip(
            torch.from_numpy(logits).split(p["batch"]), targets.split(p["batch"]), strict=True
        )
        batches = [{"weak": images, "label": labels} for images, labels in pairs]
        method.epoch.fill_(int(epoch))
        report = MarginEvaluator(lambda _, given=batches: iter(given))(method, Progress(0, 0, 1, 1))
        rows["threshold"].append(report["margins"])
        rows["mean_loss"].append(report["loss"])
        rows["top1_percent"].append(100 * report["top1"])
    return {name: np.array(values) for name, values in rows.items()}


class _State(nn.Module):
    """A module with the tensors that a case prescribes, all of them buffers."""

    def __init__(self, values: dict[str, Tensor]):
        super().__init__()
        self.names = list(values)
        for i, value in enumerate(values.values()):
            self.register_buffer(f"entry{i}", value.clone())

    def values(self) -> dict[str, Tensor]:
        return {name: self.get_buffer(f"entry{i}") for i, name in enumerate(self.names)}


@adapter("adacm/ema")
def ema(case: Case) -> dict:
    """The average over K steps, the shrinking of the live state, and what both start from."""

    p, names = case.params, case.params["keys"]
    given = {name: torch.from_numpy(np.array(array)) for name, array in case.inputs.items()}
    module = _State({name: given[f"model_init.{name}"] for name in names})
    start = {f"entry{i}": given[f"ema_init.{name}"] for i, name in enumerate(names)}
    average = StateEMA(module, p["alpha"], shrink=AdaCMConfig.shrink * p["lr"], start=start)

    def both() -> dict[str, Tensor]:
        shadow = {f"ema_after.{n}": average.shadow[f"entry{i}"] for i, n in enumerate(names)}
        live = {f"model_after.{name}": value for name, value in module.values().items()}
        return {name: value.clone() for name, value in (live | shadow).items()}

    first = {name.replace("after.", "after_init."): v for name, v in both().items()}
    rows = []
    for k in range(p["steps"]):
        for name, value in module.values().items():
            value.copy_(given[f"model_before.{name}"][k])
        average.update(module)
        rows.append(both())
    return {**first, **{name: torch.stack([row[name] for row in rows]) for name in rows[0]}}


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


@adapter("adacm/randaugment")
def randaugment(case: Case) -> dict:
    """Strongly augmented images, the operations drawn, and the generators' next numbers."""
    return augmented(case)


@adapter("adacm/transform")
def transform(case: Case) -> dict:
    """Every view of one image file, through the datasets that training reads."""
    p = case.params
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(case.inputs["image"]).save(Path(folder) / "image.png")
        table = pd.DataFrame({"path": ["image.png"], "label": [4], "split": ["train"]})
        manifest = Manifest("case", Path(folder), CLASSES, table)
        seed_all(p)
        labelled = data.dataset(manifest, data.labelled_views(), "bgr")[0]
        seed_all(p)
        unlabelled = data.dataset(manifest, data.unlabelled_views(), "bgr", hide=True)[0]
        following = next_random()
        test = data.dataset(manifest, data.test_views(), "bgr")[0]
    seen = {"labelled": labelled["weak"], "eval": test["image"]}
    seen |= {name: unlabelled[name] for name in ("weak0", "weak1", "strong")}
    labels = np.array([item["label"] for item in (labelled, unlabelled, test)])
    summary = view_summary(seen, p["sample_stride"])
    return {"label": labels, "next_random": following, **summary}


@adapter("adacm/backbone_forward")
def backbone_forward(case: Case) -> dict:
    """Logits and features of the filled network, and its state dict's layout."""
    p = case.params
    model = UnitNormResNet(p["num_classes"])
    fill_state_dict(model, p["weight_seed"])
    return forward_summary(model, p["input_shape"], p["input_seed"])
