"""Adapters of the webemotion kinds about zero-shot evaluation."""

from __future__ import annotations

import numpy as np
from sklearn.metrics.pairwise import cosine_similarity

from benchmarks.parity.cases import Case, adapter
from benchmarks.parity.measure import fill_state_dict
from webemotion import class_names
from webemotion import zero_shot_scores as scores
from webemotion.metrics import average_precision
from webemotion.text import models
from webemotion.zero_shot_words import sentence_rows, vector_rows, word_feature_rows

CLASSES = {
    "unbiased": class_names.CLASSES["unbiasedemo"],
    "deepemotion": class_names.CLASSES["deepemotion"],
}


@adapter("webemotion/zero_shot")
def zero_shot(case: Case) -> dict:
    """Every variant: nearest label word, or a score per category and its average precision."""
    variant = case.params["variant"]
    if variant in CLASSES:
        return _nearest(case)
    if variant == "emotic_word_max":
        return _word_max(case)
    return _emotic(case)


def _nearest(case: Case) -> dict:
    p = case.params
    found = scores.nearest_label(
        case.inputs["proj"], p["words"], case.inputs["word_vectors"], CLASSES[p["variant"]]
    )
    tags = cosine_similarity(case.inputs["proj"], case.inputs["word_vectors"])
    return {
        "label_words": np.array(found.label_words, dtype=np.str_),
        "label_similarity": found.label_similarity,
        "tag_similarity": tags,
        "pred_index": found.pred_index,
        "pred_word": np.array(found.pred_word, dtype=np.str_),
        "top10": np.argsort(-tags, axis=1, kind="stable")[:, :10],
        "accuracy": np.float64(found.accuracy(p["targets"])),
    }


def _word_max(case: Case) -> dict:
    p = case.params
    values = scores.best_word_score(case.inputs["proj"], case.inputs["word_vectors"])
    labels = _labels(p["annotations"], [p.get("category", "Peace")])
    (ap,) = average_precision(labels, values[:, None], absent=np.nan)
    return {"scores": values, "labels": labels[:, 0], "ap": ap}


def _labels(annotations: list[list[str]], categories: list[str]) -> np.ndarray:
    """Which categories every image shows: int64 [N, categories] of 0 and 1."""
    return np.array([[int(c in shown) for c in categories] for shown in annotations], np.int64)


def _emotic(case: Case) -> dict:
    p, projected = case.params, case.inputs["proj"]
    words = {c: p["category_words"][c].split(",") for c in p["categories"]}
    rows = _target_rows(case, words, projected.shape[1])
    values = scores.category_scores(projected, rows)
    labels = _labels(p["annotations"], p["categories"])
    ap, mean_ap = scores.mean_average_precision(labels, values)
    modern, mean_modern = scores.mean_average_precision(labels, values, absent_as_zero=True)
    return {
        "ap": ap,
        "mean_ap": np.float64(mean_ap),
        "ap_modern": modern,
        "mean_ap_modern": np.float64(mean_modern),
        "scores": values,
        "labels": labels,
        "target_rows": np.array([len(matrix) for matrix in rows.values()], dtype=np.int64),
    }


def _target_rows(case: Case, words: dict[str, list[str]], width: int) -> dict[str, np.ndarray]:
    p = case.params
    if p["variant"] in ("emotic_word_avg", "emotic_raw"):
        vectors = dict(zip(p["words"], case.inputs["word_vectors"], strict=True))
        return vector_rows(words, vectors)
    numbers = {word: k for k, word in enumerate(p["words"])}
    featured = p["variant"] == "emotic_word_feature"
    kind = ("v2", "TextCNN_NLT") if featured else ("dan2", "CNN_Embed_v2")
    text = models.build(*kind, len(numbers), p["max_len"], width, width, 8)
    fill_state_dict(text, p["fill_seed"])
    if featured:
        return word_feature_rows(words, text, numbers)
    head = None
    if p["variant"] == "emotic_sentence_joint":
        head = models.build("dan2", "Text_Transformation", 0, 0, width, width, 8)
        fill_state_dict(head, p["fill_seed_transformation"])
    return sentence_rows(words, text, numbers, head)
