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
from common.engine.interrupt import StopRequest
from common.engine.method import (
    Callback,
    Method,
    Progress,
    Recipe,
    StepOutput,
    Stream,
    images_in,
    to_device,
)
from common.engine.precision import (
    ADVICE,
    FiniteWatch,
    autocast,
    buffers,
    evaluated_in,
    grad_scaler,
    put_back,
    refuse_not_finite,
)
from common.engine.run_folder import LAST, PREVIOUS, RunFolder
from common.nn.ema import ParameterEMA, StateEMA

log = logging.getLogger(__name__)

SKIPPED = "skipped_steps"
Evaluator = Callable[[Method, Progress], dict]


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
        may_change: names in it that may differ all the same.
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
        may_change: tuple[str, ...] = (),
    ):
        self.method, self.optimizer, self.scheduler = method, optimizer, scheduler
        self.streams, self.recipe, self.device = streams, recipe, device
        self.evaluators = evaluators or {}
        self.ema, self.ema_reload = ema, ema_reload
        self.run, self.callbacks = run, callbacks
        processes = {"processes": distributed.size()} if distributed.size() > 1 else {}
        self.identity, self.may_change = {**(identity or {}), **processes}, may_change
        self.changes: list[str] = []  # what differed from the checkpoints gone on with, in words
        method.channels_last = recipe.channels_last
        self._forward = distributed.shared_step(method)
        self.scaler = grad_scaler(device, recipe.precision)
        self.progress = Progress(recipe.start_epoch, 0, recipe.epochs, recipe.steps_per_epoch)
        self.history: list[dict] = []
        self.sums: dict[str, torch.Tensor] = {}  # of this epoch and process, by name
        self.rate_used: float | None = None
        self.ended_early = False
        self._watch = FiniteWatch(device)
        self._stop = StopRequest(repeats=distributed.size() > 1)
        self.record: dict | None = None  # what checkpoints say of the network
        self._continues, self._waiting = False, 0  # steps whose gradients are not used yet
        self._images, self._seconds, self._saved = 0, 0.0, time.monotonic()

    @property
    def judged_on(self) -> str:
        """The split that chooses the best epoch: held-out images where there are any."""
        return "val" if "val" in self.evaluators else "test"

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
        self._stop_or_save()
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
            self._stop_or_save()

    def _step(self, batches: dict) -> StepOutput:
        kept = buffers(self.method) if self.recipe.on_nan == "skip" else None
        with autocast(self.device, self.recipe.precision):
            output = self._forward(batches, self.progress)
        share = self.recipe.accumulate if self.recipe.mean_gradients else 1
        self.scaler.scale(output.loss / share).backward()
        self.rate_used = self.optimizer.param_groups[0]["lr"]
        # With fp16 gradients may overflow: the loss scale then takes the step back by itself.
        looked_at = () if self.scaler.is_enabled() else self.method.parameters()
        self._watch.note(output.loss, looked_at, self.progress.global_step)
        if kept is not None and distributed.largest(self._watch.first() + 1, self.device):
            return self._skip(output, kept)
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

    def _skip(self, output: StepOutput, kept: list[torch.Tensor]) -> StepOutput:
        """Leave a step out: no optimiser, schedule or average moves, and it is in no mean."""
        log.warning("step %d is skipped: it is not finite", self.progress.global_step)
        put_back(self.method, kept)
        self.optimizer.zero_grad()
        self._waiting, self._watch = 0, FiniteWatch(self.device)
        one = torch.ones((), dtype=torch.float64, device=self.device)
        self.sums[SKIPPED] = self.sums.get(SKIPPED, 0) + one
        return output

    def _update(self) -> None:
        """Use the gradients: clip, optimiser, schedule, average."""
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
        named = {name: t.item() for name, t in zip(self.sums, totals, strict=True)}
        skipped = {SKIPPED: named.pop(SKIPPED)} if SKIPPED in named else {}
        steps = self.recipe.steps_per_epoch - int(sum(skipped.values()))
        if not steps:
            raise UserError(
                f"every step of epoch {self.progress.epoch + 1} is not finite. {ADVICE}"
            )
        return {name: total / steps for name, total in named.items()} | skipped

    def _check_finite(self, output: StepOutput) -> None:
        if self.recipe.on_nan == "stop" and (first := self._watch.first()) >= 0:
            parts = {"loss": output.loss, **output.logs}
            now = ", ".join(f"{k} {float(v):.3g}" for k, v in parts.items())
            raise UserError(
                f"the loss or its gradient is no longer finite since step {first} (now {now}). "
                f"The last checkpoint is from before. {ADVICE}"
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
            **({"changes": self.changes} if self.changes else {}),
        )

    def load_state_dict(self, saved: dict) -> None:
        """Go on from :meth:`state_dict`.

        Raises:
            UserError: the checkpoint is of another model or another training.
        """
        parts, now = self._stateful(), self.state_dict()
        sums, changes = state.restore(parts, saved, now, self.may_change)
        where = f"from epoch {saved['epoch'] + 1}, step {saved['step']} on: "
        self.changes = [*saved.get("changes", []), *(where + change for change in changes)]
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
        refuse_not_finite(self.method, self._watch, self.progress.global_step)
        whole, path = self.state_dict(), self.run and self.run.path / LAST
        if path:
            checkpoint.save(whole, path, self.record, path.with_name(PREVIOUS))
        self._saved = time.monotonic()
        return path

    @property
    def _published(self) -> bool:
        """Whether a stream draws as published, and so cannot go on inside an epoch."""
        return any(getattr(stream, "published", False) for stream in self.streams.values())

    def _stop_or_save(self) -> None:
        """After a step: leave where a signal asks for it, save where it is time."""
        every = 0 if self._published else 60 * self.recipe.save_every_minutes
        due = bool(every and self.run) and time.monotonic() - self._saved >= every
        number = distributed.largest(self._stop.number or int(due), self.device)
        if number <= 1:  # no signal that is listened to has the number 1
            if number:
                self.save()
            return
        self._stop.number = number  # it may have come to another process alone
        place = self.progress
        where = f"epoch {place.epoch + 1}, step {place.step} of {place.steps_per_epoch}"
        # What the beginning of the epoch saved stays where draws are published.
        saved = "the epoch begins anew" if self._published else f"saved to {self.save()}"
        raise Interrupted(f"Stopped in {where}; {saved}.", self._stop.exit_code)
