"""Tag sentences as the networks take them: padded, thinned, averaged."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np

DROP = 0.2


def numbers_of(tags: Sequence[int | str], tag2idx: Mapping[str, int], unknown: int) -> list[int]:
    """Tags as token ids; a word that is not known is `unknown`, and a number stays."""
    return [tag if isinstance(tag, int) else tag2idx.get(tag, unknown) for tag in tags]


def pad_tags(sentences: Sequence[Sequence[int]], vocab_size: int, max_len: int) -> np.ndarray:
    """Cut every sentence to `max_len`, or fill it up on the right with ``vocab_size + 1``.

    Returns:
        int64 [sentences, max_len].
    """
    tokens = np.full((len(sentences), max_len), vocab_size + 1, dtype=np.int64)
    for row, sentence in zip(tokens, sentences, strict=True):
        kept = sentence[:max_len]
        row[: len(kept)] = kept
    return tokens


def tag_dropout(
    sentences: Sequence[Sequence[int]],
    vocab_size: int,
    max_len: int,
    drop: float = DROP,
    generator: random.Random | None = None,
) -> np.ndarray:
    """Leave every word out with the probability `drop`, then :func:`pad_tags`.

    Draws one number of Python's global generator a word, sentence by sentence; the word stays where
    it is at least `drop`.

    Args:
        generator: draw from this one instead.

    Returns:
        int64 [sentences, max_len].
    """
    draw = (generator or random).uniform
    kept = [[word for word in s if draw(0, 1) >= drop] for s in sentences]
    return pad_tags(kept, vocab_size, max_len)


def average_embedding(
    sentence: Sequence[int],
    idx2tag: Mapping[int, str],
    embeddings: Mapping[str, np.ndarray],
    dim: int,
) -> np.ndarray:
    """Mean word vector of a sentence; a repeated word counts as often as it stands there.

    Numbers without a word and words without a vector are left out. Where nothing is left, the
    vector is drawn: ``np.random.randn(dim)``.

    Returns:
        float32 [dim].
    """
    words = (idx2tag[number] for number in sentence if number in idx2tag)
    vectors = [embeddings[word] for word in words if word in embeddings]
    if not vectors:
        return np.random.randn(dim).astype(np.float32)
    return np.mean(vectors, axis=0).astype(np.float32)


def ids_and_embedding(
    sentence: Sequence[int],
    idx2tag: Mapping[int, str],
    embeddings: Mapping[str, np.ndarray],
    tag2cls: Mapping[str, int],
    dim: int,
    vocab_size: int,
    max_len: int,
) -> tuple[np.ndarray, np.ndarray]:
    """A sentence for the text classifier, and its :func:`average_embedding`.

    The average takes every known word, whether or not the classifier knows it.

    Args:
        tag2cls: word -> the classifier's id of it.
        vocab_size: of the classifier.

    Returns:
        (int64 [max_len], float32 [dim]).
    """
    words = [idx2tag[number] for number in sentence if number in idx2tag]
    ids = [tag2cls[word] for word in words if word in tag2cls]
    tokens = pad_tags([ids], vocab_size, max_len)[0]
    return tokens, average_embedding(sentence, idx2tag, embeddings, dim)
