"""Evaluation across datasets: what a model of one label set is worth on data of another."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, recall_score

from common.cli import UserError
from common.datasets.labels import DATASETS, SPACES, ClassMap, mapping, space, table
from common.datasets.readers.table import column, read_delimited


def evaluate_across(
    predictions: np.ndarray, labels: np.ndarray, source: str, target: str, on: str | None = None
) -> dict[str, Any]:
    """Evaluate a model of one label set on data of another.

    Both are read in the label set `on`. Images whose label has no counterpart there, or one that
    the model cannot predict, are left out and counted. A prediction without counterpart is wrong.

    Args:
        predictions: classes int [n], or scores float [n, C] of the model's classes, which are
            added up where several become one class; scores are to be probabilities then.
        labels: int [n] of the data.
        source: label set of the model.
        target: label set of the data.
        on: label set to compare in; None: `target`.

    Returns:
        ``mapping`` (a sentence for each side), ``classes`` compared, ``images``, ``left_out``,
        ``accuracy`` and ``macro_recall`` (over compared classes with images), in 0..1.

    Raises:
        UserError: no counterparts, or no image is left.
        ValueError: lengths or numbers of classes differ.
    """
    on = on or target
    model, data = mapping(source, on), mapping(target, on)
    predictions, labels = np.asarray(predictions), np.asarray(labels, np.int64)
    if len(predictions) != len(labels):
        raise ValueError(f"{len(predictions)} predictions for {len(labels)} labels")
    truth = np.array(data.index)[labels]
    reachable = sorted(set(model.index) - {-1})
    used = np.isin(truth, reachable)
    if not used.any():
        raise UserError(
            f"no image of {target} has a label that a model of {source} can predict; compare them "
            "in a wider label set, such as polarity."
        )
    found = _read_as(predictions[used], model)
    truth = truth[used]
    names = [model.target_classes[k] for k in reachable]
    recalls = recall_score(truth, found, labels=np.unique(truth), average="macro", zero_division=0)
    return {
        "mapping": [model.sentence(), data.sentence()],
        "classes": names,
        "images": int(used.sum()),
        "left_out": int((~used).sum()),
        "accuracy": float(accuracy_score(truth, found)),
        "macro_recall": float(recalls),
    }


def _read_as(predictions: np.ndarray, model: ClassMap) -> np.ndarray:
    """Predictions in the target's labels, int64 [n]; -1: a class without counterpart."""
    index = np.array(model.index)
    if predictions.ndim == 1:
        return index[predictions.astype(np.int64)]
    if predictions.shape[1] != len(index):
        raise ValueError(f"{predictions.shape[1]} scores, but {model.source} has {len(index)}")
    joined = np.zeros((len(predictions), len(model.target_classes)))
    for k, to in enumerate(index):
        if to >= 0:
            joined[:, to] += predictions[:, k]
    return joined.argmax(axis=1)


def add(commands) -> None:
    """Add ``map`` and ``across`` to the sub-commands of ``python -m common.datasets``."""
    known = ", ".join((*SPACES, *DATASETS))
    parser: argparse.ArgumentParser = commands.add_parser(
        "map",
        help="which class of one label set is which of another",
        description=f"Print which class of one label set is which of another. Known: {known}.",
    )
    parser.add_argument("source", metavar="SOURCE", help="a label set or a dataset")
    parser.add_argument("target", metavar="TARGET", help="a label set or a dataset")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.set_defaults(run=_print)

    parser = commands.add_parser(
        "across",
        help="evaluate a model of one label set on data of another",
        description=f"Evaluate predictions across label sets. Known: {known}.",
    )
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="CSV with the columns prediction and label"
    )
    parser.add_argument("--model", required=True, metavar="SOURCE", help="what the model predicts")
    parser.add_argument("--data", required=True, metavar="TARGET", help="what the data is labelled")
    parser.add_argument("--on", metavar="SET", help="label set to compare in; default: the data's")
    parser.set_defaults(run=_evaluate)


def _print(args: argparse.Namespace) -> int:
    found = mapping(args.source, args.target)
    if args.json:
        print(json.dumps({"source": found.source, "target": found.target, "map": found.classes}))
        return 0
    print(table(args.source, args.target).to_string(index=False))
    if found.without:
        print(f"without counterpart in {found.target}: {', '.join(found.without)}")
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    frame = read_delimited(args.file, "a header with the columns prediction and label")
    columns = [
        _numbers(frame[column(frame, args.file, (name,))], args.file, space(of).classes)
        for name, of in (("prediction", args.model), ("label", args.data))
    ]
    print(json.dumps(evaluate_across(*columns, args.model, args.data, args.on), indent=1))
    return 0


def _numbers(cells: pd.Series, file: Path, classes: tuple[str, ...]) -> np.ndarray:
    """Class numbers, from numbers or names."""
    known = {str(k): k for k in range(len(classes))} | {c: k for k, c in enumerate(classes)}
    odd = ~cells.str.lower().isin(known)
    if odd.any():
        raise UserError(
            f"{file}, line {cells.index[odd][0]}: {cells[odd].iloc[0]!r} is no class; expected a "
            f"number from 0 to {len(classes) - 1} or one of {', '.join(classes)}."
        )
    return cells.str.lower().map(known).to_numpy(np.int64)
