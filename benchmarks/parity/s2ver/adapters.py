"""Adapters of the s2ver kinds about single pieces: objective, views, split, network, optimiser."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

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
from common.data import splits
from common.data.dataset import ViewDataset
from common.data.manifest import Manifest
from common.engine.method import StepOutput
from common.nn.schedule import cosine_multiplier
from s2ver.data import labelled_views, test_views, unlabelled_views
from s2ver.method import S2VER, S2VERConfig
from s2ver.model import build_model, build_optimizer, decay_groups

POLARITY = [1, 0, 1, 1, 0, 1, 0, 0]  # the authors' eight classes
WEIGHTS = tuple(S2VERConfig.__dataclass_fields__)


def build_method(model, p: dict) -> S2VER:
    classes = p["num_classes"]
    weights = S2VERConfig(**{name: p[name] for name in WEIGHTS if name in p})
    polarity = POLARITY if classes == len(POLARITY) else [1] * classes
    return S2VER(model, classes, p["low_dim"], polarity, weights)


@adapter("s2ver/step")
def step(case: Case) -> dict:
    """The objective over K batches, with gradients to its inputs."""
    method = build_method(torch.nn.Identity(), case.params)
    rows: dict[str, list[Tensor]] = {}
    for k in range(len(case.inputs["logits"])):
        given = {name: torch.from_numpy(array[k]) for name, array in case.inputs.items()}
        logits = given["logits"].requires_grad_()
        features = given["features"].requires_grad_()
        output = method.losses(logits, features, given["y_lb"], given["y_ulb"])
        output.loss.backward()
        row = step_row(output, method)
        row |= {"grad_logits": logits.grad, "grad_features": features.grad}
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
    stacked = {name: torch.stack(values).numpy() for name, values in rows.items()}
    return {name: stacked[name] for name in case.expected}


def step_row(output: StepOutput, method: S2VER) -> dict[str, Tensor]:
    values = {
        **output.logs,
        **output.details,
        "total_loss": output.loss,
        "prototype": method.prototypes,
        "relation_matrix": method.relation,
    }
    return {name: torch.as_tensor(value).detach().clone() for name, value in values.items()}


@adapter("s2ver/lr")
def lr(case: Case) -> dict:
    """The rate multiplier of given steps."""
    p = case.params
    multiplier = np.array(
        [
            cosine_multiplier(int(s), p["total_steps"], p["warmup_steps"], p["num_cycles"])
            for s in case.inputs["step"]
        ]
    )
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
        "decay_names": np.array(sorted(decayed), dtype=np.str_),
        "no_decay_names": np.array(sorted(spared), dtype=np.str_),
        "weight_decay": np.array([g["weight_decay"] for g in groups]),
        "lr": np.array([g["lr"] for g in groups]),
        "momentum": np.array([g.get("momentum", 0.0) for g in groups]),
        "nesterov": np.array([g.get("nesterov", False) for g in groups]),
    }


@adapter("s2ver/split")
def split(case: Case) -> dict:
    """The labelled split: drawn, read from the run's index file, or given."""
    p, labels = case.params, case.inputs["labels"]
    np.random.seed(p["numpy_seed"])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "index.npy"
        if p["source"] == "dump":
            np.save(file, case.inputs["given_index"])
        given = case.inputs["given_index"] if p["source"] == "index" else None
        both = [
            splits.labelled_split(
                labels, p["num_labels"], p["num_classes"], file, given, include_labelled=True
            )
        ]
        following = np.random.rand()
        chosen = both[0]
        others = splits.labelled_split(
            labels, p["num_labels"], p["num_classes"], None, chosen.labelled, include_labelled=False
        )
        return {
            "labelled_index": chosen.labelled,
            "labelled_target": labels[chosen.labelled],
            "unlabelled_index": chosen.unlabelled,
            "unlabelled_index_excluding_labelled": others.unlabelled,
            "next_numpy_random": np.float64(following),
            "wrote_dump": np.bool_(file.exists()),
        }


@adapter("s2ver/randaugment")
def randaugment(case: Case) -> dict:
    """Strongly augmented images, the operations drawn, and the generators' next numbers."""
    return augmented(case)


@adapter("s2ver/transform")
def transform(case: Case) -> dict:
    """Every view of one image file, through the datasets that training reads."""
    p = case.params
    size, stride = p["crop_size"], p["sample_stride"]
    with tempfile.TemporaryDirectory() as folder:
        manifest = _one_image(Path(folder), case.inputs["image"])
        items = {}
        for name, named_views in (
            ("labelled", labelled_views(size)),
            ("unlabelled", unlabelled_views(size)),
            ("test", test_views(size)),
        ):
            seed_all(p)
            items[name] = ViewDataset(manifest, named_views)[0]
            if name == "unlabelled":
                following = next_random()
    seen = {
        "labelled": items["labelled"]["weak"],
        "eval": items["test"]["image"],
        **{v: items["unlabelled"][v] for v in ("weak", "strong0", "strong1")},
    }
    return {"next_random": following, **view_summary(seen, stride)}


def _one_image(folder: Path, pixels: np.ndarray) -> Manifest:
    Image.fromarray(pixels).save(folder / "image.png")
    table = pd.DataFrame({"path": ["image.png"], "label": [0], "split": ["train"]})
    return Manifest("case", folder, ("only",), table)


@adapter("s2ver/resnet50_forward")
def resnet50_forward(case: Case) -> dict:
    """Logits and features of the filled network, and its state dict's layout."""
    p = case.params
    model = build_model("resnet50", p["num_classes"], p["low_dim"])
    fill_state_dict(model, p["weight_seed"])
    return forward_summary(model, p["input_shape"], p["input_seed"])
