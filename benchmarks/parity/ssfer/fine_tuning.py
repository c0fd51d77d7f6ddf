"""Adapters of the ssfer kinds about fine-tuning: splits, averages, losses, boxes, rates."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from benchmarks.parity.cases import Case, adapter
from benchmarks.parity.measure import (
    Idle,
    copies,
    fill_state_dict,
    module_of,
    stacked,
    tensors,
    text,
)
from benchmarks.parity.ssfer.stages import GivenFaces
from common.engine.evaluate import ClassificationEvaluator
from common.engine.method import Progress
from common.nn.ema import ParameterEMA
from ssfer import evaluate
from ssfer.finetune import data, faces, objective
from ssfer.finetune.method import (
    EMATeacher,
    FaceMix,
    FaceMixConfig,
    TeacherConfig,
    move_teacher,
)

# --- images, splits, classes ---


@adapter("ssfer/split")
def split(case: Case) -> dict:
    """Labelled and unlabelled positions of every call."""
    p, labels, out = case.params, case.inputs["labels"], {}
    np.random.seed(p["numpy_seed"])
    for k in range(p["calls"]):
        drawn = data.draw_labelled(labels, p["percent"], p["num_classes"])
        out[f"labeled{k}"], out[f"unlabeled{k}"] = drawn
    return out


@adapter("ssfer/kfold")
def kfold(case: Case) -> dict:
    """Positions of every fold."""
    p = case.params
    parts = data.folds(p["n"], p["k"], p["random_state"], p.get("shuffle", True))
    trained, validated = zip(*parts, strict=True)
    out = {f"train{j}": rows for j, rows in enumerate(trained)}
    return out | {f"valid{j}": rows for j, rows in enumerate(validated)}


@adapter("ssfer/class_order")
def class_order(case: Case) -> dict:
    """Class names in index order."""
    return {"names": text(data.CLASSES[case.params["dataset"]])}


@adapter("ssfer/confusion")
def confusion(case: Case) -> dict:
    """The notebook's confusion matrix."""
    names = data.CLASSES[case.params["dataset"]]
    table = evaluate.confusion_by_name(case.inputs["y_true"], case.inputs["y_pred"], names)
    return {
        "labels": text(table.labels),
        "cm": table.counts,
        "cm_prob": table.shares,
        "acc": np.float64(table.accuracy),
    }


# --- faces ---


@adapter("ssfer/face_boxes_iou")
def face_boxes_iou(case: Case) -> dict:
    """Boxes of a batch and the overlap of its pairs."""
    detector = GivenFaces(case.inputs["dets"], case.params["counts"])
    boxes = faces.boxes_of(detector(torch.empty(len(case.params["counts"]))))
    return {"boxes": boxes, "iou": objective.pair_iou(boxes)}


@adapter("ssfer/box_iou")
def box_iou(case: Case) -> dict:
    """Overlap of given pairs."""
    pairs = np.array(case.params["pairs"]).reshape(-1, 2, 4)
    return {"iou": objective.box_iou(pairs[:, 0], pairs[:, 1])}


# --- mixing ---


MIX_OPTIONS = (
    *("mixup_alpha", "cutmix_alpha", "cutmix_minmax", "prob", "switch_prob"),
    *("label_smoothing", "num_classes", "mode"),
)


@adapter("ssfer/mixup")
def mixup(case: Case) -> dict:
    """Mixed images and targets, and whether the input was overwritten."""
    p = case.params
    x, labels = tensors(case, "x", "labels")
    mix = objective.BatchMixup(**{name: p[name] for name in MIX_OPTIONS if name in p})
    mix.mixup_enabled = p.get("mixup_enabled", True)
    np.random.seed(p["numpy_seed"])
    mixed, targets = mix(x, labels)
    return {
        "mixed": mixed,
        "targets": targets,
        "lam": np.float64(mix.lam),
        "origin_forward_input": x,
        "mixed_forward_input": mixed,
        "same_tensor": np.bool_(mixed is x),
        "next_random": np.float64(np.random.rand()),
    }


@adapter("ssfer/mix_batch")
def mix_batch(case: Case) -> dict:
    """One draw, one mixture."""
    (x,) = tensors(case, "x")
    np.random.seed(case.params["numpy_seed"])
    alpha = case.params["alpha"]
    mix = objective.BatchMixup(mixup_alpha=alpha)
    # The case draws the share alone, without timm's coin before it; the mixture is ours.
    mix._params_per_batch = lambda: (float(np.random.beta(alpha, alpha)), False)
    mix._mix_batch(x)
    return {"mixed": x, "lam": np.float64(mix.lam)}


@adapter("ssfer/facemix_loss")
def facemix_loss(case: Case) -> dict:
    """The loss with its parts and gradients."""
    names = ("outputs_origin", "outputs_mixed", "labels", "mixed_labels", "iou")
    origin, mixed, labels, targets, iou = tensors(case, *names)
    origin.requires_grad_()
    mixed.requires_grad_()
    parts = objective.facemix_loss(origin, mixed, labels, targets, iou)
    parts.loss.backward()
    return {
        "origin_loss": parts.origin,
        "mixed_loss": parts.mixed,
        "overall": parts.overall,
        "loss": parts.loss,
        "grad_outputs_origin": origin.grad,
        "grad_outputs_mixed": mixed.grad,
    }


