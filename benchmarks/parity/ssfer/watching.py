"""What all ``ssfer/command`` cases record: batches as they were loaded, lines, files, weights."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.parity import whole
from benchmarks.parity.cases import Case

NUMBER = r"([-+\d.einfa]+)"
AUTHORS_FILES = ("*.pth", "vit_*_loss_*.png", "*_confusion_matrices.*")
NOISE = "attn.qkv.bias"  # of whose gradient a third is rounding, so cases leave it out


def numbers(pattern: str, printed: str) -> np.ndarray:
    """The groups of every match in what was printed, float64 [matches, groups]."""
    found = re.findall(pattern, printed)
    rows = [row if isinstance(row, tuple) else (row,) for row in found]
    return np.array([[float(value) for value in row] for row in rows])


def authors_files(folder: Path, there: set[str] = frozenset()) -> set[str]:
    """Files under names that the authors' scripts write, but for those that were `there`."""
    found = {path for pattern in AUTHORS_FILES for path in folder.rglob(pattern)}
    return {path.relative_to(folder).as_posix() for path in found} - there


def weights(prefix: str, state: dict[str, Tensor], but: tuple[str, ...] = ()) -> dict:
    """See :func:`benchmarks.parity.whole.weights`; without what the kind leaves out."""
    kept = {k: v for k, v in state.items() if not k.endswith(NOISE) and k not in but}
    return whole.weights(prefix, kept)


class Loaded:
    """Notes every batch of a stream when it was loaded and nothing was drawn since.

    Args:
        images: the case's images, in its order.
        tensors: names of the image tensors in a batch.
    """

    def __init__(self, images: list[str], *tensors: str):
        self.images, self.tensors, self.epochs = images, tensors, []

    def attach(self, stream) -> None:
        """Watch a stream from now on; its iterator is made when it was made before."""
        batches, dataset = stream.batches, stream.dataset

        def noted(epoch: int, start: int = 0):
            given = batches(epoch, start)
            self.epochs.append([])
            return self.noting(given, dataset.paths)

        stream.batches = noted

    def noting(self, given, paths: list[str]):
        """The batches, each noted."""
        for batch in given:
            self.epochs[-1].append(self.row(batch, paths))
            yield batch

    def row(self, batch: dict, paths: list[str]) -> dict[str, np.ndarray]:
        """What the kind lists of a batch."""
        row = {
            "rng": whole.to_come(),
            "item": positions([paths[k] for k in batch["index"]], self.images),
            "label": batch.get("true_label", batch["label"]).numpy(),
        }
        for name in self.tensors:
            row |= whole.tensor_summary(name, batch[name])
            row[f"{name}_first"] = row[f"{name}_first"][0].copy()  # mixing overwrites the images
        return row

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """Every value as [E, K, …]; see :func:`padded`."""
        out = {}
        for name in self.epochs[0][0]:
            rows = [row[name] for epoch in self.epochs for row in epoch]
            flat = padded(rows)
            out[f"{prefix}.{name}"] = flat.reshape(len(self.epochs), -1, *flat.shape[1:])
        return out


def padded(parts: list[np.ndarray]) -> np.ndarray:
    """Arrays of unequal sizes in one; whole numbers are filled up with -1, all else with 0."""
    longest = np.max([part.shape for part in parts], axis=0).astype(int)
    fill = -1 if parts[0].dtype.kind == "i" else 0
    out = np.full((len(parts), *longest), fill, parts[0].dtype)
    for row, part in zip(out, parts, strict=True):
        row[tuple(map(slice, part.shape))] = part
    return out


def positions(paths: list[str], images: list[str]) -> np.ndarray:
    """The case's numbers of images; a path ends in the name that the case gives."""
    place = {name: k for k, name in enumerate(images)}
    tails = [Path(path).as_posix().split("/") for path in paths]
    return np.array([_place(tail, place) for tail in tails], dtype=np.int64)


def _place(tail: list[str], place: dict[str, int]) -> int:
    names = ("/".join(tail[k:]) for k in range(len(tail)))
    return next(place[name] for name in names if name in place)


def write(path: str, content: dict) -> None:
    """A checkpoint that the case describes, in its place."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)


def by_epoch(rows: list[dict], name: str, epochs: int) -> np.ndarray:
    """A value of every step as [E, K, …]."""
    flat = np.stack([np.asarray(row[name]) for row in rows])
    return flat.reshape(epochs, -1, *flat.shape[1:])


def size_of(case: Case) -> list[str]:
    """The size that was replaced in the script, as flags."""
    return ["--model", case.params["model"]] if "model" in case.params else []
