"""Tags beside an image, read as the text side of a network takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from common.cli import UserError
from webemotion.lists import Entry, check_tags
from webemotion.plain_files import read_dictionary
from webemotion.text.checkpoint import TextCheckpoint
from webemotion.text.tags import average_embedding, ids_and_embedding, numbers_of, pad_tags

# One image's tags -> what the network's text side gets of them, by name.
Sentence = Callable[[list], dict[str, np.ndarray]]


def sentence_reader(
    kind: str | None, config, text: TextCheckpoint | None, entries: Sequence[Entry]
) -> Sentence | None:
    """How a loader reads tags, and a check that the list's tags can be read so.

    Args:
        kind: ``text`` of a :class:`Loader`.
        text: dictionaries of the text model, for ``tokens`` and ``both``.
        entries: the list.

    Raises:
        UserError: an unreadable dictionary, a list without tags, tags beyond the vocabulary.
    """
    if kind is None:
        return None
    if kind == "tokens":
        size, length = text.vocab_size, config.sent_len

        def ids(tags: list) -> list[int]:  # a word that the vocabulary lacks is number V
            return numbers_of(tags, text.tag2idx, size)

        tagged = [e if e.tags is None else e._replace(tags=ids(e.tags)) for e in entries]
        check_tags(tagged, size, config.train_file)
        return lambda tags: {"tokens": pad_tags([ids(tags)], size, length)[0]}
    without = next((entry.path for entry in entries if entry.tags is None), None)
    if without is not None:
        raise UserError(f"{config.train_file}: {without} has no tags, which this loader needs.")
    vectors = read_dictionary(config.text_embed, "words and their vectors")
    words = read_dictionary(config.idx2tag, "numbers and words", "idx2tag")
    try:
        idx2tag = {int(number): word for number, word in words.items()}
    except (TypeError, ValueError):
        raise UserError(f"{config.idx2tag} is no dictionary number -> word.") from None
    width = len(next(iter(vectors.values())))
    if width != config.word_dim:
        raise UserError(
            f"the vectors of {config.text_embed} have {width} numbers, but word_dim is "
            f"{config.word_dim}."
        )
    if kind == "average":
        return lambda tags: {"text_embedding": average_embedding(tags, idx2tag, vectors, width)}

    def both(tags: list) -> dict[str, np.ndarray]:
        sizes = (width, text.vocab_size, config.max_length)
        tokens, average = ids_and_embedding(tags, idx2tag, vectors, text.tag2idx, *sizes)
        return {"tokens": tokens, "text_embedding": average}

    return both
