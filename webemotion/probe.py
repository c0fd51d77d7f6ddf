"""What frozen features are worth: a linear classifier and k nearest neighbours on them."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from common.cli import UserError
from webemotion.feature_files import Features
from webemotion.lists import classes_of
from webemotion.zero_shot_scores import mean_average_precision

STEPS = 1000


def evaluate(train: Features, test: Features, k: int = 5, c: float = 1.0, seed: int = 0) -> dict:
    """Fit on `train`, judge on `test`.

    Single labels: ``top1`` and ``macro_f1`` of logistic regression on standardised features
    (``linear``) and of the majority among k neighbours by cosine (``knn``). Label lists:
    ``mean_ap`` over the classes that the test list shows, one classifier a class.

    Args:
        k: neighbours.
        c: inverse strength of the linear probe's L2 penalty.
        seed: of the solver.

    Returns:
        ``linear``, ``knn``, ``majority`` (the most frequent class; absent for label lists),
        ``train`` and ``test`` (images) and ``features`` (their width). Shares in 0..1.

    Raises:
        UserError: features of different widths, labels of different kinds, fewer than two classes,
            or fewer training images than neighbours.
    """
    if train.values.shape[1] != test.values.shape[1]:
        raise UserError(
            f"the features are {train.values.shape[1]} and {test.values.shape[1]} wide; they are "
            "of different networks."
        )
    if len(train.values) < k:
        raise UserError(f"{len(train.values)} training images are fewer than {k} neighbours.")
    single = {isinstance(label, int) for label in (*train.labels, *test.labels)}
    if len(single) > 1:
        raise UserError("some images have one class and others a list of classes.")
    linear = make_pipeline(
        StandardScaler(), LogisticRegression(C=c, max_iter=STEPS, random_state=seed)
    )
    neighbours = KNeighborsClassifier(k, metric="cosine")
    score = _single if single == {True} else _multi
    report = score(train, test, {"linear": linear, "knn": neighbours})
    sizes = {"train": len(train.values), "test": len(test.values)}
    return {**report, **sizes, "features": train.values.shape[1], "k": k, "c": c}


def _single(train: Features, test: Features, models: dict) -> dict:
    known, wanted = np.array(train.labels), np.array(test.labels)
    classes, numbers = np.unique(known, return_counts=True)
    if len(classes) < 2:
        raise UserError("the training list has one class; a classifier needs two.")
    out: dict = {"majority": float((wanted == classes[numbers.argmax()]).mean())}
    for name, model in models.items():
        said = model.fit(train.values, known).predict(test.values)
        macro = f1_score(wanted, said, average="macro", zero_division=0)
        out[name] = {"top1": float((said == wanted).mean()), "macro_f1": float(macro)}
    return out


def _multi(train: Features, test: Features, models: dict) -> dict:
    number = 1 + max(max(classes_of(v), default=0) for v in (*train.labels, *test.labels))
    known, wanted = _hot(train, number), _hot(test, number)
    # A class that every training image shows, or none, leaves nothing to learn.
    learnable = np.flatnonzero(known.any(axis=0) & ~known.all(axis=0))
    if not len(learnable):
        raise UserError("no class of the training list is shown by some images and not by others.")
    out = {}
    for name, model in models.items():
        fitted = OneVsRestClassifier(model).fit(train.values, known[:, learnable])
        scores = fitted.predict_proba(test.values)
        scores = scores if len(learnable) > 1 else scores[:, -1:]
        out[name] = {"mean_ap": mean_average_precision(wanted[:, learnable], scores)[1]}
    return out


def _hot(features: Features, number: int) -> np.ndarray:
    hot = np.zeros((len(features.labels), number), dtype=np.int64)
    for row, label in zip(hot, features.labels, strict=True):
        row[classes_of(label)] = 1
    return hot


def told(report: dict) -> str:
    """The result in lines."""
    lines = [
        f"{name}: " + ", ".join(f"{metric} {value:.2%}" for metric, value in report[name].items())
        for name in ("linear", "knn")
    ]
    if "majority" in report:
        lines.append(f"most frequent class: top1 {report['majority']:.2%}")
    return "\n".join([*lines, f"{report['train']} training and {report['test']} test images"])
