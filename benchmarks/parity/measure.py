"""What adapters of several packages make or measure: images from a seed, views, weights."""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from benchmarks.parity.cases import Case
from common.data.randaugment import RandAugment
from common.nn.ema import ParameterEMA, StateEMA


def seed_all(params: Mapping) -> None:
    """Seed Python's, NumPy's and torch's generators from ``*_seed`` of a case."""
    random.seed(params["random_seed"])
    np.random.seed(params["numpy_seed"])
    torch.manual_seed(params["torch_seed"])


def next_random() -> np.ndarray:
    """The next number of Python's, NumPy's and torch's generator, float64 [3]."""
    return np.array([random.random(), np.random.rand(), torch.rand(1).item()])


def seeded_images(number: int, size: int, seed: int) -> Tensor:
    """Normal noise [number, 3, size, size] from a generator of its own."""
    return torch.randn((number, 3, size, size), generator=torch.Generator().manual_seed(seed))


def augmented(case: Case) -> dict:
    """RandAugment on every image of a case: pixels, operations, the generators' next numbers."""
    images, names, following = [], [], []
    augment = RandAugment(case.params["n"])
    for pixels, python_seed, numpy_seed in zip(
        case.inputs["image"], case.inputs["random_seed"], case.inputs["numpy_seed"], strict=True
    ):
        random.seed(int(python_seed))
        np.random.seed(int(numpy_seed))
        images.append(np.asarray(augment(Image.fromarray(pixels))))
        names.append("+".join(augment.last_names))
        following.append([random.random(), np.random.rand()])
    return {
        "image": np.stack(images),
        "ops": np.array(names, dtype=np.str_),
        "next_random": np.array(following),
    }


def view_summary(views: Mapping[str, Tensor], stride: int) -> dict:
    """Every view's samples, mean and deviation per channel."""
    out = {}
    for name, view in views.items():
        out[f"{name}_sample"] = view[:, ::stride, ::stride]
        out[f"{name}_mean"], out[f"{name}_std"] = view.mean(dim=(1, 2)), view.std(dim=(1, 2))
    return out


@torch.no_grad()
def forward_summary(model: nn.Module, input_shape: list[int], input_seed: int) -> dict:
    """Logits and features of noise in eval mode, and the state dict's layout."""
    noise = torch.randn(input_shape, generator=torch.Generator().manual_seed(input_seed))
    logits, features = model.eval()(noise)
    state = model.state_dict()
    return {
        "logits": logits,
        "features": features,
        "keys": np.array(list(state), dtype=np.str_),
        "shapes": np.array([",".join(map(str, v.shape)) for v in state.values()], dtype=np.str_),
    }


def weight_summary(model: nn.Module, prefix: str) -> dict:
    """Sum and 2-norm of every entry of the state dict, by sorted name."""
    state = {name: value.double() for name, value in model.state_dict().items()}
    names = sorted(state)
    out = {
        f"{prefix}_sum": np.array([state[n].sum().item() for n in names]),
        f"{prefix}_norm": np.array([state[n].norm().item() for n in names]),
    }
    return out if prefix != "weight" else {**out, "weight_key": np.array(names, dtype=np.str_)}


def by_epoch(steps: list[dict[str, Tensor]], epochs: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """What a trajectory recorded, step values as [E, K, …] and epoch values as [E, …].

    Args:
        steps: a row per step, through all epochs.
        epochs: a row per epoch.
    """
    out = {}
    for name in steps[0]:
        flat = torch.stack([row[name] for row in steps])
        out[name] = flat.reshape(len(epochs), -1, *flat.shape[1:])
    return out | {name: torch.stack([row[name] for row in epochs]) for name in epochs[0]}


def end_state(model: nn.Module, method: nn.Module, ema: ParameterEMA | StateEMA) -> dict:
    """Sums and norms of the live and of the averaged `model`, which is a part of `method`."""
    live = weight_summary(model, "weight")
    with ema.applied(method):
        return live | weight_summary(model, "ema_weight")
