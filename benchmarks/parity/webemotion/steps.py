"""Adapters of the webemotion kinds about one training step, its targets and its figures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.parity.cases import Case, adapter
from common.engine.method import Progress, StepOutput
from webemotion import objective
from webemotion.data import target_of
from webemotion.method import METHODS, EmotionMethod, Settings
from webemotion.metrics import (
    Validation,
    average_precision,
    hit_accuracy,
    running_average,
    second_k,
    strongest_accuracy,
)
from webemotion.text.models import TextTransformation
from webemotion.text_side import TextOutputs

METRIC_OF = {
    "mclss": "hits",
    "mclss_v3": "hits",
    "three_branch": "hits",
    "top1": "strongest",
    "sclss_finetune": "top1",
    "deepemotion": "top1",
    "mclss_map": "map",
    "sclss_map": "map",
}


class _Given(nn.Module):
    """A network, or a text side, that says what a case prescribes."""

    def __init__(self, said):
        super().__init__()
        self.said = said

    def forward(self, _images: Tensor):
        return self.said


def _leaves(case: Case, *names: str) -> dict[str, Tensor]:
    given = {name: torch.from_numpy(case.inputs[name].copy()) for name in names}
    return {name: value.requires_grad_() for name, value in given.items()}


def _step(
    kind: str,
    outputs: dict[str, Tensor],
    target: Tensor,
    text: TextOutputs | None = None,
    settings: Settings | None = None,
    head: nn.Module | None = None,
) -> StepOutput:
    """One training step of a method on prescribed outputs, backward included."""
    said = _Given(text) if text is not None else None
    method = METHODS[kind](_Given(tuple(outputs.values())), settings, said, head)
    batch = {"image": torch.zeros(len(target), 3, 1, 1), "target": target}
    batch["tokens"] = torch.zeros(len(target), 1, dtype=torch.int64)
    result = method.training_step({"train": batch}, Progress(0, 0, 1, 1))
    result.loss.backward()
    return result


def _told(result: StepOutput, leaves: dict[str, Tensor]) -> dict:
    """Losses, gradients and details of a step under the cases' names."""
    out = {name: value for name, value in result.logs.items() if name.startswith("loss")}
    out["loss"] = result.loss
    accuracy = result.logs.get("hits", result.logs.get("top1"))
    out["prec1"] = 100 * accuracy.float()[None]
    out |= {f"grad_{n}": leaf.grad for n, leaf in leaves.items() if leaf.grad is not None}
    return {name: value.detach() for name, value in (out | result.details).items()}


def _target(case: Case) -> Tensor:
    return torch.from_numpy(case.inputs["target"])


@adapter("webemotion/soft_cross_entropy")
def soft_cross_entropy(case: Case) -> dict:
    """The loss and its gradient."""
    logits = _leaves(case, "logits")["logits"]
    loss = objective.soft_cross_entropy(logits, torch.from_numpy(case.inputs["targets"]))
    loss.backward()
    return {"loss": loss.detach(), "grad_logits": logits.grad}


@adapter("webemotion/joint_step")
def joint_step(case: Case) -> dict:
    """The three losses of the joint scripts, through the text head."""
    p = case.params
    kind = {"joint": "joint", "joint_exp": "joint_exp"}[p["script"]]
    if case.must_refuse:
        zeros = torch.zeros(2, p["classes"], requires_grad=True)
        projection = torch.zeros(2, 4, requires_grad=True)
        text = TextOutputs(torch.zeros(2, 4), torch.zeros(2, p["text_classes"]))
        head = TextTransformation(4, 4, p["text_classes"])
        _step(kind, {"a": zeros, "b": projection}, zeros.detach(), text, head=head)
        return {}
    leaves = _leaves(case, "output_cls", "output_proj")
    given = {n: torch.from_numpy(case.inputs[n]) for n in ("text_embedding", "text_class")}
    weights = {n[3:]: torch.from_numpy(v) for n, v in case.inputs.items() if n.startswith("tt.")}
    (d, d_in), classes = weights["FC_embed.weight"].shape, len(weights["FC_cls.bias"])
    head = TextTransformation(d_in, d, classes)
    head.load_state_dict(weights)
    text = TextOutputs(given["text_embedding"], given["text_class"])
    result = _step(kind, leaves, _target(case), text, head=head)
    out = _told(result, leaves)
    return out | {f"grad_tt.{name}": value.grad for name, value in head.named_parameters()}


@adapter("webemotion/cosine_step")
def cosine_step(case: Case) -> dict:
    """Classes and embedding, or the embedding alone."""
    leaves = _leaves(case, "output_cls", "output_proj")
    text = TextOutputs(torch.from_numpy(case.inputs["text_embedding"]))
    kind = "one_branch" if case.params["script"].startswith("1branch") else "cosine"
    settings = Settings(alpha=case.params["alpha"])
    return _told(_step(kind, leaves, _target(case), text, settings), leaves)


