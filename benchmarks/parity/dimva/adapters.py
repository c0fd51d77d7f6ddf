"""Adapters of the dimva kinds about single pieces: targets, losses, figures, views, network."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.parity.cases import Case, adapter
from benchmarks.parity.measure import (
    fill_state_dict,
    forward_summary,
    gradient,
    one_image,
    tensors,
    text,
    view_summary,
)
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
        "class_order": text(manifest.classes),
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
        "label_order": text(objective.label_order(case.params["dataname"])),
        "class_va": converter.points,
    }


def _targets(manifest: Manifest, multilabel: bool) -> dict:
    targets = (*data.TARGETS, "hot") if multilabel else data.TARGETS
    return ViewDataset(manifest, {}, targets).targets


@adapter("dimva/emotion6_labels")
def emotion6_labels(case: Case) -> dict:
    """Categories and targets of rated images."""
    name, va = case.params["cvt_dataname"], case.inputs["va"]
    images = _manifest(len(va), valence=va[:, 0], arousal=va[:, 1])
    manifest = data.rated(images, name, lexicon_of(case))
    multilabel = objective.is_multilabel(name)
    targets = _targets(manifest, multilabel)
    order = objective.label_order(name)
    return {
        "label": targets["hot"] if multilabel else manifest.labels,
        "va": targets["va"],
        "index_flag": targets["categorical"],
        "label_order": text(order if order == objective.MIKELS else order[:2]),
    }


def _manifest(number: int, classes=("only",), **columns) -> Manifest:
    """Images that nobody opens, with further columns."""
    paths = [f"{i}.png" for i in range(number)]
    table = pd.DataFrame({"path": paths, "label": 0, "split": "train", **columns})
    return Manifest("case", Path("/"), tuple(classes), table)


@adapter("dimva/ldl_labels")
def ldl_labels(case: Case) -> dict:
    """Classes and targets of votes, whose columns are found by name."""
    given = pd.DataFrame(case.inputs["distribution"], columns=case.params["emotion_order"])
    votes = given[list(objective.MIKELS)].to_numpy()
    images = _manifest(len(votes), objective.MIKELS, dist=list(votes))
    manifest = data.voted(images, lexicon_of(case))
    targets = _targets(manifest, True)
    given = {"label": targets["hot"], "va": targets["va"], "index_flag": targets["categorical"]}
    return {**given, "dim": torch.tensor(votes).float()}


@adapter("dimva/multi_loss")
def multi_loss(case: Case) -> dict:
    """The first stage's multi-task loss and its gradients."""
    p = case.params
    va, label, true_va, true = tensors(case, "pred_va", "pred_label", "va", "label")
    va.requires_grad_(), label.requires_grad_()
    multilabel = p["cls_type"] == "multilabel"
    loss = objective.multi_loss(label, va, true, true_va, p["alpha"], multilabel)[0]
    loss.backward()
    return {"loss": loss, "grad_pred_va": va.grad, "grad_pred_label": label.grad}


@adapter("dimva/finetune_multi_batch")
def finetune_multi_batch(case: Case) -> dict:
    """The second stage's multi-task loss over K batches."""
    label, va = tensors(case, "pred_label", "pred_va")
    label.requires_grad_(), va.requires_grad_()
    true, true_va, index = tensors(case, "label", "va", "index")
    losses, alpha = [], case.params["alpha"]
    for k in range(len(label)):
        loss, category, squared = objective.mixed_loss(
            label[k], va[k], true[k], true_va[k], index[k], alpha, multilabel=true[k].ndim > 1
        )
        objective.present_loss(category, squared, index[k], alpha).backward()
        losses.append(loss.item())
    return {
        "loss": np.array(losses),
        "epoch_loss": np.mean(losses),
        "grad_pred_label": gradient(label),
        "grad_pred_va": gradient(va),
    }


@adapter("dimva/accuracy")
def accuracy(case: Case) -> dict:
    """Fraction equal, or the authors' weighted Jaccard index."""
    pred, label = case.inputs["pred"], case.inputs["label"]
    return {"accuracy": np.float64(objective.accuracy(pred, label))}


@adapter("dimva/pearson")
def pearson_of_columns(case: Case) -> dict:
    """r and p of valence and arousal."""
    columns = zip(case.inputs["pred"].T, case.inputs["true"].T, strict=True)
    r, p = zip(*(pearson(*both) for both in columns), strict=True)
    return {"r": r, "p": p}


@adapter("dimva/freeze")
def freeze_parameters(case: Case) -> dict:
    """Which parameters train."""
    model = _model(case)
    freeze(model, case.params["feature_extract"])
    named = dict(model.named_parameters())
    trained = sorted(name for name, p in named.items() if p.requires_grad)
    return {
        "trainable": text(trained),
        "all": text(sorted(named)),
        "n_trainable_values": np.int64(sum(named[name].numel() for name in trained)),
    }


def _model(case: Case) -> DimensionalResNet:
    single = case.kind == "dimva/single_forward" or case.params.get("task") == "single"
    return DimensionalResNet("resnet101", None if single else case.params["class_num"])


def _forward(case: Case) -> dict:
    """A network, single-task or multi-task, on noise, and its state dict's layout."""
    p, model = case.params, _model(case)
    fill_state_dict(model, p["weight_seed"])
    return forward_summary(model, p["input_shape"], p["input_seed"], ("label_logits", "va"))


adapter("dimva/multi_forward")(_forward)
adapter("dimva/single_forward")(_forward)


@adapter("dimva/predict")
def predict(case: Case) -> dict:
    """One evaluation: figures and, where there are any, categories."""
    p, name = case.params, case.params["dataname"]
    names = [n for n in ("pred_va", "va", "label", "pred_logits") if n in case.inputs]
    seen = Seen(*(given.flatten(0, 1) for given in tensors(case, *names)))
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
    p, size = case.params, case.params["input_size"]
    with one_image(case.inputs["image"]) as manifest:
        torch.manual_seed(p["torch_seed"])
        train = ViewDataset(manifest, data.train_views(size))[0]["image"]
        following = torch.rand(1)
        seen = {"train": train, "eval": ViewDataset(manifest, data.eval_views(size))[0]["image"]}
    return {"next_torch_random": following, **view_summary(seen, p["sample_stride"])}
