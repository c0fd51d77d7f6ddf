"""What the scripts that train train, on which images, judged how."""

from __future__ import annotations

import logging
from functools import partial

import torch

from common.cli import UserError
from common.engine.experiment import Parts
from common.engine.trainer import Recipe
from common.flags import GivenFlags
from webemotion import authors_files, checkpoints, data, images, sentences, sources
from webemotion.authors_log import AuthorsLog
from webemotion.build import build_method
from webemotion.images import Lists
from webemotion.loaders import Loader, loaders_of
from webemotion.metrics import Validation, second_k
from webemotion.missing import require_read
from webemotion.model import freeze_all_except_fc
from webemotion.program import Program
from webemotion.schedule import build_optimizer, go_on_with, scheduling

log = logging.getLogger(__name__)


class Training(Program):
    """A script that trains."""

    def read(self, args, given_flags: GivenFlags) -> Lists:
        """Both lists, and the part that is held out."""
        train, val = loaders_of(self.config, self.row)
        idle = {"visual_model", "resume"} if args.resume else set()
        require_read(self.config, self.script, idle)
        return images.read(self.config, train, val, args)

    def build(self, args, lists: Lists, device: torch.device) -> Parts:
        """Network, method, optimiser, stream and validation.

        Raises:
            UserError: weights or sizes that do not fit, or nothing is left to train.
        """
        config, row = self.config, self.row
        train, val = loaders_of(config, row)
        method, text = build_method(config, row, args)
        method.to(device)  # an earlier optimiser's momentum goes where its parameters are
        earlier = {}
        if not args.resume:
            earlier = checkpoints.starting_weights(method.model, config, row.start, args.loose)
        start = int(earlier["epoch"]) if earlier else config.start_epoch
        if start >= config.epochs:
            raise UserError(
                f"start_epoch {start} is not before epochs {config.epochs}; nothing is left to "
                "train."
            )
        if config.freeze:
            log.info("frozen but for %s", ", ".join(freeze_all_except_fc(method.model)))
        optimizer = build_optimizer(
            method.parameters(), config.lr, config.momentum, config.weight_decay
        )
        if earlier:
            go_on_with(optimizer, earlier["optimizer"], config)
        pin = device.type == "cuda"
        stream = data.stream(
            lists.train,
            config,
            train,
            sentences.sentence_reader(train.text, config, text, lists.train),
            args.num_workers,
            pin,
            sources.opener(args, lists.listed, config, data.train_view(config.image_size)),
            args.draws == "authors",
        )
        evaluators = self.evaluators(args, lists, val, pin)
        told = AuthorsLog(
            authors_files.resumed_folder(config, row),
            config,
            self.script.rpartition("/")[2],
            evaluators["test"],
        )
        by_loss = args.best_by_loss and row.saves == "all_best"
        scheduler, callbacks = scheduling(
            optimizer,
            config,
            start if args.keep_schedule else 0,
            partial(told.average, authors_files.EMBEDDING) if row.saves == "all_best" else None,
        )
        files = authors_files.AuthorsFiles.of(config, row, args, by_loss, earlier, told)
        return Parts(
            method,
            optimizer,
            {"train": stream},
            Recipe(
                start + 1 if args.max_steps else config.epochs,
                min(stream.steps, args.max_steps or stream.steps),
                start_epoch=start,
                metric="loss" if by_loss else row.metric,
                mode="min" if by_loss else "max",
                percent=not by_loss,
                schedule_per="epoch",
            ),
            scheduler,
            evaluators,
            callbacks=(told, files, authors_files.Unreadable(), *callbacks),
        )

    def evaluators(self, args, lists: Lists, val: Loader, pin: bool) -> dict[str, Validation]:
        """``test`` on ``val_file`` and, where images were held out, ``val`` on them."""
        config, k = self.config, second_k(self.row.top_k, self.config.num_classes)
        view = data.val_view(config.image_size, config.resize)

        def validation(entries) -> Validation:
            opener = sources.opener(args, entries, config, view)
            settings = (args.num_workers, pin, opener)
            published = args.draws == "authors"
            batches = data.validation_batches(entries, config, val, *settings, published=published)
            return Validation(batches, self.row.metric, k)

        held_out = {} if lists.val is None else {"val": validation(lists.val)}
        return {"test": validation(lists.test), **held_out}
