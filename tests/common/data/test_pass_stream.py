"""An epoch as one pass over the data, by one process or shared out among several."""

import pytest

from common.cli import UserError
from common.data.streams import PassStream, ShardedPassStream

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


def test_shares_together_are_the_pass_of_one_process():
    images = list(range(10))

    def keys(replicas: int, rank: int, batch: int, **settings) -> list[list[tuple[int, int]]]:
        return ShardedPassStream(images, batch, 5, replicas, rank, **settings).keys(3)

    whole, shares = keys(1, 0, 4), [keys(2, rank, 2) for rank in range(2)]
    assert len(whole) == 2
    for step, batch in enumerate(whole):
        assert sorted(batch) == sorted(shares[0][step] + shares[1][step])
    assert keys(1, 0, 4, reshuffle=False) != whole


def test_too_few_images_for_every_process_are_refused():
    with pytest.raises(UserError, match="batch of 5 in each of 3"):
        ShardedPassStream(list(range(10)), 5, 0, replicas=3, rank=0)
