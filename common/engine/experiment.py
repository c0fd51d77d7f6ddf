"""A run as a paper declares it; everything that every run shares stands here, once."""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from common import flags, quirks
from common.cli import (
    EXIT_USER_ERROR,
    Interrupted,
    UserError,
    choose_device,
    entry_point,
    going_on,
    log_to,
)
from common.data import cache, split_files
from common.data.splits import Images
from common.engine import checkpoint, distributed
from common.engine.checkpoint import AuthorsCheckpoint, Source, source_of
from common.engine.method import Method, Stream
from common.engine.precision import apply_fast
from common.engine.run_folder import (
    CONFIG,
    DRAWN,
    ENVIRONMENT,
    LAST,
    SUMMARY,
    RunFolder,
    commit,
    environment,
    headline_text,
    read_summary,
    summarise,
)
from common.engine.state import seed_everything
from common.engine.trainer import Callback, Evaluator, Recipe, Trainer
from common.flags import GivenFlags
from common.nn.batch_norm import group_batch_norms
from common.nn.ema import ParameterEMA, StateEMA

log = logging.getLogger(__name__)

Args = argparse.Namespace
AfterOpening = Callable[[], None]
OnReady = Callable[[Trainer], None]


@dataclass
class Parts:
    """What a paper trains, on which batches, and how it is judged.

    Attributes:
        method: with its starting weights; the experiment moves it to the device.
        optimizer, scheduler, streams, evaluators, callbacks: see
            :class:`common.engine.trainer.Trainer`.
        recipe: without what the shared flags say (number format, layout, where to stop).
        ema: makes the average once the method is on its device.
    """

    method: Method
    optimizer: Optimizer
    streams: dict[str, Stream]
    recipe: Recipe
    scheduler: LRScheduler | None = None
    evaluators: dict[str, Evaluator] = field(default_factory=dict)
    ema: Callable[[Method], ParameterEMA | StateEMA] | None = None
    callbacks: tuple[Callback, ...] = ()


def _nothing(*_) -> None:
    """What most papers need here."""


