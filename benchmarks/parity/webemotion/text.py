"""Adapters of the webemotion kinds about tags and sentence models."""

from __future__ import annotations

import random

import numpy as np
import torch

from benchmarks.parity.cases import Case, adapter
from benchmarks.parity.measure import fill_state_dict
from webemotion.metrics import hit_accuracy
from webemotion.text import models, objective, tags


@adapter("webemotion/text_step")
def text_step(case: Case) -> dict:
    """The text classifier's loss, with the distance of the word features where a case has them."""
    given = {name: torch.from_numpy(array) for name, array in case.inputs.items()}
    logits = given["logits"].requires_grad_()
    with_l2 = case.params["variant"].endswith("_l2")
    features = ()
    if with_l2:
        features = (given["raw_feature"], given["transformed_feature"].requires_grad_())
    out = objective.text_loss(logits, given["target"], *features)
    out["loss"].backward()
    out["grad_logits"] = logits.grad
    if with_l2:
        out["grad_transformed"] = features[1].grad
    return {name: value.detach() for name, value in out.items()}


@adapter("webemotion/tag_dropout")
def tag_dropout(case: Case) -> dict:
    """A batch of thinned and padded sentences."""
    p = case.params
    random.seed(p["seed"])
    drop = p.get("drop", tags.DROP)
    return {"batch_x": tags.tag_dropout(p["sentences"], p["vocab_size"], p["max_len"], drop)}


@adapter("webemotion/pad_tags")
def pad_tags(case: Case) -> dict:
    """Cut and padded sentences."""
    p = case.params
    return {"tokens": tags.pad_tags(p["sentences"], p["vocab_size"], p["max_len"])}


@adapter("webemotion/text_metrics")
def text_metrics(case: Case) -> dict:
    """Both accuracies: fraction, number right, rows."""
    target = torch.from_numpy(case.inputs["target"])
    logits = torch.zeros_like(target)
    logits[torch.arange(len(target)), torch.from_numpy(case.inputs["pred_index"])] = 1
    accuracies = {"hits": hit_accuracy, "top1": objective.top1_accuracy}
    shares = {name: accuracy(logits, target).item() for name, accuracy in accuracies.items()}
    return {n: np.array([s, round(s * len(target)), len(target)]) for n, s in shares.items()}


def _dictionaries(case: Case) -> tuple[dict[int, str], dict[str, np.ndarray]]:
    table, p = case.inputs["embeddings"], case.params
    idx2tag = {k: f"word{k}" for k in range(len(table)) if k not in p["idx2tag_missing"]}
    vectors = {f"word{k}": v for k, v in enumerate(table) if k not in p["embedding_missing"]}
    return idx2tag, vectors


@adapter("webemotion/tag_embedding_average")
def tag_embedding_average(case: Case) -> dict:
    """The average word vector of every sentence."""
    p, (idx2tag, vectors) = case.params, _dictionaries(case)
    np.random.seed(p["numpy_seed"])
    rows = [tags.average_embedding(s, idx2tag, vectors, p["dim"]) for s in p["sentences"]]
    return {"average": np.stack(rows)}


@adapter("webemotion/tag_ids_and_embedding")
def tag_ids_and_embedding(case: Case) -> dict:
    """The classifier's ids and the average word vector of every sentence."""
    p, (idx2tag, vectors) = case.params, _dictionaries(case)
    tag2cls = {f"word{k}": number for k, number in p["tag2cls"].items()}
    np.random.seed(p["numpy_seed"])
    rows = [
        tags.ids_and_embedding(
            s, idx2tag, vectors, tag2cls, p["dim"], p["vocab_size"], p["max_len"]
        )
        for s in p["sentences"]
    ]
    tokens, average = zip(*rows, strict=True)
    return {"tokens": np.stack(tokens), "average": np.stack(average)}


@adapter("webemotion/text_forward")
@torch.no_grad()
def text_forward(case: Case) -> dict:
    """What a filled sentence model returns, its layout, and which parameters train."""
    p = case.params
    sizes = ("vocab_size", "max_len", "word_dim", "filter_num", "num_classes")
    # The cases were measured with `static` for every class of v2 but one.
    static = p.get("static", p["family"] == "v2" and p["cls"] != "TextCNN_Avg")
    model = models.build(p["family"], p["cls"], *(p[name] for name in sizes), static=static)
    fill_state_dict(model, p["fill_seed"])
    values = model.eval()(torch.from_numpy(case.inputs["x"]))
    values = values if isinstance(values, tuple) else (values,)
    state = model.state_dict()
    shapes = ["x".join(map(str, value.shape)) for value in state.values()]
    trainable = [name for name, value in model.named_parameters() if value.requires_grad]
    return {
        **{f"y{j}": value for j, value in enumerate(values)},
        "keys": np.array(list(state), dtype=np.str_),
        "shapes": np.array(shapes, dtype=np.str_),
        "trainable": np.array(trainable, dtype=np.str_),
    }
