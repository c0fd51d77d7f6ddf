"""The published feature extractors: pooled features of the images of ``val_file``."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import numpy as np
import torch

from common.cli import UserError
from common.data.pickles import write_bytes
from common.engine.run_folder import RunFolder
from common.flags import GivenFlags
from webemotion import authors_files, checkpoints, data, lists
from webemotion.catalogue import LOADERS
from webemotion.images import Lists, tested
from webemotion.missing import require_files
from webemotion.model import (
    PUBLISHED_SIZE,
    EmotionNet,
    build_network,
    project,
    start_from_imagenet,
)
from webemotion.program import Evaluating, Finish

log = logging.getLogger(__name__)

ARCH = "resnet50_feature_extractor"
FEATURES = "features.npz"


class Extraction(Evaluating):
    """A script that writes features into ``save_directory``.

    With ``individual_feat``, a ``.npy`` file per image, called after the last
    ``rel_path_depth`` + 1 parts of its path; else ``features.npz``.
    """

    def read(self, args, given_flags: GivenFlags) -> Lists:
        """The list of ``val_file``, when all files that are needed are there."""
        config = self.config
        require_files(config, ("val_file", "data_dir", "ckpts_dir", "resume"), self.script)
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
        entries = [images.test[k] for k in kept]
        arrays = {
            "paths": np.array([entry.path for entry in entries], np.str_),
            "labels": np.array([json.dumps(entry.label) for entry in entries], np.str_),
            "features": values,
        }
        names = file_names([e.path for e in entries], config) if config.individual_feat else []

        def finish(run: RunFolder) -> None:
            for name, row in zip(names, values[: len(names)], strict=True):
                _write(run.path / name, np.save, row)
            if names:
                print(f"{len(names)} feature files written to {run.path}")
                return
            _write(run.path / FEATURES, np.savez, **arrays)
            print(f"features {list(values.shape)} written to {run.path / FEATURES}")

        return finish

    def network(self) -> EmotionNet:
        """A feature extractor with the trunk's weights of a checkpoint of any of the networks.

        Raises:
            UserError: the file does not fit the trunk.
        """
        config, trunk = self.config, self.config.depth or "resnet50"
        model = build_network(ARCH, 1, trunk=trunk, adaptive=config.image_size != PUBLISHED_SIZE)
        checkpoint = config.resume or best_below(config.ckpts_dir)
        if checkpoint is not None:
            report = checkpoints.start_from(model, Path(checkpoint), checkpoints.POLICIES["no_fc"])
            unused = ("fc.weight", "fc.bias")
            lacking = [n for n in (*report.missing, *report.size_mismatch) if n not in unused]
            lacking = [name for name in lacking if not name.endswith("num_batches_tracked")]
            if lacking:
                raise UserError(
                    f"{checkpoint} does not fit {trunk}: {len(lacking)} tensors of the trunk are "
                    f"missing or of another size, the first {lacking[0]}. Check depth."
                )
        elif config.pretrained is True:
            log.info("start: %s", start_from_imagenet(model, trunk, None))
        else:
            log.warning("no checkpoint: the features are those of a random network")
        return model


PROGRAM = Extraction


def best_below(folder: str | None) -> Path | None:
    """The checkpoint of a ``ckpts_dir``: the file itself, or ``model_best.pth.tar`` in it."""
    if folder is None:
        return None
    return Path(folder) / authors_files.BEST if Path(folder).is_dir() else Path(folder)


def file_names(paths: list[str], config) -> list[Path]:
    """A name of its own for the features of every image.

    Raises:
        UserError: two images would share one.
    """
    parts = config.rel_path_depth + 1
    names = [Path(*Path(path).parts[-parts:]).with_suffix(".npy") for path in paths]
    if len(set(names)) < len(names):
        raise UserError(
            f"{len(names) - len(set(names))} images share the last {parts} parts of their path; "
            "set rel_path_depth higher."
        )
    return names


def _write(path: Path, save, *values, **named) -> None:
    """Write what NumPy's `save` makes of the values, in one step."""
    content = io.BytesIO()
    save(content, *values, **named)
    write_bytes(content.getvalue(), path)
