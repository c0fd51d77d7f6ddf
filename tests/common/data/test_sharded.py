"""A pass over the images, shared out among processes."""

import pytest

from common.cli import UserError
from common.data.sharded import ShardedPassStream


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
