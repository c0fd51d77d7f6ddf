"""Zero-shot evaluation as arithmetic: projected images against label words (paper, section 5.4)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics.pairwise import cosine_similarity

from common.cli import UserError
from webemotion.metrics import average_precision


@dataclass(frozen=True)
class Nearest:
    """Which label word every image is nearest to.

    Attributes:
        label_words: the words of the dictionary that are class names, in the dictionary's order.
        label_similarity: cosines float32 [N, labels].
        pred_index: int64 [N], positions in `label_words`.
    """

    label_words: list[str]
    label_similarity: np.ndarray
    pred_index: np.ndarray

    @property
    def pred_word(self) -> list[str]:
        """The label word of every image."""
        return [self.label_words[k] for k in self.pred_index]

    def accuracy(self, targets: Sequence[int]) -> float:
        """Share of images whose `pred_index` equals the target, as published.

        The target counts class names in alphabetical order and `pred_index` in the dictionary's
        order: the number means something only where the dictionary is sorted and complete.
        """
        return float(np.mean(self.pred_index == np.asarray(targets)))

    def accuracy_by_name(self, targets: Sequence[int], classes: Sequence[str]) -> float:
        """Share of images whose label word is the target's class name, in whatever order."""
        names = [classes[k] for k in targets]
        return float(
            np.mean([word == name for word, name in zip(self.pred_word, names, strict=True)])
        )


def nearest_label(
    projected: np.ndarray, words: Sequence[str], vectors: np.ndarray, classes: Sequence[str]
) -> Nearest:
    """Compare images with the words of a dictionary.

    Args:
        projected: images in the word space, [N, D].
        words: keys of the dictionary, in its order.
        vectors: their vectors [T, D].
        classes: class names; those that the dictionary lacks cannot be predicted.

    Raises:
        UserError: the dictionary has none of the class names.
    """
    numbers = [k for k, word in enumerate(words) if word in set(classes)]
    if not numbers:
        raise UserError(
            f"the embeddings know none of the class names {', '.join(classes)}; embed them with "
            "`python -m webemotion.text.embed`."
        )
    similarity = cosine_similarity(projected, vectors[numbers])
    return Nearest([words[k] for k in numbers], similarity, similarity.argmax(axis=1))


def category_scores(projected: np.ndarray, rows: Mapping[str, np.ndarray]) -> np.ndarray:
    """Mean cosine of every image with a category's target rows.

    Args:
        projected: [N, D].
        rows: category -> [words, D].

    Returns:
        float32 [N, categories], in the order of `rows`.
    """
    columns = [cosine_similarity(projected, matrix).mean(axis=1) for matrix in rows.values()]
    return np.stack(columns, axis=1).astype(np.float32)


def best_word_score(projected: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Cosine of images [N, D] with the nearest of a category's words [words, D]: float32 [N]."""
    return cosine_similarity(projected, matrix).max(axis=1).astype(np.float32)


def mean_average_precision(
    labels: np.ndarray, scores: np.ndarray, absent_as_zero: bool = False
) -> tuple[np.ndarray, float]:
    """Average precision per category, and its mean.

    Args:
        labels: 0/1 [N, categories].
        scores: [N, categories].
        absent_as_zero: a category that no image shows counts 0, as today's scikit-learn has it;
            by default it is NaN, as in the authors' time, and left out of the mean.

    Returns:
        (float64 [categories], mean); the mean is NaN where no category is shown.
    """
    ap = average_precision(labels, scores, absent=0.0 if absent_as_zero else np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing is NaN
        return ap, float(np.nanmean(ap))
