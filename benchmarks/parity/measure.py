"""What adapters of several packages make or measure: images, views, weights, short trainings."""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from benchmarks.parity.cases import Case
from common.data.manifest import Manifest
from common.data.randaugment import RandAugment
from common.data.streams import GivenStream
from common.engine.method import Method, Progress, StepOutput
from common.engine.trainer import Callback, Recipe, Trainer
from common.metrics.classification import classification_report
from common.nn.ema import ParameterEMA, StateEMA

CPU = torch.device("cpu")


def text(values: Iterable[str]) -> np.ndarray:
    """Words as an array of text."""
    return np.array(list(values), dtype=np.str_)


def tensors(case: Case, *names: str) -> list[Tensor]:
    """Inputs of a case as tensors of their own, which may be overwritten."""
    return [torch.from_numpy(np.array(case.inputs[name])) for name in names]


def gradient(leaf: Tensor) -> Tensor:
    """Zeros where no loss has read `leaf`."""
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


def stacked(rows: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Every name that all rows have, its values along a new first axis."""
    names = [name for name in rows[0] if all(name in row for row in rows)]
    return {name: torch.stack([row[name] for row in rows]) for name in names}


def copies(values: Mapping) -> dict[str, Tensor]:
    """Numbers and tensors as tensors that later steps leave alone; numbers in float64."""
    kinds = {name: torch.float64 if isinstance(v, float) else None for name, v in values.items()}
    made = {name: torch.as_tensor(v, dtype=kinds[name]) for name, v in values.items()}
    return {name: value.detach().clone() for name, value in made.items()}


def also_named(values: Mapping, names: Mapping[str, str]) -> dict:
    """`values`, and some of them under the authors' names too; `names` maps those to ours."""
    return {**values, **{new: values[name] for new, name in names.items()}}


def each_batch(case: Case) -> Iterator[dict[str, Tensor]]:
    """The K batches of a case whose inputs all have K rows."""
    for rows in zip(*case.inputs.values(), strict=True):
        yield {n: torch.from_numpy(np.array(r)) for n, r in zip(case.inputs, rows, strict=True)}


def values_of(method: Method, output: StepOutput) -> dict[str, Tensor]:
    """All that a step says: loss, logs, details, and the method's own buffers after it."""
    own = dict(method.named_buffers(recurse=False))
    return copies({"loss": output.loss, **output.logs, **output.details, **own})


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


@contextmanager
def one_image(
    pixels: np.ndarray, classes: tuple[str, ...] = ("only",), label: int = 0
) -> Iterator[Manifest]:
    """A training image on the disk, as a manifest of it alone."""
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(pixels).save(Path(folder) / "image.png")
        table = pd.DataFrame({"path": ["image.png"], "label": [label], "split": ["train"]})
        yield Manifest("case", Path(folder), classes, table)


def view_summary(views: Mapping[str, Tensor], stride: int) -> dict:
    """Every view's samples, mean and deviation per channel."""
    out = {}
    for name, view in views.items():
        out[f"{name}_sample"] = view[:, ::stride, ::stride]
        out[f"{name}_mean"], out[f"{name}_std"] = view.mean(dim=(1, 2)), view.std(dim=(1, 2))
    return out


def layout(model: nn.Module, separator: str = ",") -> dict:
    """Keys and shapes of the state dict."""
    state = model.state_dict()
    shapes = (separator.join(map(str, value.shape)) for value in state.values())
    return {"keys": text(state), "shapes": text(shapes)}


@torch.no_grad()
def forward_summary(
    model: nn.Module,
    input_shape: list[int],
    input_seed: int,
    names: tuple[str, ...] = ("logits", "features"),
) -> dict:
    """The outputs of noise in eval mode, those that there are, and the state dict's layout."""
    noise = torch.randn(input_shape, generator=torch.Generator().manual_seed(input_seed))
    outputs = zip(names, model.eval()(noise), strict=True)
    return {n: value for n, value in outputs if value is not None} | layout(model)


def weight_summary(model: nn.Module, prefix: str) -> dict:
    """Sum and 2-norm of every entry of the state dict, by sorted name."""
    state = {name: value.double() for name, value in model.state_dict().items()}
    names = sorted(state)
    out = {
        f"{prefix}_sum": np.array([state[n].sum().item() for n in names]),
        f"{prefix}_norm": np.array([state[n].norm().item() for n in names]),
    }
    return out if prefix != "weight" else {**out, "weight_key": text(names)}


def end_state(model: nn.Module, method: nn.Module, ema: ParameterEMA | StateEMA) -> dict:
    """Sums and norms of the live and of the averaged `model`, which is a part of `method`."""
    live = weight_summary(model, "weight")
    with ema.applied(method):
        return live | weight_summary(model, "ema_weight")


def module_of(values: dict[str, Tensor]) -> nn.Module:
    """A module with these entries; running statistics and integers are buffers, `fixed` frozen."""
    root = nn.Module()
    for name, value in values.items():
        *path, leaf = name.split(".")
        place = root
        for part in path:
            if not hasattr(place, part):
                place.add_module(part, nn.Module())
            place = getattr(place, part)
        if leaf.startswith("running_") or not value.is_floating_point():
            place.register_buffer(leaf, value.clone())
        else:
            place.register_parameter(leaf, nn.Parameter(value.clone(), name != "fixed"))
    return root


# --- short trainings ---


def prepared(model: nn.Module, params: Mapping, seed: str = "fill_seed") -> nn.Module:
    """`model` with the weights that a case prescribes."""
    fill_state_dict(model, params[seed])
    scale_state_dict(model, params.get("scale", {}))
    return model


def given_stream(make: Callable[..., dict], seeds: Iterable, *arrays: np.ndarray) -> GivenStream:
    """A stream of ``make(seed, *labels)``: `seeds` and `arrays` are [epoch][step] of them."""
    return GivenStream(
        [
            [
                make(seed, *(torch.from_numpy(np.array(row)) for row in rows))
                for seed, *rows in zip(of_epoch, *of_arrays, strict=True)
            ]
            for of_epoch, *of_arrays in zip(seeds, *arrays, strict=True)
        ]
    )


class Idle(Method):
    """A method that learns nothing: its loss is zero times its parameters.

    Args:
        model: images -> logits; a single weight where None.
    """

    def __init__(self, model: nn.Module | None = None):
        super().__init__()
        self.model = model or nn.Linear(1, 1, bias=False)

    def training_step(self, batches, progress) -> StepOutput:
        return StepOutput(0 * next(self.model.parameters()).sum())

    def predict(self, images: Tensor) -> Tensor:
        return self.model(images)


class Recorder(Callback):
    """Keeps a row per step and per epoch, for what a trajectory case lists.

    A step's row is :func:`values_of` with the rate used and that set after it.

    Args:
        images, labels: test images, where the network is evaluated.
        nothing: what steps that say less are listed with.
    """

    def __init__(
        self,
        images: Tensor | None = None,
        labels: Tensor | None = None,
        nothing: Mapping[str, Tensor] | None = None,
    ):
        self.images, self.labels, self.nothing = images, labels, nothing or {}
        self.steps: list[dict[str, Tensor]] = []
        self.epochs: dict[int, dict[str, Tensor]] = {}

    def note(self, epoch: int, **values) -> None:
        """Keep values of an epoch, counted from 0."""
        self.epochs.setdefault(epoch, {}).update(copies(values))

    def evaluate(self, method: Method, progress: Progress) -> dict:
        """An evaluator on the test images, which keeps outputs and figures."""
        logits, features = method.model(self.images)
        report = classification_report(logits, self.labels)
        figures = {f"eval_{k}": report[k] for k in ("loss", "top1", "top5") if k in report}
        self.note(progress.epoch, eval_logits=logits, eval_features=features, **figures)
        return report

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        rates = {"lr": trainer.rate_used, "lr_after": trainer.optimizer.param_groups[0]["lr"]}
        self.steps.append(self.nothing | values_of(trainer.method, output) | copies(rates))

    def on_evaluated(self, trainer: Trainer, results: dict[str, dict], is_best: bool) -> None:
        self.note(trainer.progress.epoch, is_best=is_best)

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        means = {f"epoch_{name}": value for name, value in row["train"].items()}
        rate = trainer.optimizer.param_groups[0]["lr"]
        self.note(row["epoch"] - 1, lr_after_epoch=rate, **means)


def train(
    recorder: Recorder,
    method: Method,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    streams: dict[str, GivenStream] | None = None,
    scheduler: LRScheduler | None = None,
    **parts,
) -> dict[str, Tensor]:
    """Train to the end by the Trainer.

    Args:
        parts: of the Trainer: ``evaluators``, ``ema`` …

    Returns:
        What was recorded: of every step as [E, K, …], of every epoch as [E, …].
    """
    parts = {"callbacks": (recorder,), **parts}
    Trainer(method, optimizer, scheduler, streams or {}, recipe, CPU, **parts).fit()
    steps, shape = stacked(recorder.steps), (len(recorder.epochs), -1)
    by_step = {name: values.unflatten(0, shape) for name, values in steps.items()}
    return by_step | stacked(list(recorder.epochs.values()))


def filled_state(state: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """The filled value of every key of a state dict.

    Key number i in sorted order draws from its own generator, seeded seed + i:

    - floating, two or more axes: N(0, 1)/√fan_in, where fan_in = numel/shape[0]
    - floating, one or no axis: 1 + 0.1·U(0, 1) for ``running_var`` and where the key's last part
      contains ``weight``; 0.1·N(0, 1) otherwise
    - any other dtype: zeros

    Args:
        state: shapes and dtypes by key. The keys decide the order, so they must be the authors'.
        seed: seed of the first key.

    Returns:
        New tensors with the keys, shapes and dtypes of `state`, on the CPU.
    """
    values = {}
    for i, key in enumerate(sorted(state)):
        tensor = state[key]
        generator = torch.Generator().manual_seed(seed + i)
        shape = tuple(tensor.shape)
        if not tensor.is_floating_point():
            value = torch.zeros(shape)
        elif tensor.ndim >= 2:
            fan_in = tensor.numel() / shape[0]
            value = torch.randn(shape, generator=generator) / math.sqrt(fan_in)
        elif key.endswith("running_var") or "weight" in key.rsplit(".", 1)[-1]:
            value = 1 + 0.1 * torch.rand(shape, generator=generator)
        else:
            value = 0.1 * torch.randn(shape, generator=generator)
        values[key] = value.to(tensor.dtype)
    return values


@torch.no_grad()
def fill_state_dict(model: nn.Module, seed: int) -> None:
    """Fill `model` in place by :func:`filled_state`, buffers and fixed parameters included."""
    state = model.state_dict()
    for key, value in filled_state(state, seed).items():
        state[key].copy_(value)


@torch.no_grad()
def scale_state_dict(model: nn.Module, scale: Mapping[str, float]) -> None:
    """Multiply entries of `model` in place.

    Args:
        model: the model.
        scale: factor by key; ``*tail`` stands for every key that ends in ``tail``.

    Raises:
        ValueError: a pattern fits no key.
    """
    state = model.state_dict()
    for pattern, factor in scale.items():
        if pattern.startswith("*"):
            keys = [key for key in state if key.endswith(pattern[1:])]
        else:
            keys = [key for key in state if key == pattern]
        if not keys:
            raise ValueError(f"No entry of the model fits '{pattern}', which should be scaled.")
        for key in keys:
            state[key].mul_(factor)
