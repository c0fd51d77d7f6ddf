"""What all published scripts share: flags and configuration, run folder and records."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from common.cli import UserError, log_to
from common.engine.experiment import Experiment, OnReady, Parts
from common.engine.run_folder import RunFolder
from common.engine.state import seed_everything
from common.flags import GivenFlags, plain
from webemotion import authors_files, prediction
from webemotion.catalogue import SCRIPTS, Script
from webemotion.config import KEYS, Config, not_read
from webemotion.images import Lists
from webemotion.options import build_parser

log = logging.getLogger(__name__)

Finish = Callable[[RunFolder], None]


@dataclass(frozen=True)
class Program:
    """A published script with its configuration.

    Attributes:
        script: its name in :data:`webemotion.catalogue.SCRIPTS`.
        config: its configuration.
        kind: of experiment.
    """

    script: str
    config: Config
    kind: ClassVar[type[Experiment]] = Experiment

    @property
    def row(self) -> Script:
        """What the script does."""
        return SCRIPTS[self.script]

    def read(self, args, given_flags: GivenFlags) -> Lists:
        """The lists of the configuration, checked."""
        raise NotImplementedError

    def build(self, args, lists: Lists, device: torch.device) -> Parts | Finish:
        """What is trained; or, where nothing is, what writes and tells the results."""
        raise NotImplementedError

    def experiment(self) -> Experiment:
        """The program as a person starts it."""
        return self.kind(
            name="webemotion",
            command=f"python webemotion/{self.script}.py",
            quirks=Path(__file__).with_name("quirks.yaml"),
            parser=lambda: build_parser(self.script),
            read=self.read,
            build=self.build,
            folder=self.folder,
            check=self.check,
            gpu=self.gpu,
            decides=lambda args, lists: self.config.decisive(),
            records=self.records,
            describes=lambda args, lists: prediction.describe(self.config),
            opened=self.opened,
            # A training writes the published log beside its own.
            log=Experiment.log if self.kind is Experiment else f"log-{authors_files.stamp()}.txt",
        )

    def gpu(self, args, given_flags: GivenFlags) -> int | None:
        """Device and index as the configuration names them, unless a flag does."""
        if self.config.device and "device" not in given_flags:
            args.device = self.config.device
        return self.config.gpu if args.gpu is None else args.gpu

    def check(self, args, given_flags: GivenFlags) -> None:
        """Tell what has no effect, and take seed and workers from the configuration."""
        config = self.config
        for name, reason in config.idle().items():
            log.info("%s is accepted and has no effect: %s", name, reason)
        if names := not_read(config, self.row):
            log.info("%s: %s is not read by %s", config.path, ", ".join(names), self.script)
        if self.row.meant:
            log.info("this script is taken to mean: %s", self.row.meant)
        args.seed = config.seed or 0
        if args.num_workers is None:
            args.num_workers = min(config.workers, os.cpu_count() or 1)
            given_flags.add("num_workers")  # --fast leaves it as the configuration has it

    def folder(self, args) -> RunFolder:
        """The run's folder; a training that goes on stays in its own."""
        flag = "save_directory (--set save_directory=…)"
        path = authors_files.run_path(self.config, self.row)
        if args.resume:
            path = authors_files.last_checkpoint(args.resume).parent
        return RunFolder(path, args.overwrite or bool(args.resume), flags=(flag, flag))

    def records(self, args, lists: Lists) -> dict:
        """What ``config.json`` says beside the arguments."""
        values = {name: plain(getattr(self.config, name)) for name in sorted(KEYS)}
        return {"script": self.script, "configuration": values, "data": lists.record()}

    def opened(self, args, lists: Lists, run: RunFolder) -> None:
        """Say how many images there are."""
        counts = lists.record()["images"]
        log.info("images: %s", ", ".join(f"{name} {n}" for name, n in counts.items()))


class Evaluation(Experiment):
    """An experiment that trains nothing; its parts are what writes and tells the results."""

    def carry_out(
        self, args, given_flags: GivenFlags, device: torch.device, on_ready: OnReady
    ) -> None:
        """The folder is begun when all is computed and nothing can be refused any more."""
        run = self.folder(args)
        run.check()
        lists = self.read(args, given_flags)
        seed_everything(args.seed)
        finish = self.build(args, lists, device)
        run.open()
        log_to(run.path, self.log)
        self.record(args, lists, run, device)
        self.opened(args, lists, run)
        finish(run)


class Evaluating(Program):
    """A program that trains nothing."""

    kind = Evaluation

    @property
    def why(self) -> str:
        """Why it trains nothing, for messages."""
        return f"{self.script} trains nothing"

    def check(self, args, given_flags: GivenFlags) -> None:
        """Refuse the flags that say something of a training.

        Raises:
            UserError: one of them was given.
        """
        if args.resume:
            raise UserError(
                f"--resume goes on with a training, and {self.why}; weights are given by the key "
                "resume of the configuration."
            )
        for name in ("split", "cache"):
            if getattr(args, name) is not None:
                raise UserError(
                    f"--{name} is about a training's images, but {self.why}; leave it out."
                )
        super().check(args, given_flags)
