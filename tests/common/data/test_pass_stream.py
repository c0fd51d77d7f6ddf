"""An epoch as one pass over the data."""

import pytest

from common.cli import UserError
from common.data.streams import PassStream

ITEMS = range(7)


def indices(stream: PassStream, epoch: int) -> list[list[int]]:
    return [[index for index, _ in batch] for batch in stream.keys(epoch)]


def test_every_item_once_in_a_new_order_without_the_incomplete_batch():
    stream = PassStream(ITEMS, 3, seed=0)
    assert stream.steps == 2
    first, second = indices(stream, 0), indices(stream, 1)
    assert first != second and indices(PassStream(ITEMS, 3, seed=0), 0) == first
    assert all(len({i for batch in epoch for i in batch}) == 6 for epoch in (first, second))


def test_whole_pass_in_order():
    stream = PassStream(ITEMS, 3, seed=0, drop_last=False, shuffle=False)
    assert indices(stream, 0) == [[0, 1, 2], [3, 4, 5], [6]]


def test_less_than_a_batch_is_refused():
    with pytest.raises(UserError, match="7 images do not fill a batch of 8"):
        PassStream(ITEMS, 8, seed=0)
    assert PassStream(ITEMS, 8, seed=0, drop_last=False).steps == 1
