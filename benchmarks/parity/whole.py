"""Whole commands: the published command line on a case's files, watched from outside.

The command's own ``main`` runs in a folder with the case's input files. At the point that the kinds
name, when all is built and nothing was iterated over, the weights are filled and the generators
seeded; from there on the product runs by itself and is recorded.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.parity.cases import Case
from benchmarks.parity.measure import fill_state_dict, scale_state_dict
from common.engine import checkpoint
from common.engine.evaluate import ClassificationEvaluator
from common.engine.trainer import Callback, Trainer

FIRST = 16  # values of a tensor that a case lists
EVENTS = re.compile(r"events\.out\.tfevents\..*")


class CommandFailed(Exception):
    """The command refused or failed; the text is what it said."""


@contextlib.contextmanager
def unpacked(case: Case, inner: str = "") -> Iterator[Path]:
    """A working folder with the input files of a case, which is the current one meanwhile.

    Args:
        inner: folder below the working one that the files lie in.
    """
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, content in case.inputs.items():
            if path.startswith("file/"):
                file = folder / inner / path.removeprefix("file/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content.tobytes())
        for path in case.params.get("empty_folders", ()):
            (folder / inner / path).mkdir(parents=True, exist_ok=True)
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(before)


def run(main: Callable[..., int], argv: list[str], **hooks) -> str:
    """Run a command in this process; returns what it printed.

    Args:
        main: argv and `hooks` -> exit code.

    Raises:
        CommandFailed: it did not end with 0.
    """
    printed, told = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(told):
        code = main(argv, **hooks)
    if code:
        raise CommandFailed((told.getvalue() or printed.getvalue()).strip().splitlines()[-1])
    return printed.getvalue()


def at_the_point(case: Case, *networks: torch.nn.Module) -> None:
    """Fill the networks and seed the three generators, as the case's ``point`` says."""
    for network in networks:
        fill_state_dict(network, case.params["fill_seed"])
        scale_state_dict(network, case.params.get("scale", {}))
    seed = case.params["seed"]
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def to_come() -> np.ndarray:
    """What the three generators would give next, float64 [3]; nothing is used up."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    values = [random.random(), np.random.random_sample(), torch.rand(1).item()]
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    return np.array(values)


def tensor_summary(name: str, images: Tensor) -> dict[str, np.ndarray]:
    """Sum, 2-norm and first values of every image of a batch, [n, …]."""
    rows = images.flatten(1)
    return {
        f"{name}_sum": rows.double().sum(dim=1).numpy(),
        f"{name}_norm": rows.double().norm(dim=1).numpy(),
        f"{name}_first": rows[:, :FIRST].numpy(),
    }


def weights(prefix: str, state: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Sum and 2-norm of every entry by sorted name, without ``module.``."""
    named = {name.removeprefix("module."): value.double() for name, value in state.items()}
    order = sorted(named)
    return {
        f"{prefix}weight_sum": np.array([named[name].sum().item() for name in order]),
        f"{prefix}weight_norm": np.array([named[name].norm().item() for name in order]),
        f"{prefix}weight_key": np.array(order, dtype=np.str_),
    }


def keys(state: dict, in_order: bool = True) -> np.ndarray:
    """The authors' keys of a checkpoint; ours, what it says of its network, is left out."""
    names = [name for name in state if name != checkpoint.RECORD]
    return np.array(names if in_order else sorted(names), dtype=np.str_)


def files_written(folder: Path, case: Case) -> np.ndarray:
    """Those of the expected files that are there; TensorBoard's time and host are ``*``."""
    there = {
        EVENTS.sub("events.out.tfevents.*", path.relative_to(folder).as_posix())
        for path in folder.rglob("*")
        if path.is_file()
    }
    return np.array([name for name in case.expected["files_written"] if name in there])


class _Noting:
    """A loader that keeps the batches it gave."""

    def __init__(self, loader: Iterable[dict]):
        self.loader, self.given = loader, []

    def __iter__(self) -> Iterator[dict]:
        for batch in self.loader:
            self.given.append(batch)
            yield batch


class Watch(Callback):
    """Records a training step by step: batches, what a step gave, rates, generators.

    Args:
        steps: (batches, output, trainer) -> what to record of a step.
    """

    def __init__(self, steps: Callable[[dict, object, Trainer], dict]):
        self.of_step, self.steps, self.epochs = steps, [], []
        self.evaluation: dict[str, list] = {}
        self.evaluators: dict[str, Callable] = {}

    def attach(self, trainer: Trainer) -> None:
        """Watch a trainer from now on."""
        trainer.callbacks = (self, *trainer.callbacks)
        step = trainer.method.training_step

        def training_step(batches: dict, progress) -> object:
            self.batches = batches
            return step(batches, progress)

        trainer.method.training_step = training_step
        for name, evaluate in trainer.evaluators.items():
            self.evaluators[name] = evaluate
            trainer.evaluators[name] = self._watched(name, evaluate)

    def _watched(self, name: str, evaluate: Callable) -> Callable:
        def watched(method, progress) -> dict:
            predict, seen = method.predict, []

            def noted(images: Tensor):
                output = predict(images)
                seen.append((images, output))
                return output

            method.predict = noted
            plain = isinstance(evaluate, ClassificationEvaluator)
            if plain:
                loader, evaluate.loader = evaluate.loader, _Noting(evaluate.loader)
            try:
                report = evaluate(method, progress)
            finally:
                del method.predict
                if plain:
                    given, evaluate.loader = evaluate.loader.given, loader
            images, outputs = (torch.cat(part) for part in zip(*seen, strict=True))
            row = {"images": images, "logits": outputs, "report": report}
            if plain:
                row |= {k: torch.cat([batch[k] for batch in given]) for k in ("index", "label")}
            self.evaluation.setdefault(name, []).append(row)
            return report

        return watched

    def on_step_end(self, trainer: Trainer, output) -> None:
        """Record the step; nothing has been drawn since its backward."""
        row = {**self.of_step(self.batches, output, trainer), "random_after_step": to_come()}
        self.steps.append({name: np.asarray(value) for name, value in row.items()})

    def on_evaluated(self, trainer: Trainer, results: dict, is_best: bool) -> None:
        """Record what the generators hold when the epoch's evaluations are done."""
        self.epochs.append({"random_after_epoch": to_come(), "saved": is_best})

    def by_epoch(self) -> dict[str, np.ndarray]:
        """Step values as [E, K, …]."""
        out = {}
        for name in self.steps[0]:
            flat = np.stack([row[name] for row in self.steps])
            out[name] = flat.reshape(len(self.epochs), -1, *flat.shape[1:])
        return out
