"""Which images the stages of a fine-tuning train on and are judged by, fold by fold."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from common.cli import UserError
from common.data.splits import Images, Split
from ssfer.finetune import boxes, data
from ssfer.finetune.stages import Stage

log = logging.getLogger(__name__)


class Folds:
    """Which images the stages of a run train on and are judged by.

    Args:
        args: the flags.
        images: of the run.

    Raises:
        UserError: too few images for the batches, or incomplete boxes.
    """

    def __init__(self, args, images: Images):
        self.args, self.images = args, images
        self.split = self._draw()
        labelled = images.train.take(self.split.labelled)
        if args.boxes:
            labelled = boxes.attach(labelled, args.traindir, args.boxes)
        self.parts = [(None, labelled, images.test)]
        if args.protocol == "kfold":
            folds = data.folds(len(labelled), args.k, args.random_state)
            self.parts = [
                (number, labelled.take(train), labelled.take(valid))
                for number, (train, valid) in enumerate(folds)
            ]
        self._check_sizes()

    def _draw(self) -> Split:
        """The labelled images: drawn, or always those of ``--split``."""
        train, args = self.images.train, self.args
        labelled, rest = data.draw_labelled(train.labels, args.anno_percent, args.nb_classes)
        # After the draw, so that the generators go on as they would without a file.
        return self.images.split or Split(labelled, rest, np.empty(0, np.int64))

    def _check_sizes(self) -> None:
        batch = self.args.batch_size
        least = min(len(train) for _, train, _ in self.parts)
        needed = [("labelled images of the supervised stage", least, batch)]
        if self.args.semi_epochs:
            labelled, unlabelled = len(self.split.labelled), len(self.split.unlabelled)
            needed.append(("labelled images", labelled, 2 * batch))
            needed.append(("unlabelled images", unlabelled, int(2 * batch * self.args.mu)))
        for what, found, wanted in needed:
            if found < wanted:
                raise UserError(
                    f"there are {found} {what}, but a batch takes {wanted}; give a smaller "
                    "--batch_size or another --anno_percent."
                )

    def stages(self) -> Iterator[Stage]:
        """Every stage of every fold in order; what is drawn for one is drawn when it is due."""
        args, epochs = self.args, 0
        for fold, train, held_out in self.parts:
            if absent := [name for name, n in train.counts().items() if n == 0]:
                log.warning("fold %s trains without any image of %s", fold, ", ".join(absent))
            stage = Stage(
                train=train,
                test=held_out,
                split=self.split,
                name="stage2",
                fold=fold,
                whole=self.images,
                seed=10 * (1000 * args.seed + (0 if fold is None else fold + 1)),
                epochs_before=epochs,
            )
            yield stage
            epochs += args.num_epochs
            if args.semi_epochs:
                # Under kfold the labelled images are drawn anew, as the published code does: more
                # images than stated lend their labels, and some of them are in the validation.
                split = self._draw() if args.protocol == "kfold" else self.split
                labelled, pool = map(self.images.train.take, (split.labelled, split.unlabelled))
                yield replace(
                    stage,
                    name="stage3",
                    train=labelled,
                    pool=pool,
                    split=split,
                    epochs_before=epochs,
                )
                epochs += args.semi_epochs
