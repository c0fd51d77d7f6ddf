"""The dictionary of tags: word -> number, read from a file or made from a list of words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common.cli import UserError
from webemotion import plain_files
from webemotion.lists import Entry
from webemotion.text.tags import numbers_of


def read_dictionary(
    path: str | Path | None, entries: Sequence[Entry], source: str | Path
) -> dict[str, int]:
    """Word -> number, 0 to V − 1.

    Args:
        path: pickle or JSON of a dictionary word -> number (or number -> word); None makes one of
            the words of `entries`, in alphabetical order.
        entries: the list whose tags are meant.
        source: name of that list, for messages.

    Raises:
        UserError: unreadable file, numbers that do not run from 0, or tags that are numbers and no
            dictionary.
    """
    if path is None:
        return _from_words(entries, source)
    held = plain_files.read_dictionary(path, "words; expected word -> number", "tag2idx", "idx2tag")
    pairs = {(w, n) if isinstance(n, int) else (n, w) for w, n in held.items()}
    try:
        words = {str(word): int(number) for word, number in pairs}
    except (TypeError, ValueError):
        raise UserError(f"{path} is no dictionary word -> number.") from None
    if sorted(words.values()) != list(range(len(words))):
        raise UserError(
            f"{path}: the numbers of its {len(words)} words do not run from 0 to {len(words) - 1}."
        )
    return dict(sorted(words.items(), key=lambda pair: pair[1]))


def _from_words(entries: Sequence[Entry], source: str | Path) -> dict[str, int]:
    tags = {tag for entry in entries for tag in entry.tags or ()}
    if not tags or any(isinstance(tag, int) for tag in tags):
        form = "numbers" if tags else "absent"
        raise UserError(
            f"the tags of {source} are {form}, so the words are not known; give their dictionary "
            "by --tag2idx."
        )
    return {word: number for number, word in enumerate(sorted(tags))}


def numbered(entries: Sequence[Entry], tag2idx: dict[str, int]) -> list[Entry]:
    """The same entries with tags as numbers; a word that is not known gets the number V."""
    unknown = len(tag2idx)
    return [e._replace(tags=numbers_of(e.tags or (), tag2idx, unknown)) for e in entries]
