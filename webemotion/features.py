"""The published feature extractors: pooled features of the images of ``val_file``."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import numpy as np
import torch

from common.cli import UserError
from common.data import pickles
from common.engine.run_folder import RunFolder
from common.flags import GivenFlags
from webemotion import checkpoints, data, lists
from webemotion.catalogue import LOADERS
from webemotion.images import Lists, tested
from webemotion.missing import require_files
from webemotion.model import (
    ARCHS,
    PUBLISHED_SIZE,
    EmotionNet,
    build_network,
    project,
    start_as_configured,
)
from webemotion.program import Evaluating, Finish

log = logging.getLogger(__name__)

FEATURES = "feature.pkl"


class Extraction(Evaluating):
    """A script that writes features into its folder, which lies below ``ckpts_dir``.

    With ``individual_feat``, a file ``<path>.npy`` an image, or of the last ``rel_path_depth`` + 1
    parts of its path; else ``feature.pkl``, a dictionary path -> float32 [1, F]. F numbers are the
    pooled feature, or the logits where ``arch`` is a network with an ``fc``.
    """

    def read(self, args, given_flags: GivenFlags) -> Lists:
        """The list of ``val_file``, when all files that are needed are there."""
        config = self.config
        require_files(config, ("val_file", "data_dir", "resume"), self.script)
        entries = lists.read_list(config.val_file)
        lists.check_images(entries, config.data_dir, config.val_file)
        return tested(entries, config)

    def build(self, args, images: Lists, device: torch.device) -> Finish:
        """Features of every readable image, in the list's order."""
        config = self.config
        numbered = [entry._replace(label=k) for k, entry in enumerate(images.test)]
        batches = data.validation_batches(
            numbered,
            config,
            LOADERS["singlelabel_v2"],
            args.num_workers,
            device.type == "cuda",
            num_classes=len(numbered),
        )
        values, kept = project(self.network(), batches, device)
        paths = [images.test[k].path for k in kept]
        names = file_names(paths, config) if config.individual_feat else []

        def finish(run: RunFolder) -> None:
            for k, name in enumerate(names):
                content = io.BytesIO()
                np.save(content, values[k : k + 1])
                pickles.write_bytes(content.getvalue(), run.path / name)
            if names:
                print(f"{len(names)} feature files written to {run.path}")
                return
            rows = np.split(values, len(values))
            pickles.save(dict(zip(paths, rows, strict=True)), run.path / FEATURES)
            print(f"features {list(values.shape)} written to {run.path / FEATURES}")

        return finish

    def network(self) -> EmotionNet:
        """The network of ``arch`` with a checkpoint's weights, of the trunk at least.

        Raises:
            UserError: the file does not fit the trunk.
        """
        config = self.config
        trunk = config.depth or ARCHS.get(config.arch, ("resnet50",))[0]
        adaptive = config.image_size != PUBLISHED_SIZE
        model = build_network(config.arch, config.num_classes or 1, trunk=trunk, adaptive=adaptive)
        if config.resume is not None:
            policy = checkpoints.POLICIES[self.row.start]
            report = checkpoints.start_from(model, Path(config.resume), policy)
            unused = checkpoints.FC if model.heads == "none" else ()
            lacking = [n for n in (*report.missing, *report.size_mismatch) if n not in unused]
            lacking = [name for name in lacking if not name.endswith("num_batches_tracked")]
            if lacking:
                raise UserError(
                    f"{config.resume} does not fit {config.arch} on {trunk}: {len(lacking)} "
                    f"tensors are missing or of another size, the first {lacking[0]}. Check arch, "
                    "depth and num_classes."
                )
        elif config.pretrained:
            log.info("start: %s", start_as_configured(model, trunk, config.pretrained))
        else:
            log.warning("no checkpoint: the features are those of a random network")
        return model


PROGRAM = Extraction


def file_names(paths: list[str], config) -> list[Path]:
    """A name of its own for the features of every image.

    Raises:
        UserError: two images would share one.
    """
    parts = 0 if config.rel_path_depth is None else config.rel_path_depth + 1
    names = [Path(*Path(f"{path}.npy").parts[-parts:]) for path in paths]
    if len(set(names)) < len(names):
        raise UserError(
            f"{len(names) - len(set(names))} images share a place with another, by "
            f"{parts or 'all'} parts of their path; set rel_path_depth higher."
        )
    return names