@adapter("webemotion/self_attention_step")
def self_attention_step(case: Case) -> dict:
    """The attention over words and its two losses."""
    leaves = _leaves(case, "output_cls", "output_proj")
    text = TextOutputs(words=torch.from_numpy(case.inputs["word_features"]))
    settings = Settings(alpha=case.params["alpha"])
    return _told(_step("attention", leaves, _target(case), text, settings), leaves)


def _mixed(case: Case, kind: str, *outputs: str) -> dict:
    leaves = _leaves(case, *outputs)
    given = {n: torch.from_numpy(v) for n, v in case.inputs.items() if n.startswith("text_")}
    text = TextOutputs(given.get("text_avg"), given["text_logits"])
    settings = Settings(alpha=case.params["alpha"])
    return _told(_step(kind, leaves, _target(case), text, settings), leaves)


@adapter("webemotion/distill_step")
def distill_step(case: Case) -> dict:
    """Labels mixed with the text model's prediction."""
    return _mixed(case, "distill", "output_cls")


@adapter("webemotion/soft_ne_step")
def soft_ne_step(case: Case) -> dict:
    """The same with the embedding loss."""
    return _mixed(case, "soft_ne", "output_cls", "output_proj")


@adapter("webemotion/three_branch_step")
def three_branch_step(case: Case) -> dict:
    """The three losses of the three-branch script."""
    leaves = _leaves(case, "output_cls", "output_proj", "output_cls_basic")
    text = TextOutputs(
        torch.from_numpy(case.inputs["text_embedding"]),
        torch.from_numpy(case.inputs["text_logits"]),
    )
    settings = Settings(alpha=case.params["alpha"], beta=case.params["beta"])
    return _told(_step("three_branch", leaves, _target(case), text, settings), leaves)


@adapter("webemotion/single_label_step")
def single_label_step(case: Case) -> dict:
    """Cross-entropy on one class an image, and the reported accuracies."""
    leaves, target = _leaves(case, "output"), _target(case)
    out = _told(_step("single", leaves, target), leaves)
    rule = {"label_list": 3, "deepemotion": "half"}.get(case.params["script"])
    k = second_k(rule, case.inputs["output"].shape[1])
    return {**out, "prec_k": _top_k(case.inputs["output"], target, k)} if k else out


def _top_k(output: np.ndarray, target: Tensor, k: int) -> Tensor:
    """Percent of one batch whose class is among the k largest, [1], through the validation."""
    batch = {"image": torch.from_numpy(output), "target": target}
    report = Validation([batch], "top1", k)(EmotionMethod(_Self()))
    return torch.tensor([100 * report[f"top{k}" if k > 1 else "top1"]])


class _Self(nn.Module):
    """A network whose logits are its input."""

    def forward(self, logits: Tensor) -> tuple[Tensor]:
        return (logits,)


@adapter("webemotion/accuracy")
def accuracy(case: Case) -> dict:
    """One of the accuracies, in percent."""
    output, target = torch.from_numpy(case.inputs["output"]), _target(case)
    if case.params["fn"] == "topk":
        return {
            "acc": torch.stack([_top_k(output.numpy(), target, k) for k in case.params["topk"]])
        }
    function = {"multihots": hit_accuracy, "top1": strongest_accuracy}[case.params["fn"]]
    return {"acc": 100 * function(output, target)[None]}


@adapter("webemotion/average_meter")
def average_meter(case: Case) -> dict:
    """A weighted average, step by step."""
    return {"state": running_average(case.inputs["values"], case.inputs["n"])}


@adapter("webemotion/multihot")
def multihot(case: Case) -> dict:
    """Target vectors of label lists."""
    p = case.params
    rows = [target_of(labels, p["variant"], p["n_classes"]) for labels in p["labels"]]
    return {"target": np.stack(rows)}


@adapter("webemotion/validate")
def validate(case: Case) -> dict:
    """A validation pass over prescribed logits."""
    parts = zip(
        *(
            torch.from_numpy(case.inputs[name]).split(case.params["batch_sizes"])
            for name in ("logits", "target")
        ),
        strict=True,
    )
    batches = [{"image": logits, "target": target} for logits, target in parts]
    metric = METRIC_OF[case.params["script"]]
    report = Validation(batches, metric)(EmotionMethod(_Self()))
    return {"metric": np.float64(100 * report[metric]), "loss": np.float64(report["loss"])}


@adapter("webemotion/map_per_class")
def map_per_class(case: Case) -> dict:
    """Average precision of every class."""
    return {"ap": average_precision(case.inputs["labels"], case.inputs["scores"])}
