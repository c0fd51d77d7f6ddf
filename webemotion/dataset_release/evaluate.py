"""Predictions against what SE30K8's workers said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from sklearn.metrics import f1_score, recall_score

from common.cli import UserError
from webemotion.class_names import SE30K8
from webemotion.dataset_release.votes import DROPPED, vote_labels
from webemotion.zero_shot_scores import mean_average_precision


def read_predictions(path: Path) -> dict[str, np.ndarray]:
    """Image -> scores float64 [8], from JSON Lines with ``path`` and ``scores`` or ``label``.

    A ``label`` (class number or name) counts as a score of 1.

    Raises:
        UserError: unreadable file, or a line of another form.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"the predictions {path} cannot be read ({error}).") from None
    out = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            out[str(row["path"])] = _scores(row)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise UserError(
                f'{path}, line {number}, is no prediction ({error!r}); expected "path" and '
                f'"scores" ({len(SE30K8)} numbers) or "label".'
            ) from None
    if not out:
        raise UserError(f"the predictions {path} are empty.")
    return out


def _scores(row: dict) -> np.ndarray:
    if "scores" in row:
        scores = np.asarray(row["scores"], dtype=np.float64)
        if scores.shape != (len(SE30K8),):
            raise ValueError(f"{scores.size} scores")
        return scores
    label = row["label"]
    scores = np.zeros(len(SE30K8))
    scores[SE30K8.index(label) if isinstance(label, str) else int(label)] = 1
    return scores


def evaluate(
    predictions: dict[str, np.ndarray], annotations: dict[str, list[list[str]]], threshold: int
) -> dict:
    """Agreement with the annotations, over the images that have both.

    Returns:
        ``images`` and, over all of them, ``hit`` (somebody named the predicted class) and
        ``mean_ap`` with ``ap`` per class (a class is positive where anybody named it); over the
        ``agreed`` images that have one label, ``top1``, ``balanced_accuracy`` and ``macro_f1``.
        Shares in 0..1.

    Raises:
        UserError: no image has both.
    """
    images = [image for image in annotations if image in predictions]
    if not images:
        raise UserError("no image of the annotations has a prediction; do their paths agree?")
    rows = [vote_labels(annotations[image], threshold, image) for image in images]
    shares, labels = np.stack([r[0] for r in rows]), np.array([r[1] for r in rows])
    scores = np.stack([predictions[image] for image in images])
    predicted = scores.argmax(axis=1)
    ap, mean_ap = mean_average_precision((shares > 0).astype(np.int64), scores)
    agreed = labels != DROPPED
    report = {
        "images": len(images),
        "without_prediction": len(annotations) - len(images),
        "hit": float((shares[np.arange(len(images)), predicted] > 0).mean()),
        "mean_ap": mean_ap,
        "ap": {name: float(value) for name, value in zip(SE30K8, ap, strict=True)},
        "agreed": int(agreed.sum()),
    }
    if agreed.any():
        true, said = labels[agreed], predicted[agreed]
        over = {"labels": np.unique(true), "average": "macro", "zero_division": 0}
        report["top1"] = float((true == said).mean())
        report["balanced_accuracy"] = float(recall_score(true, said, **over))
        report["macro_f1"] = float(f1_score(true, said, **over))
    return report
