"""SE30K8: what five workers said of an image, as shares of emotions and as one label.

Votes are counted by :mod:`common.datasets.readers.se30k8`.
"""

from __future__ import annotations

from pathlib import Path

from common.cli import UserError
from common.datasets.readers.se30k8 import LEAST_VOTES, shares
from webemotion.lists import Entry
from webemotion.plain_files import read_plain

KEY = "image_emotion"
EXPECTED = "a dictionary image -> [[emotion, …] of a worker, …]"

Votes = dict[str, list[list[str]]]


def read_annotations(path: Path) -> Votes:
    """Image -> votes, from JSON or a pickle.

    Either is a dictionary image -> ``[[emotion, …] of a worker, …]`` or, as released, image ->
    ``{"image_emotion": the same, …}``, or a list of such pairs.

    Raises:
        UserError: unreadable or empty file, or another form.
    """
    held = read_plain(path, EXPECTED)
    try:
        of_image = {k: v[KEY] if isinstance(v, dict) else v for k, v in dict(held).items()}
        votes = {str(image): [list(worker) for worker in of] for image, of in of_image.items()}
    except (TypeError, ValueError, KeyError):
        raise UserError(f"{path} holds no votes; expected {EXPECTED}.") from None
    texts = all(isinstance(v, str) for of in votes.values() for worker in of for v in worker)
    if not votes or not texts:
        raise UserError(f"{path} holds {'no texts' if votes else 'no votes'}; expected {EXPECTED}.")
    return votes


def labelled(votes: Votes, threshold: int = LEAST_VOTES) -> tuple[list[Entry], list[Entry]]:
    """(images with one label, all images with the shares of their votes).

    Args:
        threshold: votes that a class needs to be an image's one label.

    Raises:
        UserError: names the image for which nobody voted, or whose emotion is no class.
    """
    single, multi = [], []
    for image, workers in votes.items():
        if not any(workers):
            raise UserError(f"{image}: nobody named an emotion.")
        label, share = shares(workers, threshold, image)
        multi.append(Entry(image, share.tolist()))
        if label >= 0:
            single.append(Entry(image, label))
    return single, multi
