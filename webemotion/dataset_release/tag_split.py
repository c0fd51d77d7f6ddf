"""StockEmotion: tags of web images to labels of 690 emotion tags, in a training and a test list."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from common.cli import UserError
from common.data import pickles
from common.files import read_text
from webemotion.class_names import stockemotion690
from webemotion.images import train_val_split
from webemotion.lists import Entry

FORMS = ("labels", "full_tag", "idxcount")


def read_tags(path: Path) -> dict[str, list]:
    """Image -> tags, words or numbers of the vocabulary.

    From JSON Lines with ``path`` and ``tags``, or a pickle: a dictionary, or a list of ``[path,
    [tags]]``.

    Raises:
        UserError: unreadable or empty file, or another form.
    """
    if not path.is_file():
        raise UserError(f"the tag list {path} does not exist.")
    try:
        if path.suffix == ".jsonl":
            text = read_text(path, "a tag list in JSON Lines")
            lines = [json.loads(x) for x in text.splitlines() if x]
            pairs = {row["path"]: row["tags"] for row in lines}
        else:
            pairs = dict(pickles.load(path, "[path, [tags]] entries"))
        tags = {str(image): list(of) for image, of in pairs.items()}
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{path} is no tag list ({error}); expected [path, [tags]] entries, or JSON Lines with "
            '"path" and "tags".'
        ) from None
    if not tags:
        raise UserError(f"the tag list {path} is empty.")
    return tags


def class_entries(
    tags: Mapping[str, Sequence], form: str, classes: Mapping[str, int] | None = None
) -> list[Entry]:
    """Images with the classes that their tags name; an image without any is left out.

    Args:
        tags: image -> tags.
        form: ``labels``: the classes, each once, in the order of the tags; ``full_tag``: these and
            all tags; ``idxcount``: pairs of class and how often it stands among the tags.
        classes: class name -> its number in the vocabulary, in class order; None: the 690.
    """
    classes = stockemotion690() if classes is None else classes
    numbers = {name: k for k, name in enumerate(classes)}
    numbers |= {number: k for k, number in enumerate(classes.values())}
    out = []
    for image, own in tags.items():
        named = [numbers[tag] for tag in own if tag in numbers]
        once = list(dict.fromkeys(named))
        if not once:
            continue
        if form == "idxcount":
            out.append(Entry(image, [[k, named.count(k)] for k in once]))
        else:
            out.append(Entry(image, once, list(own) if form == "full_tag" else None))
    return out


def split(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """(train, test): shuffled by Python's generator seeded 0, a tenth is the test list.

    Raises:
        UserError: fewer than ten images.
    """
    if len(entries) < 10:
        raise UserError(f"{len(entries)} images have an emotion tag; a tenth of them is no image.")
    train, test = train_val_split(len(entries))
    return [entries[k] for k in train], [entries[k] for k in test]
