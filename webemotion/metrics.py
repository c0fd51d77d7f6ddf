"""What validation reports: accuracies of several kinds and average precision."""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import average_precision_score
from torch import Tensor

from common.cli import UserError
from common.data.streams import plain_errors
from common.engine.method import Method, Progress
from common.metrics.classification import top_k_accuracy
from webemotion import objective


def hit_accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """Share of rows whose largest logit is at a class with a target above 0, scalar.

    Args:
        logits, targets: [n, C]; a row without a class is always wrong.
    """
    best = logits.argmax(dim=1, keepdim=True)
    return (targets.gather(1, best) > 0).double().mean()


def strongest_accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """Share of rows whose largest logit is at the class with the largest target, scalar.

    Args:
        logits, targets: [n, C].
    """
    strongest = targets.topk(1, dim=1).indices[:, 0]  # published so; argmax may break ties apart
    return (logits.argmax(dim=1) == strongest).double().mean()


def running_average(values: Iterable[float], counts: Iterable[int]) -> np.ndarray:
    """An average that grows: after every value, float64 [steps, 4].

    Columns: last value, average so far, weighted sum, number.
    """
    values, counts = np.asarray(values, float), np.asarray(counts, float)
    sums, numbers = np.cumsum(values * counts), np.cumsum(counts)
    return np.stack([values, sums / numbers, sums, numbers], axis=1)


def average_precision(labels: np.ndarray, scores: np.ndarray, absent: float = 0.0) -> np.ndarray:
    """Average precision per column, float64 [C].

    Args:
        labels: 0 or 1, [n, C].
        scores: [n, C].
        absent: value of a column without a positive.
    """
    precision = np.full(labels.shape[1], absent)
    for k in np.flatnonzero(np.asarray(labels).any(axis=0)):
        precision[k] = average_precision_score(labels[:, k], scores[:, k])
    return precision


def second_k(top_k: int | str | None, num_classes: int) -> int | None:
    """The second k of a script's accuracies; ``half``: 5, or half the classes below 10."""
    if top_k != "half":
        return top_k if top_k is None else min(top_k, num_classes)
    return 5 if num_classes >= 10 else max(1, num_classes // 2)


class Validation:
    """Validates on a loader: loss and metric, averaged over images.

    Args:
        loader: batches with ``image`` and ``target`` (float [n, C], or int64 [n]).
        metric: ``hits``, ``strongest``, ``top1`` or ``map``.
        top_k: also report the accuracy among so many.

    Attributes:
        rows, times, sizes: of the last validation, a batch each: loss and metric in percent;
            seconds; images.
    """

    def __init__(self, loader: Iterable[dict], metric: str, top_k: int | None = None):
        self.loader, self.metric, self.top_k = loader, metric, top_k

    def __call__(self, method: Method, progress: Progress | None = None) -> dict:
        """``{"loss", <metric>, "images"}`` and perhaps ``top<k>``; shares in 0..1.

        Raises:
            UserError: no image could be read, or the logits are no longer finite.
        """
        all_logits, all_targets = [], []
        self.rows, self.times, self.sizes = [], [], []
        before = time.perf_counter()
        for batch in plain_errors(self.loader):
            logits = method.predict(method.place(batch["image"])).float().cpu()
            targets = batch["target"].cpu()
            single = not targets.is_floating_point()
            loss = objective.single_label_loss if single else objective.soft_cross_entropy
            all_logits.append(logits)
            all_targets.append(targets)
            now, row = time.perf_counter(), {"Loss": loss(logits, targets).item()}
            if self.metric != "map":  # which means nothing for a batch
                row["Prec@1"] = 100 * evaluate(self.metric, logits, targets)
            self.times.append({"Time": now - before})
            self.rows.append(row)
            self.sizes.append(len(logits))
            before = now
        if not self.sizes:
            raise UserError("there is nothing to validate on: no image of val_file can be read.")
        logits, targets = torch.cat(all_logits), torch.cat(all_targets)
        if not torch.isfinite(logits).all():
            raise UserError(
                "the validated network gives NaN or infinite values: the training has diverged. "
                "Try a lower lr."
            )
        report = {
            "loss": float(running_average([row["Loss"] for row in self.rows], self.sizes)[-1, 1]),
            self.metric: evaluate(self.metric, logits, targets),
            "images": len(logits),
        }
        if self.top_k and self.top_k > 1:
            report[f"top{self.top_k}"] = top_k_accuracy(logits, targets, self.top_k)
        return report


def evaluate(metric: str, logits: Tensor, targets: Tensor) -> float:
    """One of the metrics, in 0..1.

    Args:
        logits: [n, C].
        targets: float [n, C], or class numbers int64 [n], where −1 counts as wrong.
    """
    if metric in ("hits", "strongest"):
        accuracy = hit_accuracy if metric == "hits" else strongest_accuracy
        return accuracy(logits, targets).item()
    if metric == "top1":
        return top_k_accuracy(logits, targets, 1)
    if not targets.is_floating_point():
        counts = targets != objective.IGNORED
        logits, targets = logits[counts], F.one_hot(targets[counts], logits.shape[1])
    positive, scores = (targets > 0).numpy(), logits.softmax(dim=1).numpy()
    return float(average_precision(positive, scores).mean())
