"""Which images are the same picture, and which nearly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BANDS = 4  # of 16 bits; two hashes that differ in fewer bits than this agree in one band
CLOSE = 4.0  # grey levels (of 255) that the thumbnails of near-duplicates differ by at most
CROWDED = 400  # images with one band in common, above which they are not compared
PARTNERS = 20  # pairs that are listed of one test image


@dataclass(frozen=True)
class Leaks:
    """Test images that stand outside the test split too.

    Attributes:
        test_images: how many.
        pairs: int64 [m, 2], (position of the test image, position of the other one).
        left_out: pairs beyond :data:`PARTNERS` an image.
    """

    test_images: int
    pairs: np.ndarray
    left_out: int = 0


def groups(pixels: np.ndarray) -> np.ndarray:
    """int64 [n]: equal numbers for equal pictures, -1 for None."""
    readable = np.array([p is not None for p in pixels], dtype=bool)
    numbers = np.full(len(pixels), -1, np.int64)
    if readable.any():
        keys = np.array([p.hex() for p in pixels[readable]])
        numbers[readable] = np.unique(keys, return_inverse=True)[1]
    return numbers


def repeated(group: np.ndarray) -> np.ndarray:
    """bool [n]: the picture stands earlier in the list already."""
    first = np.zeros(len(group), bool)
    first[np.unique(group, return_index=True)[1]] = True
    return ~first & (group >= 0)


def leaks(group: np.ndarray, test: np.ndarray) -> Leaks:
    """Test images whose picture also stands elsewhere.

    Args:
        group: int64 [n] of :func:`groups`.
        test: bool [n], the test images; the others are what is trained or validated on.
    """
    others: dict[int, list[int]] = {}
    for i in np.flatnonzero(~test & (group >= 0)):
        others.setdefault(int(group[i]), []).append(int(i))
    pairs, leaking, left_out = [], 0, 0
    for i in np.flatnonzero(test & (group >= 0)):
        partners = others.get(int(group[i]), [])
        leaking += bool(partners)
        left_out += max(0, len(partners) - PARTNERS)
        pairs += [(int(i), other) for other in partners[:PARTNERS]]
    return Leaks(leaking, np.array(pairs, np.int64).reshape(-1, 2), left_out)


def conflicts(group: np.ndarray, label: np.ndarray) -> np.ndarray:
    """int64 [m, 2]: a picture's first place and a later one with another label."""
    first: dict[int, int] = {}
    pairs = []
    for i, number in enumerate(group):
        if number < 0:
            continue
        start = first.setdefault(int(number), i)
        if label[start] != label[i]:
            pairs.append((start, i))
    return np.array(pairs, np.int64).reshape(-1, 2)


def near_pairs(hashes: np.ndarray, tiny: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, int]:
    """Pairs of pictures that differ by little more than compression, scale or brightness.

    Two pictures are near when their hashes differ in fewer than four of 64 bits and their
    thumbnails by at most four grey levels on average. Equal pictures are not listed: the first of
    them stands for all.

    Args:
        hashes: uint64 [n].
        tiny: uint8 [n, 16, 16].
        group: int64 [n] of :func:`groups`.

    Returns:
        (int64 [m, 2] positions, first below second; number of images that were not compared in
        one band or more, because too many share it).
    """
    picked = np.flatnonzero((group >= 0) & ~repeated(group))
    candidates, crowded = [], np.zeros(len(picked), bool)
    for band in range(BANDS):
        keys = (hashes[picked] >> np.uint64(16 * band)) & np.uint64(0xFFFF)
        order = np.argsort(keys, kind="stable")
        _, inverse, sizes = np.unique(keys, return_inverse=True, return_counts=True)
        full = sizes[inverse] > CROWDED
        crowded |= full
        candidates.append(_pairs_of_equal(keys, order[~full[order]]))
    pairs = np.unique(np.concatenate(candidates), axis=0) if candidates else np.empty((0, 2), int)
    pairs = np.sort(picked[pairs], axis=1)
    differing = _bits(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])
    pairs = pairs[differing < BANDS]
    difference = np.abs(tiny[pairs[:, 0]].astype(np.int16) - tiny[pairs[:, 1]])
    return pairs[difference.mean(axis=(1, 2)) <= CLOSE], int(crowded.sum())


def _bits(values: np.ndarray) -> np.ndarray:
    """int64 [n]: how many bits of a uint64 are set."""
    return np.unpackbits(values.view(np.uint8).reshape(len(values), 8), axis=1).sum(axis=1)


def _pairs_of_equal(keys: np.ndarray, order: np.ndarray) -> np.ndarray:
    """int64 [m, 2]: all pairs of positions with equal keys; `order` sorts them."""
    parts, shift = [], 1
    ranked = keys[order]
    while shift < len(order):
        same = np.flatnonzero(ranked[shift:] == ranked[:-shift])
        if not len(same):
            break
        parts.append(np.stack([order[same], order[same + shift]], axis=1))
        shift += 1
    pairs = np.concatenate(parts) if parts else np.empty((0, 2), np.int64)
    return np.sort(pairs, axis=1)
