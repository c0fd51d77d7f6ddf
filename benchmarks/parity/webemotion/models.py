"""Adapters of the webemotion kinds about networks, checkpoints, views, lists and loaders."""

from __future__ import annotations

import random

import numpy as np
import torch
from PIL import Image

from benchmarks.parity.cases import Case, adapter
from benchmarks.parity.measure import fill_state_dict, seeded_images
from webemotion import data
from webemotion.catalogue import LOADERS
from webemotion.checkpoints import loose_load
from webemotion.class_names import CLASSES, WORDS, stockemotion690
from webemotion.images import train_val_split as split_positions
from webemotion.lists import Entry
from webemotion.method import EmotionMethod
from webemotion.model import build_network, freeze_all_except_fc


def _text(values) -> np.ndarray:
    return np.array(list(values), dtype=np.str_)


@adapter("webemotion/resnet_forward")
@torch.no_grad()
def resnet_forward(case: Case) -> dict:
    """A network's outputs on noise, and its state dict's layout."""
    p = case.params
    model = build_network(p["arch"], p["num_classes"], **p.get("kwargs", {})).eval()
    fill_state_dict(model, p.get("fill_seed", 0))
    images = seeded_images(p.get("batch", 1), p["size"], p.get("input_seed", 0))
    out = {}
    for j, value in enumerate(model(images)):
        out[f"y{j}"], out[f"y{j}_shape"] = value[:, :64], np.array(value.shape)
        out[f"y{j}_stats"] = torch.stack([value.mean(), value.std(), value.abs().max()])
    state = model.state_dict()
    shapes = ["x".join(map(str, value.shape)) for value in state.values()]
    return {**out, "keys": _text(state), "shapes": _text(shapes)}


@adapter("webemotion/freeze")
def freeze(case: Case) -> dict:
    """Which parameters train."""
    p = case.params
    model = build_network(p["arch"], p["num_classes"], **p.get("kwargs", {}))
    if p["fn"] == "freeze_all_except_fc":
        freeze_all_except_fc(model)
    else:
        model.requires_grad_(p["fn"] == "unfreeze_all")
    parameters = dict(model.named_parameters())
    trained = [name for name, value in parameters.items() if value.requires_grad]
    EmotionMethod(model).train()
    return {
        "trainable": _text(trained if len(trained) <= 20 else []),
        "n_trainable_tensors": np.int64(len(trained)),
        "n_tensors": np.int64(len(parameters)),
        "trainable_params": np.int64(sum(parameters[name].numel() for name in trained)),
        "total_params": np.int64(sum(value.numel() for value in parameters.values())),
        "bn_training_after_train": np.bool_(model.bn1.training),
    }


@adapter("webemotion/resume_load")
def resume_load(case: Case) -> dict:
    """The loose loader: values, and what became of every name."""
    p = case.params
    own = {
        name: torch.full(shape, -1.0)
        for name, shape in zip(p["own_keys"], p["own_shapes"], strict=True)
    }
    held = {n: torch.from_numpy(case.inputs[f"ckpt.{j}"]) for j, n in enumerate(p["ckpt_keys"])}
    raised, exclude = "", p["exclude_layers"] or ()
    report = loose_load({name: value.clone() for name, value in own.items()}, held, exclude)
    asked = own
    if p["strict"] and report.missing:  # the published strict form ends at the first missing name
        names = list(own)
        asked = {name: own[name] for name in names[: names.index(report.missing[0])]}
        raised = "RuntimeError"
    report = loose_load(asked, held, exclude)
    out = {f"own.{j}": value for j, value in enumerate(own.values())}
    return {
        **out,
        **{name: _text(names) for name, names in vars(report).items()},
        "raises": np.str_(raised),
    }


@adapter("webemotion/transform")
def transform(case: Case) -> dict:
    """The training or the validation view of noise."""
    p = case.params
    shape = (p["height"], p["width"], 3)
    pixels = np.random.RandomState(p["image_seed"]).randint(0, 256, shape).astype(np.uint8)
    torch.manual_seed(p["torch_seed"])
    view = data.train_view() if p["which"] == "train" else data.val_view()
    seen, stride = view(Image.fromarray(pixels)), p.get("stride", 7)
    return {"pixels": seen[:, ::stride, ::stride], "shape": np.array(seen.shape)}


@adapter("webemotion/class_lists")
def class_lists(case: Case) -> dict:
    """Class names and numbers, or the words of EMOTIC's categories."""
    dataset = case.params["dataset"]
    if dataset == "emotic_words":
        words = WORDS[case.params["list"]]
        return {"categories": _text(words), "words": _text(words.values())}
    if dataset == "stockemotion690":
        tags = stockemotion690()
        numbers = {"index": np.arange(len(tags)), "tag_index": np.array(list(tags.values()))}
        return {"names": _text(tags), **numbers}
    names, first = CLASSES[dataset], int(dataset == "advertisement")
    return {"names": _text(names), "index": np.arange(first, first + len(names))}


@adapter("webemotion/collate")
def collate(case: Case) -> dict:
    """A batch without its unreadable items."""
    p = case.params
    fields = ("x", "target", "text")[: p["fields"]]
    items = [
        None
        if i in p["none_at"]
        else {name: torch.as_tensor(case.inputs[name][i]) for name in fields}
        for i in range(p["n"])
    ]
    batch = data.collate(items)
    return {name: batch[name] for name in fields}


@adapter("webemotion/category_sampler")
def category_sampler(case: Case) -> dict:
    """Class-balanced draws."""
    p = case.params
    listed = [
        Entry(f"r/c{k}/{i}.jpg", k) for k, count in enumerate(p["counts"]) for i in range(count)
    ]
    settings = ("", None, LOADERS["categorical"], len(p["counts"]))
    images = data.BalancedList(listed, *settings, sample_size=p["sample_size"])
    random.seed(p["seed"])
    drawn = [images.entry(k) for k in range(p["n"])]
    return {
        "paths": _text(entry.path for entry in drawn),
        "targets": np.array([entry.label for entry in drawn]),
        "length": np.int64(len(images)),
    }


@adapter("webemotion/train_val_split")
def train_val_split(case: Case) -> dict:
    """Positions of the two parts."""
    train, val = split_positions(case.params["n"])
    return {"train": np.array(train, np.int64), "val": np.array(val, np.int64)}
