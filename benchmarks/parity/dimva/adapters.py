"""Adapters of the dimva kinds about single pieces: targets, losses, figures, views, network."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from benchmarks.parity.cases import Case
from benchmarks.parity.fill import fill_state_dict
from benchmarks.parity.registry import adapter
from common.data.dataset import ViewDataset
from common.data.manifest import Manifest
from common.datasets.lexicon import Lexicon, from_arrays
from common.datasets.readers.folder import read_folders
from common.metrics.regression import pearson
from dimva import data, evaluation, objective
from dimva.evaluation import Seen
from dimva.method import DimvaConfig
from dimva.model import DimensionalResNet, freeze


def lexicon_of(case: Case) -> Lexicon:
    return from_arrays(case.inputs["lexicon_word"], case.inputs["lexicon_vad"])


def _text(values) -> np.ndarray:
    return np.array(list(values), dtype=np.str_)


@adapter("dimva/lexicon_va")
def lexicon_va(case: Case) -> dict:
    """Labels and targets of image folders, through the reader."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "train"
        for name in case.inputs["class_names"]:
            (root / str(name)).mkdir(parents=True)
        for name in case.inputs["files"]:
            (root / str(name)).touch()
        manifest = read_folders("case", {"train": root})
        manifest = data.folder_classes(manifest, lexicon_of(case))
        rows = {
            Path(p).relative_to(root.absolute()).as_posix(): i
            for i, p in enumerate(manifest.table["path"])
        }
    order = [rows[str(name)] for name in case.inputs["files"]]
    items = ViewDataset(manifest, {}, data.TARGETS).targets
    return {
        "class_order": _text(manifest.classes),
        "file_label": manifest.labels[order],
        "file_va": items["va"][order],
        "index_flag": items["categorical"][order],
    }


@adapter("dimva/convert")
def convert(case: Case) -> dict:
    """Categories of predictions."""
    converter = data.build_converter(case.params["dataname"], lexicon_of(case))
    return {
        "pred": converter.categories(torch.from_numpy(case.inputs["va"])),
        "label_order": _text(objective.label_order(case.params["dataname"])),
        "class_va": converter.points,
    }


def _targets(manifest: Manifest, multilabel: bool) -> dict:
    targets = (*data.TARGETS, "hot") if multilabel else data.TARGETS
    return ViewDataset(manifest, {}, targets).targets


@adapter("dimva/emotion6_labels")
def emotion6_labels(case: Case) -> dict:
    """Categories and targets of rated images."""
    name, va = case.params["cvt_dataname"], case.inputs["va"]
    table = _blank(len(va)).assign(valence=va[:, 0], arousal=va[:, 1])
    manifest = data.rated(_manifest(table), name, lexicon_of(case))
    multilabel = objective.is_multilabel(name)
    targets = _targets(manifest, multilabel)
    order = objective.label_order(name)
    return {
        "label": targets["hot"] if multilabel else manifest.labels,
        "va": targets["va"],
        "index_flag": targets["categorical"],
        "label_order": _text(order if order == objective.MIKELS else order[:2]),
    }


def _blank(number: int) -> pd.DataFrame:
    paths = [f"{i}.png" for i in range(number)]
    return pd.DataFrame({"path": paths, "label": 0, "split": "train"})


def _manifest(table: pd.DataFrame, classes=("only",)) -> Manifest:
    return Manifest("case", Path("/"), tuple(classes), table)


@adapter("dimva/ldl_labels")
def ldl_labels(case: Case) -> dict:
    """Classes and targets of votes, whose columns are found by name."""
    given = pd.DataFrame(case.inputs["distribution"], columns=case.params["emotion_order"])
    votes = given[list(objective.MIKELS)].to_numpy()
    table = _blank(len(votes)).assign(dist=list(votes))
    manifest = data.voted(_manifest(table, objective.MIKELS), lexicon_of(case))
    targets = _targets(manifest, True)
    flag = targets["categorical"]
    return {
        "label": targets["hot"],
        "va": targets["va"],
        "dim": torch.tensor(votes).float(),
        "index_flag": flag,
    }


def _given(case: Case, *names: str) -> list[torch.Tensor]:
    return [torch.from_numpy(np.array(case.inputs[name])) for name in names]


@adapter("dimva/multi_loss")
def multi_loss(case: Case) -> dict:
    """The first stage's multi-task loss and its gradients."""
    p = case.params
    va, label, true_va, true = _given(case, "pred_va", "pred_label", "va", "label")
    va.requires_grad_(), label.requires_grad_()
    multilabel = p["cls_type"] == "multilabel"
    loss = objective.multi_loss(label, va, true, true_va, p["alpha"], multilabel)[0]
    loss.backward()
    return {"loss": loss, "grad_pred_va": va.grad, "grad_pred_label": label.grad}


