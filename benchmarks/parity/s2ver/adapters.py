"""Adapters of the s2ver kinds about single pieces: objective, views, split, network, optimiser."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.parity.cases import Case, adapter
from benchmarks.parity.measure import (
    also_named,
    augmented,
    each_batch,
    fill_state_dict,
    forward_summary,
    next_random,
    one_image,
    seed_all,
    stacked,
    text,
    values_of,
    view_summary,
)
from common.data import splits
from common.data.dataset import ViewDataset
from common.nn.schedule import cosine_multiplier
from s2ver.data import labelled_views, test_views, unlabelled_views
from s2ver.method import S2VER, S2VERConfig
from s2ver.model import build_model, build_optimizer, decay_groups

POLARITY = [1, 0, 1, 1, 0, 1, 0, 0]  # the authors' eight classes
WEIGHTS = tuple(S2VERConfig.__dataclass_fields__)
NAMES = {"total_loss": "loss", "prototype": "prototypes", "relation_matrix": "relation"}


def build_method(model, p: dict) -> S2VER:
    classes = p["num_classes"]
    weights = S2VERConfig(**{name: p[name] for name in WEIGHTS if name in p})
    polarity = POLARITY if classes == len(POLARITY) else [1] * classes
    return S2VER(model, classes, p["low_dim"], polarity, weights)


@adapter("s2ver/step")
def step(case: Case) -> dict:
    """The objective over K batches, with gradients to its inputs."""
    method = build_method(torch.nn.Identity(), case.params)
    rows = []
    for given in each_batch(case):
        logits, features = (given[name].requires_grad_() for name in ("logits", "features"))
        output = method.losses(logits, features, given["y_lb"], given["y_ulb"])
        output.loss.backward()
        gradients = {"grad_logits": logits.grad, "grad_features": features.grad}
        rows.append(values_of(method, output) | gradients)
    return also_named(stacked(rows), NAMES)


@adapter("s2ver/lr")
def lr(case: Case) -> dict:
    """The rate multiplier of given steps."""
    p = case.params
    settings = p["total_steps"], p["warmup_steps"], p["num_cycles"]
    multiplier = np.array([cosine_multiplier(int(s), *settings) for s in case.inputs["step"]])
    return {"multiplier": multiplier, "lr": p["base_lr"] * multiplier}


@adapter("s2ver/param_groups")
def param_groups(case: Case) -> dict:
    """The optimiser's two groups."""
    p = case.params
    model = build_model("resnet50", p["num_classes"], p["low_dim"])
    optimizer = build_optimizer(
        model, p["optim"], p["lr"], p["momentum"], p["weight_decay"], p["bn_wd_skip"]
    )
    decayed, spared = decay_groups(model, p["bn_wd_skip"])
    groups = optimizer.param_groups
    return {
        "decay_names": text(sorted(decayed)),
        "no_decay_names": text(sorted(spared)),
        "weight_decay": np.array([g["weight_decay"] for g in groups]),
        "lr": np.array([g["lr"] for g in groups]),
        "momentum": np.array([g.get("momentum", 0.0) for g in groups]),
        "nesterov": np.array([g.get("nesterov", False) for g in groups]),
    }


@adapter("s2ver/split")
def split(case: Case) -> dict:
    """The labelled split: drawn, read from the run's index file, or given."""
    p, labels = case.params, case.inputs["labels"]
    split_of = partial(splits.labelled_split, labels, p["num_labels"], p["num_classes"])
    np.random.seed(p["numpy_seed"])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "index.npy"
        if p["source"] == "dump":
            np.save(file, case.inputs["given_index"])
        given = case.inputs["given_index"] if p["source"] == "index" else None
        chosen = split_of(file, given, include_labelled=True)
        following = np.random.rand()
        others = split_of(None, chosen.labelled, include_labelled=False)
        return {
            "labelled_index": chosen.labelled,
            "labelled_target": labels[chosen.labelled],
            "unlabelled_index": chosen.unlabelled,
            "unlabelled_index_excluding_labelled": others.unlabelled,
            "next_numpy_random": np.float64(following),
            "wrote_dump": np.bool_(file.exists()),
        }


# Strongly augmented images, the operations drawn, and the generators' next numbers.
adapter("s2ver/randaugment")(augmented)


@adapter("s2ver/transform")
def transform(case: Case) -> dict:
    """Every view of one image file, through the datasets that training reads."""
    p, size = case.params, case.params["crop_size"]
    with one_image(case.inputs["image"]) as manifest:
        seed_all(p)
        labelled = ViewDataset(manifest, labelled_views(size))[0]
        seed_all(p)
        unlabelled = ViewDataset(manifest, unlabelled_views(size))[0]
        following = next_random()
        test = ViewDataset(manifest, test_views(size))[0]
    seen = {"labelled": labelled["weak"], "eval": test["image"]}
    seen |= {name: unlabelled[name] for name in ("weak", "strong0", "strong1")}
    return {"next_random": following, **view_summary(seen, p["sample_stride"])}


@adapter("s2ver/resnet50_forward")
def resnet50_forward(case: Case) -> dict:
    """Logits and features of the filled network, and its state dict's layout."""
    p = case.params
    model = build_model("resnet50", p["num_classes"], p["low_dim"])
    fill_state_dict(model, p["weight_seed"])
    return forward_summary(model, p["input_shape"], p["input_seed"])
