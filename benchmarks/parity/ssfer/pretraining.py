"""Adapters of the ssfer kinds around networks, pre-training and views."""

from __future__ import annotations

import random

import numpy as np
import torch
from PIL import Image

from benchmarks.parity.cases import Case, adapter
from benchmarks.parity.measure import (
    fill_state_dict,
    filled_state,
    layout,
    seeded_images,
    tensors,
    text,
)
from ssfer import positions, views
from ssfer.checkpoints import fit_state
from ssfer.pretrain import mae
from ssfer.pretrain.method import build_optimizer
from ssfer.pretrain.statistics import channel_statistics
from ssfer.vit import build_vit, class_features, replace_head


@adapter("ssfer/patchify")
def patchify(case: Case) -> dict:
    """Images -> patches; a refusal's case may give the shape alone."""
    p = case.params
    images = torch.zeros(p["shape"]) if "imgs" not in case.inputs else tensors(case, "imgs")[0]
    return {"patches": mae.patchify(images, p["patch_size"])}


@adapter("ssfer/unpatchify")
def unpatchify(case: Case) -> dict:
    """Patches -> images; a refusal's case may give the number alone."""
    p = case.params
    if "patches" in case.inputs:
        (patches,) = tensors(case, "patches")
    else:
        patches = torch.zeros(1, p["n_patches"], 3 * p["patch_size"] ** 2)
    return {"imgs": mae.unpatchify(patches, p["patch_size"])}


@adapter("ssfer/sincos_pos_embed")
def sincos_pos_embed(case: Case) -> dict:
    """The fixed position table."""
    p = case.params
    table = positions.sincos_table(p["embed_dim"], p["grid_size"], p["cls_token"])
    return {"shape": np.array(table.shape), "embed": table[:: p.get("row_stride", 3)]}


@adapter("ssfer/random_masking")
def random_masking(case: Case) -> dict:
    """Which patches stay."""
    torch.manual_seed(case.params["torch_seed"])
    kept, mask, rank = mae.random_masking(*tensors(case, "x"), case.params["mask_ratio"])
    return {"x_masked": kept, "mask": mask, "ids_restore": rank}


@adapter("ssfer/mae_forward")
@torch.no_grad()
def mae_forward(case: Case) -> dict:
    """The masked autoencoder on noise."""
    p = case.params
    model = mae.build_mae(p["model"], **p["kwargs"]).eval()
    fill_state_dict(model, p["fill_seed"])
    images = seeded_images(p["batch"], p["size"], p["input_seed"])
    torch.manual_seed(p["noise_seed"])
    latent, mask, rank = model.encode(images, p["mask_ratio"])
    torch.manual_seed(p["noise_seed"])
    loss, prediction, _ = model(images, p["mask_ratio"])
    (rows, columns), (latent_rows, latent_columns) = p["pred_stride"], p["latent_stride"]
    fixed = [name for name, value in model.named_parameters() if not value.requires_grad]
    return {
        **layout(model, "x"),
        "loss": loss,
        "mask": mask,
        "ids_restore": rank,
        "latent": latent[:, ::latent_rows, ::latent_columns],
        "latent_shape": np.array(latent.shape),
        "pred": prediction[:, ::rows, ::columns],
        "pred_shape": np.array(prediction.shape),
        "pred_mean_std": torch.stack([prediction.mean(), prediction.std()]),
        "fixed": text(fixed),
    }


@adapter("ssfer/vit_forward")
@torch.no_grad()
def vit_forward(case: Case) -> dict:
    """The classifier on noise."""
    p = case.params
    model = build_vit(p["model"], **p["kwargs"])
    if p.get("new_head"):
        replace_head(model, p["new_head"])
    fill_state_dict(model.eval(), p["fill_seed"])
    side = p["kwargs"].get("img_size", 224)
    images = seeded_images(p["batch"], p.get("size", side), p["input_seed"])
    logits = model(images)
    out = {
        **layout(model, "x"),
        "logits": logits[:, :64],
        "logits_shape": np.array(logits.shape),
        "features": class_features(model, images),
        "trainable": np.array(sum(v.numel() for v in model.parameters() if v.requires_grad)),
    }
    if "notebook_keys_equal" in case.expected:
        import timm  # the notebook's own way to the network

        other = timm.create_model("vit_base_patch16_224", num_classes=model.num_classes)
        other.load_state_dict(model.state_dict())
        same = list(other.state_dict()) == list(model.state_dict())
        same &= torch.allclose(other.eval()(images), logits, rtol=1e-4, atol=1e-5)
        out["notebook_keys_equal"] = np.array(same)
    return out


