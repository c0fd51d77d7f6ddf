"""What is evaluated when, and the figures of one evaluation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from common.cli import UserError
from common.data.streams import PassStream
from common.engine.method import Progress
from common.engine.trainer import Evaluator
from common.metrics.regression import bootstrap_intervals, regression_report
from dimva import data, objective
from dimva.data import Converter, Plan, Sets
from dimva.method import Dimensional, DimvaConfig

DIMENSIONS = ("valence", "arousal")
JUDGED = "r_valence"
AFTER_LOADING = (("test_cat", "cls"), ("test_va", "reg"))


@dataclass(frozen=True)
class Seen:
    """What the network said of some images, and the truth.

    Attributes:
        va, true_va: float32 [n, 2].
        label: int64 [n], or [n, C] of 0 and 1.
        logits: float32 [n, C] in the multi task.
        index: positions in the set, int64 [n].
    """

    va: Tensor
    true_va: Tensor
    label: Tensor
    logits: Tensor | None = None
    index: Tensor | None = None


def categories(
    seen: Seen, kind: str, config: DimvaConfig, converter: Converter
) -> tuple[Tensor, Tensor] | None:
    """Predicted and true categories in the authors' numbering; None where there are none.

    That numbering is alphabetical for labels and logits, and the converter's for what comes from
    valence and arousal.
    """
    if config.task == "single":
        return (converter.categories(seen.va), seen.label) if kind == "cls" else None
    true = seen.label if kind == "cls" else converter.categories(seen.true_va)
    if converter.multilabel:
        return (torch.sigmoid(seen.logits) > 0.5).float(), true
    return seen.logits.argmax(dim=1), true


def evaluation_loss(
    seen: Seen, kind: str, config: DimvaConfig, converter: Converter
) -> float | None:
    """The mean loss; None for single-label categories of the single task, which have none."""
    if config.task == "multi":
        scores = torch.sigmoid(seen.logits) if converter.multilabel else seen.logits
        true, alpha = categories(seen, kind, config, converter)[1], config.alpha
        loss = objective.multi_loss(
            scores, seen.va, true, seen.true_va, alpha, converter.multilabel
        )[0]
    elif kind == "reg":
        loss = F.mse_loss(seen.va, seen.true_va)
    elif converter.multilabel:
        loss = objective.category_loss(converter.categories(seen.va), seen.label, True)
    else:
        return None
    return float(loss)


def report(
    seen: Seen,
    kind: str,
    config: DimvaConfig,
    converter: Converter,
    label_order: str = "converter",
    intervals: bool = False,
) -> dict:
    """The figures of one evaluation.

    Args:
        seen: predictions and truth.
        kind: see :class:`dimva.data.Plan`.
        config: task and loss.
        converter: of the categorical set.
        label_order: ``converter`` compares ids of two numberings as the authors do; ``folder``
            brings both to the folders', and weighs several labels by the true positives.
        intervals: add 95% bootstrap intervals.

    Returns:
        Per dimension ``r_``, ``p_``, ``ccc_``, ``rmse_``, ``mae_``, ``r2_``; ``loss``; and, where
        categories are compared, ``accuracy`` (what `label_order` says), ``accuracy_authors`` and
        ``accuracy_corrected`` side by side, the weighted Jaccard index for several labels.
    """
    out: dict = {"images": len(seen.va)}
    for d, name in enumerate(DIMENSIONS):
        pair = seen.va[:, d].numpy(), seen.true_va[:, d].numpy()
        out |= {f"{key}_{name}": value for key, value in regression_report(*pair).items()}
        if intervals:
            ends = bootstrap_intervals(*pair)
            out |= {f"{key}_{name}_interval_95": value for key, value in ends.items()}
    loss = evaluation_loss(seen, kind, config, converter)
    if loss is not None:
        out["loss"] = loss
    compared = categories(seen, kind, config, converter)
    if compared is None:
        return out
    predicted, true = (ids.numpy() for ids in compared)
    out["accuracy_authors"] = objective.accuracy(predicted, true)
    predicted, true = (ids.numpy() for ids in _one_numbering(compared, kind, config, converter))
    out["accuracy_corrected"] = objective.accuracy_by_support(predicted, true)
    out["accuracy"] = out["accuracy_corrected" if label_order == "folder" else "accuracy_authors"]
    return out


def _one_numbering(compared, kind: str, config: DimvaConfig, converter: Converter):
    predicted, true = compared
    if config.task == "single":
        return converter.in_folder_order(predicted), true
    return predicted, true if kind == "cls" else converter.in_folder_order(true)


class RatingEvaluator:
    """Predict a set and report.

    Args:
        stream: the set, an epoch a pass; which images are left out may change with the epoch.
        kind, converter, label_order: see :func:`report`.
    """

    def __init__(self, stream: PassStream, kind: str, converter: Converter, label_order: str):
        self.stream, self.kind = stream, kind
        self.converter, self.label_order = converter, label_order

    def seen(self, method: Dimensional, epoch: int = 0) -> Seen:
        """Predictions and truth of one pass.

        Raises:
            UserError: the predictions are no longer finite.
        """
        rows: dict[str, list[Tensor]] = {}
        for batch in self.stream.batches(epoch):
            logits, va = method.predict(method.place(batch["image"]))
            label = batch["hot" if self.converter.multilabel else "label"]
            row = {"va": va, "true_va": batch["va"], "label": label, "index": batch["index"]}
            row |= {} if logits is None else {"logits": logits}
            for name, value in row.items():
                value = value.float() if value.is_floating_point() else value
                rows.setdefault(name, []).append(value.cpu())
        seen = Seen(**{name: torch.cat(values) for name, values in rows.items()})
        if not torch.isfinite(seen.va).all():
            raise UserError(
                "the evaluated network gives NaN or infinite values: the training has diverged. "
                "Try a lower --lr or --precision fp32."
            )
        return seen

    def __call__(self, method: Dimensional, progress: Progress) -> dict:
        """See :func:`report`."""
        seen = self.seen(method, progress.epoch)
        return report(seen, self.kind, method.config, self.converter, self.label_order)


def evaluators(
    sets: Sets, kinds: tuple[tuple[str, str], ...], args, pin_memory: bool
) -> dict[str, RatingEvaluator]:
    """An evaluator for every (set, kind), by the set's name."""
    return {
        name: RatingEvaluator(
            data.stream(sets, name, args, pin_memory), kind, sets.converter, args.label_order
        )
        for name, kind in kinds
    }


def by_role(evaluators: dict[str, Evaluator], plan: Plan) -> dict[str, Evaluator]:
    """The trainer's names: ``val`` picks the checkpoint, ``test`` is the rated test set."""
    roles = {plan.selection: "val", "test_va": "test"}
    return {roles.get(name, name): evaluator for name, evaluator in evaluators.items()}


def paths_and_values(seen: Seen, paths: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of a table of predictions, sorted by image."""
    columns = {"path": paths[seen.index.numpy()]}
    for d, name in enumerate(DIMENSIONS):
        columns[name], columns[f"true_{name}"] = seen.va[:, d].numpy(), seen.true_va[:, d].numpy()
    order = np.argsort(columns["path"])
    return {name: values[order] for name, values in columns.items()}
