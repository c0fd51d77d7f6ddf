"""``log-<time>.txt`` with the lines of the published scripts."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import torch
from torch import Tensor

from common.engine.method import StepOutput
from common.engine.trainer import Callback, Trainer
from webemotion.config import Config
from webemotion.metrics import Validation
from webemotion.schedule import by_plateau

STAMP = "%Y%m%d%H%M%S"  # 14 digits
SHARES = {"hits": "Prec@1", "strongest": "Prec@1", "top1": "Prec@1", "map": "mAP"}


class Averages:
    """The last value of named figures and their average so far, weighted by `count`.

    Tensors stay on their device until something is told.
    """

    def __init__(self):
        self.last, self.sums, self.number = {}, {}, 0

    def add(self, values: dict[str, Tensor | float], count: int = 1) -> None:
        """Go on."""
        self.number += count
        for name, value in values.items():
            value = torch.as_tensor(value).detach().double()
            self.last[name] = value
            self.sums[name] = self.sums.get(name, 0.0) + value * count

    def of(self, name: str) -> float:
        """The average so far."""
        return float(self.sums[name]) / self.number

    def cells(self) -> str:
        """Every figure as the scripts print it: last value, and average."""
        places = {name: 4 if name.startswith("Loss") else 3 for name in self.last}
        return "".join(
            f"\t{name} {float(self.last[name]):.{p}f} ({self.of(name):.{p}f})"
            for name, p in places.items()
        )

    def state_dict(self) -> dict:
        """Plain numbers."""
        plain = ({name: float(v) for name, v in part.items()} for part in (self.last, self.sums))
        return {**dict(zip(("last", "sums"), plain, strict=True)), "number": self.number}

    def load_state_dict(self, state: dict) -> None:
        """Go on from :meth:`state_dict`."""
        self.last, self.sums, self.number = (state[name] for name in ("last", "sums", "number"))


class AuthorsLog(Callback):
    """Writes the file as a training goes on; every line is ``<date time> - <text>``.

    Args:
        folder: of the file; None: the run's folder.
        config: its keys come first, as they stand in its file.
        script: name of the script.
        validation: what is told after every epoch.
    """

    def __init__(self, folder: Path | None, config: Config, script: str, validation: Validation):
        self.folder, self.config, self.script = folder, config, script
        self.validation, self.path = validation, None
        self._figures, self._times = Averages(), Averages()
        self._before = time.perf_counter()

    def write(self, *lines: str) -> None:
        """Add lines, each with the time before it; none where there is no file yet."""
        if self.path is None:
            return
        with open(self.path, "a", encoding="utf-8") as file:
            for line in lines:
                file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S,%f}"[:-3] + f" - {line}\n")

    def head(self, trainer: Trainer) -> None:
        """Begin the file: the configuration, and what the training starts from."""
        self.path = (self.folder or trainer.run.path) / f"log-{time.strftime(STAMP)}.txt"
        config, parameters = self.config, list(trainer.method.model.parameters())
        trained = sum(p.numel() for p in parameters if p.requires_grad)
        given = {**config.given, "script_name": self.script}
        text, start = config.text_ckpt, config.visual_model or config.resume
        loading = [f"=> loading checkpoint '{path}'" for path in (text, start) if path]
        if text:
            loading.insert(1, f"=> loaded checkpoint '{text}' for text classification")
        rate = "ReduceLROnPlateau" if by_plateau(config) else "scheduled"
        loading.insert(2 if text else 0, f"Using {rate} learning rate")
        self.write(
            *(f"{name:<15}:\t{value}" for name, value in given.items()),
            f"ConfigFile: {config.path}",
            f"=> creating model '{config.arch}'",
            *loading,
            f"Total Parameters: {sum(p.numel() for p in parameters)}\t "
            f"Gradient Parameters: {trained}",
        )

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        """A line every ``print_freq`` steps; before the first one of an epoch, its rate."""
        place, (began, size) = trainer.progress, trainer.method.seen
        if self.path is None and trainer.run:
            self.head(trainer)
        if place.step == 0 or not self._figures.number:
            self.write(f"Epoch: [{place.epoch}], learning rate: {trainer.rate_used}")
            self._figures, self._times = Averages(), Averages()
        now = time.perf_counter()
        parts = {n: v for n, v in output.logs.items() if n.startswith("loss_")}
        losses = {n.capitalize(): v for n, v in (parts or {"loss": output.loss}).items()}
        accuracy = output.logs["top1" if "top1" in output.logs else "hits"]
        # A second accuracy is announced by the published scripts and never computed.
        announced = {} if parts else {"Prec@5": 0.0}
        self._times.add({"Time": now - self._before, "Data": began - self._before})
        share = 100 * torch.as_tensor(accuracy).detach().double()
        self._figures.add({**losses, "Prec@1": share, **announced}, size)
        self._before = now
        if place.step % self.config.print_freq == 0:
            where = f"Epoch: [{place.epoch}][{place.step}/{place.steps_per_epoch}]"
            self.write(where + self._times.cells() + self._figures.cells())

    def average(self, name: str) -> float:
        """The average over the images of the epoch so far, of a column of the training's lines."""
        return self._figures.of(name)

    def state_dict(self) -> dict:
        """The epoch so far; not its times, so that equal runs are equal."""
        return self._figures.state_dict()

    def load_state_dict(self, state: dict, device: torch.device) -> None:
        """Go on from :meth:`state_dict`."""
        self._figures.load_state_dict(state)

    def on_evaluated(self, trainer: Trainer, results: dict[str, dict], is_best: bool) -> None:
        """The batches of the validation, and its figure."""
        seen, metric = self.validation, SHARES[self.validation.metric]
        figures, times = Averages(), Averages()
        batches = zip(seen.rows, seen.times, seen.sizes, strict=True)
        for k, (row, taken, size) in enumerate(batches):
            figures.add(row, size)
            times.add(taken)
            if k % self.config.print_freq == 0:
                self.write(f"Test: [{k}/{len(seen.rows)}]{times.cells()}{figures.cells()}")
        value = 100 * results["test"][seen.metric]
        self.write(f" * {metric} {value:.3f}")
        self._before = time.perf_counter()