@adapter("ssfer/checkpoint_load")
def checkpoint_load(case: Case) -> dict:
    """A masked autoencoder's file in the classifier."""
    p = case.params
    state = filled_state(mae.build_mae("base").state_dict(), p["fill_seed"])
    if p["head_classes"]:
        shapes = {"head.weight": (p["head_classes"], 768), "head.bias": (p["head_classes"],)}
        state |= {name: torch.zeros(shape) for name, shape in shapes.items()}
    model = build_vit("base")
    report = fit_state(model, state)
    return {
        "missing": _as_set(report.missing, case.expected["missing"]),
        "unexpected": _as_set(report.unexpected, case.expected["unexpected"]),
        "raises": np.array("" if report.only_head_missing else "AssertionError"),
        "n_ckpt_keys_left": np.array(len(report.kept)),
        "pos_embed_row5": model.pos_embed[0, 5],
    }


def _as_set(names: list[str], expected: np.ndarray) -> np.ndarray:
    """`names`, in the order of `expected` where the two are equal as sets."""
    ordered = sorted(names, key=[*expected, *names].index)
    return text(ordered)


@adapter("ssfer/pos_embed_interpolate")
def pos_embed_interpolate(case: Case) -> dict:
    """A position table on another grid."""
    p = case.params
    resized = positions.interpolate_positions(
        *tensors(case, "pos_embed"), p["new_grid"] ** 2, p["extra_tokens"]
    )
    return {"pos_embed": resized}


@adapter("ssfer/pretrain_lr")
def pretrain_lr(case: Case) -> dict:
    """Optimiser and schedule of pre-training."""
    p = case.params
    optimizer, scheduler = build_optimizer(
        torch.nn.Linear(1, 1),
        p["lr"],
        p.get("weight_decay", 0.05),
        p["warmup_epochs"],
        p["epochs"],
    )
    group, rates = optimizer.param_groups[0], []
    for _ in range(p["epochs"]):
        rates.append(group["lr"])
        optimizer.step()
        scheduler.step()
    return {
        "lr": np.array(rates),
        "lr_after_last": np.array(group["lr"]),
        "betas": np.array(group["betas"]),
        "weight_decay": np.array(group["weight_decay"], dtype=np.float64),
    }


VIEWS = {
    "labeled": views.crop_view,
    "weak": views.crop_view,
    "pretrain": views.crop_view,
    "supervised": views.supervised_view,
    "strong": views.strong_view,
}


def _image(params: dict) -> Image.Image:
    generator = np.random.RandomState(params["image_seed"])
    shape = (params["height"], params["width"], 3)
    return Image.fromarray(generator.randint(0, 256, shape).astype(np.uint8))


@adapter("ssfer/transforms")
def transforms(case: Case) -> dict:
    """A training view, or weak and strong one after the other."""
    p = case.params
    image, step = _image(p), p["stride"]
    for seed in (random.seed, np.random.seed, torch.manual_seed):
        seed(p["seed"])
    if p["which"] != "two_crops":
        return {"pixels": VIEWS[p["which"]]()(image)[:, ::step, ::step]}
    weak, strong = views.crop_view()(image), views.strong_view()(image)
    return {"pixels": weak[:, ::step, ::step], "pixels_strong": strong[:, ::step, ::step]}


@adapter("ssfer/eval_transform")
def eval_transform(case: Case) -> dict:
    """The notebook's view."""
    pixels, step = views.eval_view()(_image(case.params)), case.params["stride"]
    return {"pixels": pixels[:, ::step, ::step], "shape": np.array(pixels.shape)}


@adapter("ssfer/mean_std")
def mean_std(case: Case) -> dict:
    """Channel statistics of batches."""
    number = case.params.get("n_batches", len(case.inputs))
    mean, std = channel_statistics(tensors(case, *(f"batch{j}" for j in range(number))))
    return {"mean": mean, "std": std}
