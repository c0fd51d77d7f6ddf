"""SE30K8: what five workers said of an image, as shares of emotions and as one label."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.cli import UserError
from common.data import pickles
from common.datasets.readers.se30k8 import LEAST_VOTES, shares
from webemotion.lists import Entry

DROPPED = -1
KEY = "image_emotion"

Votes = Sequence[Sequence[str]]


def vote_labels(votes: Votes, threshold: int = LEAST_VOTES, where: str = "image"):
    """An image's labels.

    Args:
        votes: per worker the emotions that this worker named.
        threshold: votes that a class needs to be the image's one label.
        where: the image, for messages.

    Returns:
        (shares of all votes float64 [8], class with most votes or −1 where it has too few). Of
        classes with equally many votes, the one named first wins.

    Raises:
        UserError: nobody voted, or an emotion is no class.
    """
    if not any(votes):
        raise UserError(f"{where}: nobody named an emotion.")
    label, share = shares(votes, threshold, where)
    return np.asarray(share), label


def read_annotations(path: str | Path) -> dict[str, list[list[str]]]:
    """Image -> votes, from JSON or a pickle.

    Either is a dictionary image -> ``[[emotion, …] of a worker, …]`` or, as released, image ->
    ``{"image_emotion": the same, …}``, or a list of such pairs.

    Raises:
        UserError: unreadable or empty file, or another form.
    """
    path = Path(path)
    if path.suffix == ".json":
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"the annotations {path} cannot be read ({error}).") from None
    else:
        held = pickles.load(path, "votes per image")
    expected = "a dictionary image -> [[emotion, …] of a worker, …]"
    try:
        pairs = dict(held).items()
        of_image = {str(k): v[KEY] if isinstance(v, dict) else v for k, v in pairs}
        votes = {image: [list(worker) for worker in of] for image, of in of_image.items()}
    except (TypeError, ValueError, KeyError):
        raise UserError(f"{path} holds no votes; expected {expected}.") from None
    texts = all(isinstance(v, str) for of in votes.values() for worker in of for v in worker)
    if not votes or not texts:
        raise UserError(f"{path} holds {'no texts' if votes else 'no votes'}; expected {expected}.")
    return votes


def labelled(
    annotations: dict[str, list[list[str]]], threshold: int = LEAST_VOTES
) -> tuple[list[Entry], list[Entry]]:
    """(images with one label, all images with the shares of their votes).

    Raises:
        UserError: names the image whose votes cannot be counted.
    """
    single, all_shares = [], []
    for image, votes in annotations.items():
        share, label = vote_labels(votes, threshold, image)
        all_shares.append(Entry(image, share.tolist()))
        if label != DROPPED:
            single.append(Entry(image, label))
    return single, all_shares