@dataclass(frozen=True)
class Experiment:
    """A training that a person starts from the command line.

    Attributes:
        name: written into checkpoints and ``config.json``.
        command: what a person types before the flags.
        quirks: the package's register.
        parser: makes the parser; its flags say themselves whether a continuation may differ.
        read: (args, the given flags) -> the images, checked and split.
        build: (args, images, device) -> the parts.
        folder: args -> the run folder.
        check: (args, the given flags) -> None: refuses what cannot run, and resolves
            flags that set others, before anything is read.
        gpu: (args, the given flags) -> CUDA index that was asked for, if any; it may
            set ``args.device`` where a published default means something else.
        labels: name of the argument that says how many images are labelled, which ``--split``
            decides where it is given; empty where there is no such argument.
        labels_are_share: it says so as a share.
        seed: name of the argument that seeds everything.
        authors: how the authors' checkpoints are gone on with.
        decides: (args, images) -> what else must be equal in a continuation.
        records: (args, images) -> further entries of ``config.json``.
        describes: (args, images) -> what checkpoints say of the network: ``network`` (what the
            package's ``prediction.py`` builds it from), ``preprocessing``, ``outputs`` and, where
            they are not the images', ``classes``.
        resumed: (trainer, args, source) -> what is left to do once the folder is open.
        opened: (args, images, run) -> None, once a folder is open and recorded.
        summarise: writes and tells the summary.
        after: (trainer, args, images) -> None, when a training has come to its end.
        log: name of the log file.
        shares: several processes may share the work.
    """

    name: str
    command: str
    quirks: Path
    parser: Callable[[], flags.Parser]
    read: Callable[[Args, GivenFlags], Images]
    build: Callable[[Args, Images, torch.device], Parts]
    folder: Callable[[Args], RunFolder]
    check: Callable[[Args, GivenFlags], None] = _nothing
    gpu: Callable[[Args, GivenFlags], int | None] = lambda args, _: getattr(args, "gpu", None)
    labels: str = ""
    labels_are_share: bool = False
    seed: str = "seed"
    authors: AuthorsCheckpoint | None = None
    decides: Callable[[Args, Images], dict] | None = None
    records: Callable[[Args, Images], dict] | None = None
    describes: Callable[[Args, Images], dict] | None = None
    resumed: Callable[[Trainer, Args, Source], AfterOpening | None] = _nothing
    opened: Callable[[Args, Images, RunFolder], None] = _nothing
    summarise: Callable[[Trainer, float], dict] = summarise
    after: Callable[[Trainer, Args, Images], None] = _nothing
    log: str = "log.txt"
    shares: bool = False

    # --- the command ---

    def main(self, argv: list[str] | None = None, on_ready: OnReady = _nothing) -> int:
        """Run the command; returns the exit code.

        Args:
            on_ready: gets the trainer when nothing is written yet, to set weights and to watch.
        """
        return entry_point(partial(self.run, on_ready=on_ready), argv)

    def cli(self) -> None:
        """The installed script."""
        raise SystemExit(self.main())

    def run(self, argv: list[str], on_ready: OnReady = _nothing) -> int:
        """Read the flags, train, write the run folder and print the headline.

        Raises:
            UserError: a mistake in the flags or the data.
            Interrupted: a signal came; the text says how to go on.
        """
        log_to()
        args, given_flags = flags.parse(self.parser, argv)
        place = distributed.find_place(args)
        if place.size > 1 and not self.shares:
            raise UserError(
                f"{place.size} processes were started, but this program does not share its work "
                "among processes; start it without a launcher, as one process."
            )
        gpu = self.gpu(args, given_flags)
        device = choose_device(args.device, gpu)
        if place.size > 1 and device.type == "cuda":
            device = choose_device(f"cuda:{place.local_rank}")
        distributed.join(place, device)
        try:
            self.resolve(args, given_flags, device)
            self.carry_out(args, given_flags, device, on_ready)
        except distributed.ToldElsewhere:
            return EXIT_USER_ERROR
        except Interrupted as stop:
            if distributed.is_main():
                raise
            return stop.exit_code
        finally:
            distributed.leave()
        return 0

    def resolve(self, args: Args, given_flags: GivenFlags, device: torch.device) -> None:
        """Decide, in place and once, every flag that another flag decides; warn of idle ones.

        Raises:
            UserError: flags that cannot run, or contradict each other.
        """
        self.check(args, given_flags)
        if args.corrected:
            quirks.apply_corrections(quirks.load(self.quirks), args, given_flags)
        seeded = getattr(args, "draws", "seeded") == "seeded"  # the number of workers is free
        if args.fast:
            apply_fast(args, device, given_flags)
        elif seeded and "num_workers" in vars(args).keys() - given_flags:
            args.num_workers = min(args.num_workers, os.cpu_count() or 1)
        if self.labels:
            split_files.resolve(args, given_flags, self.labels, self.labels_are_share)
        reasons = self.parser().without_effect()
        for name in sorted(given_flags & reasons.keys()):
            log.warning("--%s is accepted and has no effect: %s", name, reasons[name])
        source = source_of(args)
        if source is not None and not source.exists():
            flag = "--load_path" if hasattr(args, "load_path") else "--resume"
            raise UserError(f"{flag} {source} does not exist; give a run folder or a checkpoint.")

    def carry_out(
        self, args: Args, given_flags: GivenFlags, device: torch.device, on_ready: OnReady
    ) -> None:
        """All that can be refused is refused before the first file is written or replaced."""
        run = self.folder(args)
        distributed.from_main(run.check)
        images = distributed.from_main(lambda: self.read(args, given_flags))
        per_process = distributed.rank() if getattr(args, "seed_per_process", False) else 0
        seed_everything(getattr(args, self.seed) + per_process)
        trainer, source = distributed.together(lambda: self.prepare(args, images, run, device))
        on_ready(trainer)
        if not distributed.is_main():
            trainer.fit()
            return
        self.begin(args, images, trainer, source)
        summary = self.train(trainer, given_flags.argv)
        if summary["finished"]:
            with going_on(self.resume_command(given_flags.argv, run.path / LAST), run.path / LAST):
                self.after(trainer, args, images)

    # --- its steps, for a program of several stages too ---

    def prepare(
        self, args: Args, images: Images, run: RunFolder, device: torch.device
    ) -> tuple[Trainer, Source | None]:
        """The trainer at its beginning or where ``--resume`` left off; nothing is written.

        Raises:
            UserError: weights, sizes or checkpoints that do not fit.
        """
        trainer, path = self.trainer(args, images, run, device), source_of(args)
        return trainer, None if path is None else self.resume(trainer, path, run)

    def trainer(self, args: Args, images: Images, run: RunFolder, device: torch.device) -> Trainer:
        """The trainer at its beginning."""
        parts = self.build(args, images, device)
        method = parts.method
        if getattr(args, "compile", False):
            method.model.compile()
        if getattr(args, "bn_groups", 1) > 1:
            group_batch_norms(method, args.bn_groups)
        method.to(
            device,
            memory_format=torch.channels_last if args.channels_last else torch.preserve_format,
        )
        trainer = Trainer(
            method,
            parts.optimizer,
            parts.scheduler,
            parts.streams,
            replace(
                parts.recipe,
                precision=args.precision,
                channels_last=args.channels_last,
                save_every_minutes=args.save_every_minutes,
                on_nan=args.on_nan,
                stop_after_epoch=parts.recipe.stop_after_epoch or args.stop_after_epoch,
            ),
            device,
            parts.evaluators,
            parts.ema(method) if parts.ema else None,
            run=run if distributed.is_main() else None,
            callbacks=parts.callbacks,
            identity=self.identity(args, images),
            may_change=tuple(args.allow_change),
        )
        trainer.record = self.network_record(args, images)
        return trainer

    def network_record(self, args: Args, images: Images) -> dict | None:
        """What every checkpoint of a run says of its network, as plain values."""
        if self.describes is None:
            return None
        about = {
            "format": 1,
            "method": self.name,
            "classes": list(images.train.classes),
            "data": {"name": images.train.name, "drawn": images.drawn},
            "commit": commit(),
        }
        return about | self.describes(args, images)

    def identity(self, args: Args, images: Images) -> dict:
        """What a checkpoint must share with a run that goes on with it, as plain values."""
        neutral = self.parser().neutral()
        split = images.split
        return {
            "method": self.name,
            **{name: flags.plain(v) for name, v in vars(args).items() if name not in neutral},
            "images": images.fingerprint(),
            "labelled_images": split and hashlib.sha256(split.labelled.tobytes()).hexdigest(),
            "split": split and split.file,
            "cache": cache.identity(images.cached_as),
            **(self.decides(args, images) if self.decides else {}),
        }

    def resume(self, trainer: Trainer, path: Path, run: RunFolder) -> Source:
        """Set a trainer up from a run folder, its ``last.ckpt``, or a file of the authors.

        Raises:
            UserError: missing or damaged file, or one of another model or training.
        """
        path = path / LAST if path.is_dir() else path
        state, exact = checkpoint.take_up(trainer, path, self.authors)
        return Source(path, state, exact, run.holds(path))

    def begin(self, args: Args, images: Images, trainer: Trainer, source: Source | None) -> None:
        """Open the run folder and record what was asked, on what, and where."""
        run = trainer.run
        run.drawn = images.drawn
        left_to_do = self.resumed(trainer, args, source) if source else None
        goes_on = source is not None and source.same_folder
        replaced = run.used and not goes_on
        run.open(resume=goes_on)
        log_to(run.path, self.log)
        if replaced:
            log.warning("an earlier run in %s is replaced", run.path)
        self.record(args, images, run, trainer.device)
        run.note(trainer.changes)
        self.opened(args, images, run)
        if left_to_do:
            left_to_do()

    def record(self, args: Args, images: Images, run: RunFolder, device: torch.device) -> None:
        """Write ``config.json`` and ``environment.json`` and log what a reader must know."""
        active = quirks.in_force(quirks.load(self.quirks), args)
        log.info("quirks in force: %s", "; ".join(q.name for q in active) or "none")
        sides = [side for side in (images.train, images.test) if side is not None]
        notes = list(dict.fromkeys(note for side in sides for note in side.notes))
        if images.drawn:
            log.warning(DRAWN)
        for note in notes:
            log.info("data: %s", note)
        content = {
            "method": self.name,
            "arguments": {name: flags.plain(value) for name, value in sorted(vars(args).items())},
            "quirks_in_force": [q.name for q in active],
            "data": {
                "name": images.train.name,
                "classes": list(images.train.classes),
                "train": images.train.counts(),
                "test": images.test and images.test.counts(),
                "drawn": images.drawn,
                "notes": notes,
                "split": images.split and split_files.record(images.split),
                "cache": images.cached_as,
            },
        }
        run.write(CONFIG, {**content, **(self.records(args, images) if self.records else {})})
        run.write(ENVIRONMENT, environment(device, getattr(args, self.seed)))

    def train(self, trainer: Trainer, argv: list[str]) -> dict:
        """Train to the end and tell the result, or how to go on.

        Returns:
            The summary, see :func:`common.engine.run_folder.summarise`.

        Raises:
            Interrupted: a signal came; the text says how to go on.
        """
        run, started = trainer.run, time.monotonic()
        command = self.resume_command(argv, run.path / LAST)
        if trainer.finished and (run.path / SUMMARY).exists():  # resumed after its end
            print(headline_text(summary := read_summary(run.path), run.path))
            run.close()
            return summary
        (run.path / SUMMARY).unlink(missing_ok=True)  # of an earlier, shorter part
        run.start_scalars(trainer.progress.global_step)
        with going_on(command, run.path / LAST):
            try:
                trainer.fit()
            finally:
                run.close()
            summary = self.summarise(trainer, time.monotonic() - started)
        if not summary["finished"]:
            print(f"Go on with:\n  {command}")
        return summary

    def resume_command(self, argv: list[str], last: Path) -> str:
        """The command that goes on with a run, as a person would type it."""
        command = self.command
        if distributed.size() > 1:
            here = os.environ.get("LOCAL_WORLD_SIZE", str(distributed.size()))
            command = f"torchrun --nproc_per_node {here} {command.removeprefix('python ')}"
        takes_path = not any(a.dest == "load_path" for a in self.parser()._actions)
        return flags.resume_command(command, argv, last, takes_path)
