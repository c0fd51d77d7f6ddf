"""What stands for a category in the word space: vectors of its words, or a sentence's embedding."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from common.cli import UserError
from webemotion.text.tags import pad_tags

Words = Mapping[str, list[str]]
Rows = dict[str, np.ndarray]


def vector_rows(words: Words, vectors: Mapping[str, np.ndarray]) -> Rows:
    """Per category the vectors of its words, float32 [words, D].

    Raises:
        UserError: a word has no vector.
    """
    _refuse_unknown(words, vectors, "the embeddings")
    return {
        category: np.stack([np.asarray(vectors[word], dtype=np.float32).ravel() for word in own])
        for category, own in words.items()
    }


@torch.no_grad()
def sentence_rows(
    words: Words, model: nn.Module, tag2idx: Mapping[str, int], head: nn.Module | None = None
) -> Rows:
    """Per category one row: the embedding of its words as one padded sentence, float32 [1, D].

    Args:
        model: tokens -> embedding [1, D].
        tag2idx: word -> token id.
        head: the joint model's text head, whose projection is taken where it is given.
    """
    model.eval()
    out = {}
    for category, own in words.items():
        embedding = model(_tokens(own, model, tag2idx))
        if head is not None:
            embedding = head.eval()(embedding)[1]
        out[category] = embedding.numpy()
    return out


@torch.no_grad()
def word_feature_rows(words: Words, model: nn.Module, tag2idx: Mapping[str, int]) -> Rows:
    """Per category the ReLU'd features of its words, float32 [words, F]; a model of ``v2``."""
    model.eval()
    return {
        category: model.parts(_tokens(own, model, tag2idx))["feature"][0, : len(own)].numpy()
        for category, own in words.items()
    }


def _tokens(own: list[str], model: nn.Module, tag2idx: Mapping[str, int]) -> torch.Tensor:
    # The published code gives an unknown word the id V + 2, which the word table does not have.
    _refuse_unknown({"": own}, tag2idx, "the text model's dictionary")
    numbers = [tag2idx[word] for word in own]
    return torch.from_numpy(pad_tags([numbers], model.vocab_size, model.max_len))


def _refuse_unknown(words: Words, vocabulary: Mapping, source: str) -> None:
    lacking = sorted({word for own in words.values() for word in own if word not in vocabulary})
    if lacking:
        shown = ", ".join(lacking[:8]) + (" …" if len(lacking) > 8 else "")
        raise UserError(
            f"{len(lacking)} of the categories' words are not in {source}: {shown}. Use a text "
            "model or embeddings that know them."
        )
