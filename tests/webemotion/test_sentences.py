"""Tags beside an image as the text side reads them."""

import types

import pytest

from common.cli import UserError
from webemotion.lists import Entry
from webemotion.sentences import sentence_reader


def test_words_beyond_the_vocabulary_are_the_unknown_word(config):
    text = types.SimpleNamespace(tag2idx={"a": 0, "b": 1}, vocab_size=2)
    entries = [Entry("0.png", [0], ["b", "zebra"])]
    read = sentence_reader("tokens", config, text, entries)
    assert read(entries[0].tags)["tokens"].tolist() == [1, 2, 3, 3, 3]
    with pytest.raises(UserError, match="no tags"):
        sentence_reader("tokens", config, text, [Entry("0.png", [0])])
