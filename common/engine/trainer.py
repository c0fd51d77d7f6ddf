"""The one training loop of the repository."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from common.cli import Interrupted, UserError, epoch_line, training_bar
from common.engine import checkpoint, distributed, state
from common.engine.guards import Clock, Finite, StopRequest
from common.engine.method import (
    Method,
    Progress,
    Recipe,
    StepOutput,
    Stream,
    images_in,
    to_device,
)
from common.engine.precision import autocast, evaluated_in, grad_scaler
from common.engine.run_folder import LAST, RunFolder
from common.nn.ema import ParameterEMA, StateEMA

log = logging.getLogger(__name__)

Evaluator = Callable[[Method, Progress], dict]


class Callback:
    """Hooks around the loop, for a paper's artefacts and for diagnostics."""

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        """After optimiser, schedule and average have moved."""

    def on_evaluated(self, trainer: Trainer, results: dict[str, dict], is_best: bool) -> None:
        """After an epoch's evaluation; the method holds its live values."""

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """After `row` became the last of ``trainer.history``, before ``last.ckpt`` is written."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """After the last epoch that this process trains."""

    def state_dict(self) -> dict:
        """What an exact continuation needs of this callback; tensors and plain containers."""
        return {}

    def load_state_dict(self, state: dict, device: torch.device) -> None:
        """Go on from :meth:`state_dict`; tensors of `state` are on the CPU."""


class Trainer:
    """Trains a Method on streams, evaluates it each epoch, and can stop and go on anywhere.

    Args:
        method: already on `device`.
        optimizer, scheduler: see :attr:`Recipe.schedule_per` for when the scheduler moves.
        streams: name -> stream; every step takes one batch of each.
        recipe: see :class:`Recipe`.
        device: where batches are sent.
        evaluators: ``test`` and, where images were held out, ``val``; each maps the method (in
            eval mode, average applied) and the progress to named numbers.
        ema: average of the method's parameters, used for evaluation.
        ema_reload: values the average is overwritten with at the start of every epoch.
        run: folder to write to; None writes nothing, as in all processes but the first.
        callbacks: hooks.
        identity: plain values that a checkpoint must share with this training to be resumed.
    """

    def __init__(
        self,
        method: Method,
        optimizer: Optimizer,
        scheduler: LRScheduler | None,
        streams: dict[str, Stream],
        recipe: Recipe,
        device: torch.device,
        evaluators: dict[str, Evaluator] | None = None,
        ema: ParameterEMA | StateEMA | None = None,
        ema_reload: dict | None = None,
        run: RunFolder | None = None,
        callbacks: tuple[Callback, ...] = (),
        identity: dict | None = None,
    ):
        self.method, self.optimizer, self.scheduler = method, optimizer, scheduler
        self.streams, self.recipe, self.device = streams, recipe, device
        self.evaluators = evaluators or {}
        self.ema, self.ema_reload = ema, ema_reload
        self.run, self.callbacks = run, callbacks
        processes = {"processes": distributed.size()} if distributed.size() > 1 else {}
        self.identity = {**(identity or {}), **processes}
        method.channels_last = recipe.channels_last
        self._forward = distributed.shared_step(method)
        self.scaler = grad_scaler(device, recipe.precision)
        self.progress = Progress(recipe.start_epoch, 0, recipe.epochs, recipe.steps_per_epoch)
        self.history: list[dict] = []
        self.sums: dict[str, torch.Tensor] = {}  # of this epoch and process, by name
        self.rate_used, self.ended_early = None, False
        self._stop = StopRequest(repeats=distributed.size() > 1)
        self._finite, self._clock = (
            Finite(recipe.on_nan == "skip"),
            Clock(recipe.save_every_minutes),
        )
        self.record: dict | None = None  # what checkpoints say of the network
        self._continues, self._waiting = False, 0  # steps whose gradients are not used yet
        self._images, self._seconds = 0, 0.0

    @property
    def judged_on(self) -> str:
        """The split that chooses the best epoch: held-out images where there are any."""
        return "val" if "val" in self.evaluators else "test"

    @property
    def _published(self) -> bool:
        """Published draws cannot go on inside an epoch, so what its beginning saved stays."""
        return any(getattr(stream, "published", False) for stream in self.streams.values())

    @property
    def images_per_second(self) -> float | None:
        """Training throughput of this process so far, evaluation left out."""
        return self._images / self._seconds if self._seconds else None

    def fit(self) -> list[dict]:
        """Train to the end (or to ``stop_after_epoch``).

        Returns:
            A row per epoch: ``epoch`` (from 1), ``step``, ``lr``, ``train`` and one entry per
            evaluator.

        Raises:
            Interrupted: SIGINT or SIGTERM came; the checkpoint is written.
            UserError: the loss is no longer finite.
        """
        last = min(self.recipe.stop_after_epoch or self.recipe.epochs, self.recipe.epochs)
        total = last * self.recipe.steps_per_epoch
        if self.run:
            self.run.rewrite_metrics(self.history)  # rows after the checkpoint are trained anew
        fresh = bool(self.run) and not (self._continues and (self.run.path / LAST).exists())
        if distributed.largest(int(fresh), self.device):
            self.save()  # a run killed in its first epoch can be resumed too
        with self._stop, training_bar(total, self.progress.global_step, bool(self.run)) as bar:
            while self.progress.epoch < last and not self.ended_early:
                self._epoch(bar)
        for callback in self.callbacks:
            callback.on_fit_end(self)
        return self.history

    def end_early(self) -> None:
        """For callbacks: the epoch that is being evaluated is the last one."""
        self.ended_early = True

    @property
    def finished(self) -> bool:
        """Whether no epoch is left to train."""
        return self.ended_early or self.progress.epoch >= self.recipe.epochs

    def _epoch(self, bar: tqdm) -> None:
        if self.progress.step == 0:
            self._start_epoch()
        self.method.train()
        self._train_steps(bar)
        results = self._evaluate()
        self._stop_if_asked()
        self.method.on_epoch_end(self.progress)
        if self.scheduler and self.recipe.schedule_per == "epoch":
            self.scheduler.step()
        row = {
            "epoch": self.progress.epoch + 1,
            "step": self.progress.global_step,
            "lr": self.rate_used,
            "train": self._means(),
            **results,
        }
        self.history.append(row)
        self.progress.epoch, self.progress.step, self.sums = self.progress.epoch + 1, 0, {}
        for callback in self.callbacks:
            callback.on_epoch_end(self, row)
        if self.run:
            self.run.append_metrics(row)
            for name in ("train", *results):
                self.run.scalars(name, row[name], row["step"])
            self.run.scalars("train", {"lr": row["lr"]}, row["step"])
        self.save()
        if self.run:
            line = epoch_line(row, self.recipe.metric)
            log.info("epoch %d/%d %s", row["epoch"], self.recipe.epochs, line)

    def _start_epoch(self) -> None:
        if self.ema and not self.recipe.ema_across_epochs:
            self.ema.restart(self.method)
        if self.ema and self.ema_reload is not None:
            self.ema.overwrite(self.ema_reload)
            results = self._results()
            log.info("average of the checkpoint: %s", epoch_line(results, self.recipe.metric))
        self.method.on_epoch_start(self.progress)

    def _train_steps(self, bar: tqdm) -> None:
        place = self.progress
        if place.step == place.steps_per_epoch:  # interrupted during this epoch's evaluation
            return
        iterators = {
            name: iter(stream.batches(place.epoch, place.step))
            for name, stream in self.streams.items()
        }
        started, shown = time.perf_counter(), 0.0
        while place.step < place.steps_per_epoch:
            batches = {
                name: to_device(next(batches), self.device, self.recipe.channels_last)
                for name, batches in iterators.items()
            }
            output = self._step(batches)
            place.step += 1
            self._images += sum(images_in(batch) for batch in batches.values())
            now = time.perf_counter()
            self._seconds += now - started
            started = now
            # Reading the loss waits for the GPU, so it is done once a second.
            if now - shown > 1 or place.step == place.steps_per_epoch:
                shown = now
                self._check_finite(output)
                rate = self._images / self._seconds
                bar.set_postfix_str(
                    f"epoch {place.epoch + 1}, loss {output.loss.item():.3f}, {rate:.0f} images/s"
                )
            bar.update()
            self._stop_if_asked()
            if not self._published and distributed.largest(int(self._clock.due), self.device):
                self.save()

    def _step(self, batches: dict) -> StepOutput:
        with autocast(self.device, self.recipe.precision):
            output = self._forward(batches, self.progress)
        share = self.recipe.accumulate if self.recipe.mean_gradients else 1
        self.scaler.scale(output.loss / share).backward()
        self._finite.note(output.loss, self.method.parameters(), self.scaler.is_enabled())
        self.rate_used = self.optimizer.param_groups[0]["lr"]
        self._waiting = (self._waiting + 1) % self.recipe.accumulate
        if self._waiting == 0:
            self._update()
        self.method.on_step_end(self.progress)
        for callback in self.callbacks:
            callback.on_step_end(self, output)
        for name, value in {"loss": output.loss, **output.logs}.items():
            value = torch.as_tensor(value, device=self.device).detach().double()
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        return output

    def _update(self) -> None:
        """Use the gradients: clip, optimiser, schedule, average."""
        if self._finite.leave_out():
            self.optimizer.zero_grad()
            return
        if self.recipe.clip > 0:
            if not self.recipe.clip_scaled:
                self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.method.parameters(), self.recipe.clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.scheduler and self.recipe.schedule_per == "step":
            self.scheduler.step()
        if self.ema:
            self.ema.update(self.method)
        self.optimizer.zero_grad()

    def _means(self) -> dict[str, float]:
        """Means over the steps of the epoch, and over the processes."""
        if not self.sums:
            return {}
        totals = distributed.mean(torch.stack(list(self.sums.values())))
        steps = self.recipe.steps_per_epoch
        return {name: t.item() / steps for name, t in zip(self.sums, totals, strict=True)}

    def _check_finite(self, output: StepOutput) -> None:
        if self._finite.take():
            return
        logged = {"loss": output.loss, **output.logs}
        parts = ", ".join(f"{name} {float(value):.3g}" for name, value in logged.items())
        raise UserError(
            f"loss or gradients are no longer finite at step {self.progress.global_step} or "
            f"shortly before ({parts}). {LAST} is from before; start anew with a lower --lr or in "
            "--precision fp32, or go on with --on_nan skip, which leaves such steps out."
        )

    def averaged(self) -> AbstractContextManager:
        """Inside this context the method holds its average, where it has one."""
        return self.ema.applied(self.method) if self.ema else nullcontext()

    @torch.no_grad()
    def _results(self) -> dict[str, dict]:
        """What every evaluator says of the method with its average applied."""
        self.method.eval()
        with self.averaged(), autocast(self.device, evaluated_in(self.recipe.precision)):
            results = {
                name: evaluate(self.method, self.progress)
                for name, evaluate in self.evaluators.items()
            }
        self.method.train()
        return results

    def _evaluate(self) -> dict[str, dict]:
        results = self._results()
        if self.judged_on in results:
            is_best = self._is_best(results[self.judged_on][self.recipe.metric])
            for callback in self.callbacks:
                callback.on_evaluated(self, results, is_best)
        return results

    def _is_best(self, value: float) -> bool:
        """A tie with the best so far counts as best."""
        earlier = (row[self.judged_on][self.recipe.metric] for row in self.history)
        return all(v <= value if self.recipe.mode == "max" else v >= value for v in earlier)

    def _stateful(self) -> dict[str, state.Stateful | None]:
        return {name: getattr(self, name) for name in state.PARTS}

    def state_dict(self) -> dict:
        """All that an exact continuation needs; every process must ask for it together."""
        waiting = {}
        if self.recipe.accumulate > 1:
            named = self.method.named_parameters()
            waiting = {name: p.grad.cpu() for name, p in named if p.grad is not None}
        callbacks = {type(c).__name__: c.state_dict() for c in self.callbacks}
        return state.capture(
            self._stateful(),
            self.sums,
            waiting,
            identity=self.identity,
            epoch=self.progress.epoch,
            step=self.progress.step,
            rate_used=self.rate_used,
            waiting=self._waiting,
            history=self.history,
            streams={name: stream.state() for name, stream in self.streams.items()},
            ended_early=self.ended_early and self.progress.step == 0,
            callbacks={name: saved for name, saved in callbacks.items() if saved},
        )

    def load_state_dict(self, saved: dict) -> None:
        """Go on from :meth:`state_dict`.

        Raises:
            UserError: the checkpoint is of another model or another training.
        """
        sums = state.restore(self._stateful(), saved, self.state_dict())
        waiting = saved.get("gradients", {})
        for name, parameter in self.method.named_parameters():
            parameter.grad = waiting[name].to(parameter.device) if name in waiting else None
        self.progress.epoch, self.progress.step = saved["epoch"], saved["step"]
        self.rate_used, self.ended_early = saved["rate_used"], saved["ended_early"]
        self._waiting = saved.get("waiting", self.progress.global_step % self.recipe.accumulate)
        self.history = saved["history"]
        self.sums = {name: total.to(self.device) for name, total in sums.items()}
        for callback in self.callbacks:
            if type(callback).__name__ in saved["callbacks"]:
                callback.load_state_dict(saved["callbacks"][type(callback).__name__], self.device)
        self._continues = True

    def save(self) -> Path | None:
        """Write ``last.ckpt``; every process must call this together, the first one writes."""
        if not self.run and distributed.size() == 1:
            return None
        self._clock.start()
        if not all(bool(torch.isfinite(p).all()) for p in self.method.parameters()):
            raise UserError(
                f"the weights are no longer finite, so they are not saved: {LAST} stays as it was, "
                "from before. Start anew with a lower --lr, or in --precision fp32."
            )
        whole, path = self.state_dict(), self.run and self.run.path / LAST
        if path:
            checkpoint.save_last(whole, path, self.record)
        return path

    def _stop_if_asked(self) -> None:
        number = distributed.largest(self._stop.number or 0, self.device)
        if not number:
            return
        self._stop.number = number  # it may have come to another process alone
        place = self.progress
        where = f"epoch {place.epoch + 1}, step {place.step} of {place.steps_per_epoch}"
        saved = "the epoch begins anew" if self._published else f"saved to {self.save()}"
        raise Interrupted(f"Stopped in {where}; {saved}.", self._stop.exit_code)
