"""One pass an epoch, shared out among the processes of a training."""

from __future__ import annotations

import torch
from torch.utils.data import Dataset, DistributedSampler

from common.cli import UserError
from common.data.streams import SampledStream


class ShardedPassStream(SampledStream):
    """An epoch is one shuffled pass; every process gets each `replicas`-th image of it.

    The order is torch's ``DistributedSampler``'s, whose own seed is 0: it is padded with its first
    images until the processes have equally many. Incomplete last batches are left out. How an
    image is augmented follows from (seed, epoch, image), so it does not depend on the process.

    Args:
        dataset, batch_size, seed, workers, pin_memory: as for :class:`SampledStream`; `batch_size`
            is a process's.
        replicas, rank: processes, and which one this is.
        reshuffle: another order every epoch; False keeps the first one for all.

    Raises:
        UserError: the images do not fill one batch of every process.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        seed: int,
        replicas: int = 1,
        rank: int = 0,
        reshuffle: bool = True,
        workers: int = 0,
        pin_memory: bool = False,
    ):
        self.reshuffle = reshuffle
        self._sampler = DistributedSampler(dataset, replicas, rank, shuffle=True)
        steps = len(self._sampler) // batch_size
        if steps == 0:
            raise UserError(
                f"{len(dataset)} images do not fill a batch of {batch_size} in each of {replicas} "
                "process(es); give a smaller --batch_size."
            )
        super().__init__(dataset, batch_size, steps, seed, workers, pin_memory)

    def keys(self, epoch: int) -> list[list[tuple[int, int]]]:
        """(index, item seed) of every item of every batch of an epoch."""
        self._sampler.set_epoch(epoch if self.reshuffle else 0)
        order = list(self._sampler)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        seeds = torch.randint(2**31, (len(self.dataset),), generator=generator).tolist()
        items = [(i, seeds[i]) for i in order]
        return [items[k * self.batch_size : (k + 1) * self.batch_size] for k in range(self.steps)]

    def state(self) -> dict:
        """As :meth:`SampledStream.state`; the order is another."""
        order = "a new pass an epoch" if self.reshuffle else "the same pass every epoch"
        return {**super().state(), "order": order, "replicas": self._sampler.num_replicas}