@adapter("dimva/finetune_multi_batch")
def finetune_multi_batch(case: Case) -> dict:
    """The second stage's multi-task loss over K batches."""
    label, va = _given(case, "pred_label", "pred_va")
    label.requires_grad_(), va.requires_grad_()
    true, true_va, index = _given(case, "label", "va", "index")
    told, alpha = [], case.params["alpha"]
    for k in range(len(label)):
        loss, category, squared = objective.mixed_loss(
            label[k], va[k], true[k], true_va[k], index[k], alpha, multilabel=true[k].ndim > 1
        )
        objective.present_loss(category, squared, index[k], alpha).backward()
        told.append(loss.item())
    return {
        "loss": np.array(told),
        "epoch_loss": np.mean(told),
        "grad_pred_label": _gradient(label),
        "grad_pred_va": _gradient(va),
    }


def _gradient(given: torch.Tensor) -> torch.Tensor:
    """Zeros where no batch had rows of the kind that reads `given`."""
    return torch.zeros_like(given) if given.grad is None else given.grad


@adapter("dimva/accuracy")
def accuracy(case: Case) -> dict:
    """Fraction equal, or the authors' weighted Jaccard index."""
    pred, label = case.inputs["pred"], case.inputs["label"]
    return {"accuracy": np.float64(objective.accuracy(pred, label))}


def _pearsons(pred: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.array([pearson(pred[:, d], true[:, d]) for d in range(2)])


@adapter("dimva/pearson")
def pearson_of_columns(case: Case) -> dict:
    """r and p of valence and arousal."""
    both = _pearsons(case.inputs["pred"], case.inputs["true"])
    return {"r": both[:, 0], "p": both[:, 1]}


@adapter("dimva/freeze")
def freeze_parameters(case: Case) -> dict:
    """Which parameters train."""
    model = _model(case)
    freeze(model, case.params["feature_extract"])
    named = dict(model.named_parameters())
    trained = sorted(name for name, p in named.items() if p.requires_grad)
    return {
        "trainable": _text(trained),
        "all": _text(sorted(named)),
        "n_trainable_values": np.int64(sum(named[name].numel() for name in trained)),
    }


def _model(case: Case) -> DimensionalResNet:
    multi = case.params.get("task", "multi") == "multi"
    return DimensionalResNet("resnet101", case.params["class_num"] if multi else None)


def _forward(case: Case) -> dict:
    p = case.params
    model = _model(case).eval()
    fill_state_dict(model, p["weight_seed"])
    images = torch.randn(p["input_shape"], generator=torch.Generator().manual_seed(p["input_seed"]))
    with torch.no_grad():
        logits, va = model(images)
    state = model.state_dict()
    shapes = [",".join(map(str, value.shape)) for value in state.values()]
    out = {"va": va, "keys": _text(state), "shapes": _text(shapes)}
    return out if logits is None else {**out, "label_logits": logits}


@adapter("dimva/multi_forward")
def multi_forward(case: Case) -> dict:
    """The multi-task network and its state dict's layout."""
    return _forward(case)


@adapter("dimva/single_forward")
def single_forward(case: Case) -> dict:
    """The single-task network and its state dict's layout."""
    case.params["class_num"] = None
    return _forward(case)


@adapter("dimva/predict")
def predict(case: Case) -> dict:
    """One evaluation: figures and, where there are any, categories."""
    p, name = case.params, case.params["dataname"]
    flat = {n: torch.from_numpy(a).flatten(0, 1) for n, a in case.inputs.items() if a.ndim > 2}
    label = torch.from_numpy(case.inputs["label"]).flatten(0, 1)
    seen = Seen(flat["pred_va"], flat["va"], label, flat.get("pred_logits"))
    mode = "one_stage" if p["alpha"] == 0.5 else "two_stage"
    settings = DimvaConfig(mode, p["task"], p["cls_type"] == "multilabel")
    converter = data.build_converter(name, lexicon_of(case))
    report = evaluation.report(seen, p["type"], settings, converter)
    both = evaluation.categories(seen, p["type"], settings, converter)
    out = {
        "pred_va": seen.va,
        "true_va": seen.true_va,
        "r": np.array([report[f"r_{d}"] for d in evaluation.DIMENSIONS]),
        "accuracy": np.float64(report.get("accuracy", -1)),
    }
    if "loss" in report:
        out["loss"] = np.float64(report["loss"])
    if both:
        out["pred_class"], out["true_class"] = both
    return out


@adapter("dimva/transform")
def transform(case: Case) -> dict:
    """Training and evaluation view of one image file, through the dataset."""
    p, size, stride = case.params, case.params["input_size"], case.params["sample_stride"]
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(case.inputs["image"]).save(Path(folder) / "0.png")
        manifest = Manifest("case", Path(folder), ("only",), _blank(1))
        torch.manual_seed(p["torch_seed"])
        train = ViewDataset(manifest, data.train_views(size))[0]["image"]
        out = {"next_torch_random": torch.rand(1)}
        shown = {"train": train, "eval": ViewDataset(manifest, data.eval_views(size))[0]["image"]}
    for name, view in shown.items():
        out[f"{name}_sample"] = view[:, ::stride, ::stride]
        out[f"{name}_mean"], out[f"{name}_std"] = view.mean(dim=(1, 2)), view.std(dim=(1, 2))
    return out
