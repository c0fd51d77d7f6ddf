"""What a run needs before its first epoch: images, boxes, starting weights."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from common.cli import UserError
from common.data.manifest import Manifest
from ssfer import boxes, data, faces
from ssfer.checkpoints import load_pretrained
from ssfer.vit import build_vit, replace_head

log = logging.getLogger(__name__)

NO_CHECKPOINT = "none"
BOXES = "boxes.csv"  # in the run folder, of a detector that runs at the start


@dataclass(frozen=True)
class Images:
    """The images of a run.

    Attributes:
        train: all training images.
        test: the test images, under the protocol ``official``.
        boxes: gives a manifest its column ``box``; None where nothing needs boxes.
    """

    train: Manifest
    test: Manifest | None
    boxes: Boxes | None

    @property
    def drawn(self) -> bool:
        """Whether any image is a drawn stand-in."""
        return self.train.drawn or bool(self.test and self.test.drawn)


def read(args) -> Images:
    """Read and check what the flags name.

    Raises:
        UserError: see :func:`ssfer.data.read`, :func:`ssfer.data.check_share` and :class:`Boxes`.
    """
    workers = max(1, args.num_workers)
    folders, test = {"train": args.traindir}, None
    if args.protocol == "official":
        folders["test"] = args.testdir or args.traindir.parent / "test"
    manifest = data.read(args.dataset, folders, args.nb_classes, workers)
    train = manifest.split("train")
    if args.protocol == "official":
        test = manifest.split("test")
        if not args.square_crop:
            data.refuse_oblong(test)
    data.check_share(train, args.anno_percent)
    return Images(train, test, Boxes(args, train) if args.Facemixup_active else None)


class Boxes:
    """The faces' boxes of labelled images, found once an image.

    Args:
        args: ``detector``, ``boxes``, ``detector_weights``, ``traindir``, ``out``.
        train: all training images.

    Raises:
        UserError: no file of boxes, one that misses images, or a detector that cannot run.
    """

    def __init__(self, args, train: Manifest):
        self.folder, self.kind = Path(args.traindir), args.detector
        self.cache, self.found = Path(args.out) / BOXES, {}
        if self.kind == "file":
            self.path, self.table = args.boxes, self._table(args, train)
        elif self.kind == "none":
            log.warning("--detector none: %s", faces.NO_DETECTOR)
        else:
            self.detector = faces.build_detector(self.kind, args.detector_weights)
            self.tag = boxes.detector_tag(self.kind, args.detector_weights)

    @staticmethod
    def _table(args, train: Manifest) -> pd.DataFrame:
        if args.boxes is None:
            raise UserError(
                "FaceMix needs the faces' boxes: give --boxes FILE, made once by `python -m "
                f"ssfer.detect_faces --images {args.traindir} --detector yunet --weights ONNX --out"
                " FILE`, or --detector none for the fallback box everywhere."
            )
        table = boxes.read(args.boxes)
        boxes.check_complete(train, args.traindir, table, args.boxes)
        return table

    def of(self, labelled: Manifest) -> list[np.ndarray]:
        """int64 [4] of every image."""
        if self.kind == "none":
            return [np.array(faces.FALLBACK, dtype=np.int64)] * len(labelled)
        if self.kind == "file":
            return boxes.from_file(labelled, self.folder, self.table, self.path)
        earlier = boxes.known(boxes.read(self.cache), self.tag) if self.cache.exists() else {}
        names = boxes.relative_names(labelled, self.folder)
        self.found, _ = boxes.detect(self.folder, names, self.detector, earlier)
        return [found.box for _, found in self.found.values()]

    def save(self) -> None:
        """Keep in the run folder what a detector found."""
        if self.found:
            boxes.write(self.found, self.tag, self.cache)

    def attach(self, labelled: Manifest) -> Manifest:
        """A copy of the manifest with the column ``box``."""
        copy = labelled.take(np.arange(len(labelled)))
        copy.table = copy.table.assign(box=self.of(labelled))
        return copy


def check_checkpoint(args) -> None:
    """Refuse starting weights that do not fit, before anything is written.

    Raises:
        UserError: missing or unreadable file, or one of another model.
    """
    if args.checkpoint == NO_CHECKPOINT:
        log.warning("--checkpoint none: the network starts from random weights.")
        return
    if not Path(args.checkpoint).is_file():
        raise UserError(
            f"there is no pre-trained file at {args.checkpoint}; make one with `python "
            "ssfer/pretrain_distribute.py`, give another --checkpoint, or --checkpoint none for "
            "random weights."
        )
    build_model(args, pretrained=True)


def build_model(args, pretrained: bool) -> nn.Module:
    """The classifier with a fresh head, on the pre-trained encoder.

    Args:
        pretrained: read ``--checkpoint``; not needed where all weights are loaded afterwards.

    Raises:
        UserError: the file does not fit.
    """
    model = build_vit(args.model, num_classes=args.nb_classes, img_size=args.input_size)
    if pretrained and args.checkpoint != NO_CHECKPOINT:
        load_pretrained(model, Path(args.checkpoint))
    replace_head(model, args.nb_classes)
    return model
