"""Label algebra: which class of one dataset is which of another, or that there is none.

Every class names a concept, and concepts form a tree that ends in ``positive`` and ``negative``. A
class maps to the class of the other label set whose concept is its own or, failing that, the
nearest one above it; it never maps to a narrower one. So FI's *amusement* is Emotion6's *joy*, and
*joy* has no counterpart in FI. What has no counterpart is told, never guessed.

Label sets, tree and sources stand in ``catalogue.yaml``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, recall_score

from common.cli import UserError
from common.datasets import catalogue
from common.datasets.catalogue import CONTENT, LabelSet
from common.datasets.readers.table import column, read_delimited

PARENTS: dict[str, str | None] = {
    part: whole or None for whole, parts in CONTENT["concepts"].items() for part in parts
}
"""Concept -> the wider one it is part of."""
BROTHERS: dict[str, str] = CONTENT["brothers"]
"""A concept that may also stand for another of the same width."""
QUADRANTS: dict[str, str] = {c: name for name, of in CONTENT["quadrants"].items() for c in of}
"""Concept -> quadrant of Russell's circumplex; the nearest entry at or above a concept counts."""
OF_ITS_OWN: dict[tuple[str, str], dict[str, str]] = {
    (row["source"], row["target"]): row["classes"] for row in CONTENT["hierarchies"]
}
"""Where a dataset's own hierarchy says otherwise than the tree."""
SPACES = catalogue.LABEL_SETS
"""Label sets by name."""
DATASETS = {
    catalogue.plain(name): row.labels
    for row in catalogue.DATASETS.values()
    for name in (row.name, *row.aliases)
    if row.labels
}
"""Dataset, without blanks and hyphens -> its label set."""


@dataclass(frozen=True)
class ClassMap:
    """A total map between two label sets.

    Attributes:
        source, target: names of the sets.
        target_classes: in label order.
        classes: every class of the source -> a class of the target, or None.
    """

    source: str
    target: str
    target_classes: tuple[str, ...]
    classes: Mapping[str, str | None]

    @property
    def index(self) -> tuple[int, ...]:
        """Label of the target for every label of the source; -1: none."""
        order = {name: k for k, name in enumerate(self.target_classes)}
        return tuple(-1 if to is None else order[to] for to in self.classes.values())

    @property
    def without(self) -> tuple[str, ...]:
        """Classes of the source without counterpart."""
        return tuple(name for name, to in self.classes.items() if to is None)

    def sentence(self) -> str:
        """The map in words, for a log."""
        pairs = ", ".join(f"{a} as {b}" for a, b in self.classes.items() if b is not None)
        lost = f"; without counterpart: {', '.join(self.without)}" if self.without else ""
        return f"labels of {self.source} read as {self.target}: {pairs}{lost}"


def space(name: str) -> LabelSet:
    """A label set by its name or a dataset's.

    Raises:
        UserError: there is none of that name.
    """
    plain = catalogue.plain(name)
    key = plain if plain in SPACES else DATASETS.get(plain)
    if key is None:
        known = sorted({*SPACES, *DATASETS})
        hint = catalogue.did_you_mean(plain, known)
        raise UserError(f"no label set is known for '{name}'; known are {', '.join(known)}.{hint}")
    return SPACES[key]


def mapping(source: str, target: str) -> ClassMap:
    """Which class of `target` every class of `source` is.

    Args:
        source, target: label sets or datasets.

    Raises:
        UserError: an unknown name, or two sets of which no class has a counterpart.
    """
    a, b = space(source), space(target)
    if a.name == b.name:
        classes: dict[str, str | None] = {name: name for name in a.classes}
    else:
        own = OF_ITS_OWN.get((a.name, b.name), {})
        classes = {name: own.get(name, _counterpart(a.concept(name), b)) for name in a.classes}
    if not any(classes.values()):
        raise UserError(
            f"no class of {a.name} has a counterpart in {b.name}: {', '.join(a.classes)} say too "
            f"little to be one of {', '.join(b.classes)}."
        )
    return ClassMap(a.name, b.name, b.classes, classes)


def _counterpart(concept: str, target: LabelSet) -> str | None:
    """The class of `target` that means `concept` or the nearest wider one."""
    names = {target.concept(label): label for label in target.classes}
    names |= {BROTHERS[c]: label for c, label in list(names.items()) if c in BROTHERS}
    chain = _chain(concept)
    if target.name == "va":
        chain = chain[:1] if chain[0] in names else [_quadrant(chain)]
    for wider in chain:
        for candidate in (wider, BROTHERS.get(wider)):
            if candidate in names:
                return names[candidate]
    return None


def _chain(concept: str) -> list[str]:
    chain = [concept]
    while (wider := PARENTS[chain[-1]]) is not None:
        chain.append(wider)
    return chain


def _quadrant(chain: list[str]) -> str:
    return next((QUADRANTS[concept] for concept in chain if concept in QUADRANTS), "")


def table(source: str, target: str) -> pd.DataFrame:
    """A map as a table with the columns ``label``, ``source`` and ``target``."""
    classes = mapping(source, target)
    rows = [(k, a, b or "(none)") for k, (a, b) in enumerate(classes.classes.items())]
    return pd.DataFrame(rows, columns=["label", classes.source, classes.target])


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
    predicted = _read_as(predictions[used], model)
    truth = truth[used]
    names = [model.target_classes[k] for k in reachable]
    recalls = recall_score(
        truth, predicted, labels=np.unique(truth), average="macro", zero_division=0
    )
    return {
        "mapping": [model.sentence(), data.sentence()],
        "classes": names,
        "images": int(used.sum()),
        "left_out": int((~used).sum()),
        "accuracy": float(accuracy_score(truth, predicted)),
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
    to = mapping(args.source, args.target)
    if args.json:
        print(json.dumps({"source": to.source, "target": to.target, "map": to.classes}))
        return 0
    print(table(args.source, args.target).to_string(index=False))
    if to.without:
        print(f"without counterpart in {to.target}: {', '.join(to.without)}")
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
    labels = {str(k): k for k in range(len(classes))} | {c: k for k, c in enumerate(classes)}
    odd = ~cells.str.lower().isin(labels)
    if odd.any():
        raise UserError(
            f"{file}, line {cells.index[odd][0]}: {cells[odd].iloc[0]!r} is no class; expected a "
            f"number from 0 to {len(classes) - 1} or one of {', '.join(classes)}."
        )
    return cells.str.lower().map(labels).to_numpy(np.int64)
