"""A fixed split for datasets that were published without one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd

TEST_SHARE = 0.2
KEY_PARTS = 2  # folder and file name: the place a dataset was unpacked at does not matter


def hold_out(paths: Sequence[str], labels: np.ndarray, share: float = TEST_SHARE) -> np.ndarray:
    """Which images are the test split: of every class the share with the lowest hashes.

    The hash is of an image's folder and file name, so the split depends neither on the order of
    the images nor on a seed nor on the machine. A class of two images or more gives at least one
    and keeps at least one.

    Args:
        paths: of the images.
        labels: int64 [n].
        share: of every class.

    Returns:
        bool [n].
    """
    digests = [
        hashlib.sha1("/".join(p.replace("\\", "/").split("/")[-KEY_PARTS:]).encode()).hexdigest()
        for p in paths
    ]
    order = np.array(digests, dtype=object)
    test = np.zeros(len(digests), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        number = min(max(1, round(share * len(members))), len(members) - 1)
        test[members[np.argsort(order[members], kind="stable")[:number]]] = True
    return test


def with_own_split(table: pd.DataFrame, name: str) -> tuple[pd.DataFrame, str]:
    """`table` with the column ``split`` from :func:`hold_out`, and a note that says so."""
    test = hold_out(table["path"].tolist(), table["label"].to_numpy(np.int64))
    table = table.assign(split=np.where(test, "test", "train"))
    note = (
        f"{name} has no official split: {test.sum()} of {len(table)} images, the same share of "
        "every class and always the same images, are the test split"
    )
    return table, note