MIX_SETTINGS = ("mixup_alpha", "cutmix_alpha", "switch_prob", "label_smoothing")


@adapter("ssfer/facemix_step")
def facemix_step(case: Case) -> dict:
    """The whole branch, through the Method's step."""
    p = case.params
    x, labels = tensors(case, "x", "labels")
    model = nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), p["num_classes"]))
    fill_state_dict(model, p["fill_seed"])
    config = FaceMixConfig(mix_prob=p["prob"], **{name: p[name] for name in MIX_SETTINGS})
    detector = GivenFaces(case.inputs["dets"], p["counts"])
    method = FaceMix(model, p["num_classes"], config, detector)
    batch = {"image": x, "label": labels}
    np.random.seed(p["numpy_seed"])
    output = method.training_step({"labelled": batch}, Progress(0, 0, 1, 1))
    output.loss.backward()
    return {
        "loss": output.loss,
        "iou": output.details["iou"],
        "grad_weight": model[1].weight.grad,
        "grad_bias": model[1].bias.grad,
        "detector_input": detector.seen,
    }


# --- the semi-supervised step ---


@adapter("ssfer/semi_step")
def semi_step(case: Case) -> dict:
    """The loss from given logits."""
    p = case.params
    names = ("outputs_x", "labels_x", "logits_u_w", "logits_u_s", "labels_u")
    logits, labels, weak, strong, true_label = tensors(case, *names)
    for leaf in (logits, weak, strong):
        leaf.requires_grad_()
    kept = ("threshold", "coefficient_u", "burnin_epochs", "ema_teacher")
    method = EMATeacher(nn.Identity(), TeacherConfig(**{name: p[name] for name in kept}))
    output = method.losses(logits, labels, weak, strong, true_label, p["epoch"])
    output.loss.backward()
    out = {
        "loss_x": output.logs["loss_x"],
        "loss_u": output.logs["loss_u"],
        "loss": output.loss,
        "pseudo_acc": torch.as_tensor(output.logs.get("pseudo_acc", 0.0)).float(),
        "grad_outputs_x": logits.grad,
        "teacher_gets_gradient": np.bool_(weak.grad is not None),
    }
    if "mask" in output.details:
        out |= {
            "max_probs": output.details["score"],
            "pseudo_targets": output.details["pseudo_label"],
            "mask": output.details["mask"].float(),
            "grad_outputs_u_s": strong.grad,
        }
    return out


# --- averages ---


@adapter("ssfer/ema")
def ema(case: Case) -> dict:
    """Either average, update by update."""
    names = [name.removeprefix("seq.") for name in case.inputs]
    sequences = zip(*tensors(case, *case.inputs), strict=True)
    rows = [dict(zip(names, values, strict=True)) for values in sequences]
    module = module_of(rows[0])
    if case.params["which"] == "EMA":
        return _parameter_average(module, rows, case.params["decay"])
    return _whole_average(module, rows, case.params["decay"])


def _parameter_average(module: nn.Module, rows: list[dict], decay: float) -> dict:
    average = ParameterEMA(module, decay)
    path = [copies(average.shadow)]
    for row in rows[1:]:
        module.load_state_dict(row)
        average.update(module)
        path.append(copies(average.shadow))
    out = {f"shadow.{name}": values for name, values in stacked(path).items()}
    with average.applied(module):
        out |= {f"applied.{n}": p.detach().clone() for n, p in module.named_parameters()}
    out |= {f"restored.{n}": p.detach().clone() for n, p in module.named_parameters()}
    return {**out, "tracked": text(average.shadow)}


def _whole_average(module: nn.Module, rows: list[dict], decay: float) -> dict:
    method = EMATeacher(module, TeacherConfig(ema_decay=decay))
    teacher = method.teacher
    path = [copies(teacher.state_dict())]
    for row in rows[1:]:
        module.load_state_dict(row)
        move_teacher(teacher, module, decay)
        path.append(copies(teacher.state_dict()))
    out = {f"ema.{name}": values for name, values in stacked(path).items()}
    method.train()
    grads = any(p.requires_grad for p in teacher.parameters())
    return {**out, "training_requires_grad": np.array([teacher.training, grads])}


@adapter("ssfer/validate")
def validate(case: Case) -> dict:
    """An evaluation with the average applied, through the Trainer's own evaluation."""
    p = case.params
    start_w, start_b, w, b, x, y = tensors(case, "w_register", "b_register", "w", "b", "x", "y")
    method = Idle(nn.Linear(w.shape[1], w.shape[0]))
    method.model.load_state_dict({"weight": start_w, "bias": start_b})
    average = ParameterEMA(method, p["decay"])
    method.model.load_state_dict({"weight": w, "bias": b})
    average.update(method)
    pairs = zip(x.split(p["batch_sizes"]), y.split(p["batch_sizes"]), strict=True)
    batches = [{"image": images, "label": labels} for images, labels in pairs]
    method.eval()
    with torch.no_grad(), average.applied(method):
        report = ClassificationEvaluator(batches)(method, Progress(0, 0, 1, 1))
    if not torch.equal(method.model.weight, w):
        raise RuntimeError("the live weights did not return")
    return {
        "acc": np.float64(report["top1"]),
        "loss": np.float64(report["loss"]),
        "training_after": np.bool_(method.training),
    }
