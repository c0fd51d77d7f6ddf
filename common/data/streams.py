"""Streams: endless, resumable sources of batches, and the loaders that evaluation reads."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
)

from common.cli import UserError


class _EpochBatches:
    """Batch sampler over the keys of one epoch; the loader's workers outlive it."""

    def __init__(self):
        self.keys: list[list[tuple[int, int]]] = []

    def __iter__(self):
        return iter(self.keys)

    def __len__(self) -> int:
        return len(self.keys)


class SampledStream:
    """Batches drawn with replacement, the same number every epoch.

    What an epoch holds, and the augmentation of every item, follows from (seed, epoch) alone: a
    training that was stopped goes on with the batches it would have had.

    Args:
        dataset: served by keys ``(index, seed)``.
        batch_size: items a batch.
        steps: batches an epoch.
        seed: of this stream; streams of one run need different ones.
        workers: loader processes, kept for the whole training.
        pin_memory: page-locked batches, for CUDA.
        collate: makes a batch of a list of items; None: torch's own.
    """

    drop_last = True

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        steps: int,
        seed: int,
        workers: int = 0,
        pin_memory: bool = False,
        collate: Callable[[list], dict] | None = None,
    ):
        self.dataset, self.batch_size, self.steps, self.seed = dataset, batch_size, steps, seed
        self.published = getattr(dataset, "published", False)
        self._options = {"num_workers": workers, "pin_memory": pin_memory, "collate_fn": collate}
        self._epoch = _EpochBatches()
        self._loader = DataLoader(
            dataset,
            batch_sampler=self._epoch,
            num_workers=workers,
            pin_memory=pin_memory,
            persistent_workers=workers > 0,
            worker_init_fn=quiet_worker,
            generator=torch.Generator(),  # else every pass would draw from the global one
            collate_fn=collate,
        )

    def _draw(self, total: int, generator: torch.Generator) -> list[int]:
        """`total` positions in the dataset."""
        return list(
            RandomSampler(self.dataset, replacement=True, num_samples=total, generator=generator)
        )

    def keys(self, epoch: int) -> list[list[tuple[int, int]]]:
        """(index, item seed) of every item of every batch of an epoch."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        total = self.steps * self.batch_size
        drawn = self._draw(total, generator)
        seeds = torch.randint(2**31, (total,), generator=generator).tolist()
        items = list(zip(drawn, seeds, strict=True))
        return [items[i : i + self.batch_size] for i in range(0, total, self.batch_size)]

    def batches(self, epoch: int, start: int = 0) -> Iterator[dict]:
        """The batches of an epoch from number `start` on."""
        if not self.published:
            return self._seeded(epoch, start)
        if start:
            raise UserError(
                "--draws authors draws from generators that run on through an epoch, so a run goes "
                "on at the end of one only; start anew, or resume from such a checkpoint."
            )
        return plain_errors(self._published())

    def _seeded(self, epoch: int, start: int) -> Iterator[dict]:
        self._epoch.keys = self.keys(epoch)[start:]
        yield from plain_errors(self._loader)

    def _sampler(self) -> Sampler:
        """The order of the published scripts; drawn when it is iterated over."""
        total = self.steps * self.batch_size
        return RandomSampler(self.dataset, replacement=True, num_samples=total)

    def _passes(self) -> DataLoader:
        """torch's own loader: it draws from the global generators, and so do the items."""
        return DataLoader(
            self.dataset,
            self.batch_size,
            sampler=self._sampler(),
            drop_last=self.drop_last,
            worker_init_fn=quiet_worker,
            **self._options,
        )

    def _published(self) -> Iterator[dict]:
        """The batches of an epoch; making the iterator draws, and so does its first batch."""
        return iter(self._passes())

    def state(self) -> dict:
        """What a checkpoint must agree on; the place itself is the training's (epoch, step)."""
        return {
            "images": len(self.dataset),
            "batch_size": self.batch_size,
            "steps": self.steps,
            "seed": self.seed,
            **({"draws": "authors"} if self.published else {}),
        }


class ShuffledStream(SampledStream):
    """Batches from shuffled passes over the data, the same number every epoch.

    An epoch starts with a fresh pass; a pass drops its incomplete last batch and is followed by
    another one, shuffled anew.

    Raises:
        UserError: the data does not fill one batch.
    """

    def __init__(self, dataset: Dataset, batch_size: int, steps: int, *args, **kwargs):
        if len(dataset) < batch_size:
            raise UserError(
                f"{len(dataset)} images do not fill one batch of {batch_size}; "
                "give a smaller batch size or more images."
            )
        super().__init__(dataset, batch_size, steps, *args, **kwargs)

    def _draw(self, total: int, generator: torch.Generator) -> list[int]:
        whole = len(self.dataset) // self.batch_size * self.batch_size
        drawn: list[int] = []
        while len(drawn) < total:
            drawn += torch.randperm(len(self.dataset), generator=generator)[:whole].tolist()
        return drawn[:total]

    def _sampler(self) -> Sampler:
        return RandomSampler(self.dataset)

    def _published(self) -> Iterator[dict]:
        return self._again(iter(self._passes()))

    def _again(self, batches: Iterator[dict]) -> Iterator[dict]:
        """Pass after pass, a new one when the last is used up."""
        for _ in range(self.steps):
            try:
                yield next(batches)
            except StopIteration:
                batches = iter(self._passes())
                yield next(batches)

    def state(self) -> dict:
        """As :meth:`SampledStream.state`; the order is another."""
        return {**super().state(), "order": "shuffled passes"}


class PassStream(SampledStream):
    """An epoch is one pass over the dataset in a new random order.

    Args:
        dataset, batch_size, seed, workers, pin_memory, collate: as for :class:`SampledStream`.
        drop_last: leave the last batch out where it is not full.
        shuffle: False keeps the dataset's order.

    Raises:
        UserError: there are fewer items than a batch has.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        seed: int,
        workers: int = 0,
        pin_memory: bool = False,
        drop_last: bool = True,
        shuffle: bool = True,
        collate: Callable[[list], dict] | None = None,
    ):
        self.shuffle, self.drop_last = shuffle, drop_last
        full, rest = divmod(len(dataset), batch_size)
        steps = full + (rest > 0 and not drop_last)
        if steps == 0:
            raise UserError(
                f"{len(dataset)} images do not fill a batch of {batch_size}; give a smaller "
                "--batch_size."
            )
        super().__init__(dataset, batch_size, steps, seed, workers, pin_memory, collate)

    def keys(self, epoch: int) -> list[list[tuple[int, int]]]:
        """(index, item seed) of every item of every batch of an epoch."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order = torch.randperm(len(self.dataset), generator=generator).tolist()
        order = order if self.shuffle else sorted(order)
        seeds = torch.randint(2**31, (len(order),), generator=generator).tolist()
        items = list(zip(order, seeds, strict=True))
        return [items[i * self.batch_size : (i + 1) * self.batch_size] for i in range(self.steps)]

    def _sampler(self) -> Sampler:
        return RandomSampler(self.dataset) if self.shuffle else SequentialSampler(self.dataset)


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
        self._shares = DistributedSampler(dataset, replicas, rank, shuffle=True)
        steps = len(self._shares) // batch_size
        if steps == 0:
            raise UserError(
                f"{len(dataset)} images do not fill a batch of {batch_size} in each of {replicas} "
                "process(es); give a smaller --batch_size."
            )
        super().__init__(dataset, batch_size, steps, seed, workers, pin_memory)

    def keys(self, epoch: int) -> list[list[tuple[int, int]]]:
        """(index, item seed) of every item of every batch of an epoch."""
        self._shares.set_epoch(epoch if self.reshuffle else 0)
        order = list(self._shares)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        seeds = torch.randint(2**31, (len(self.dataset),), generator=generator).tolist()
        items = [(i, seeds[i]) for i in order]
        return [items[k * self.batch_size : (k + 1) * self.batch_size] for k in range(self.steps)]

    def batches(self, epoch: int, start: int = 0) -> Iterator[dict]:
        """The batches of an epoch from number `start` on."""
        self._shares.set_epoch(epoch if self.reshuffle else 0)
        return super().batches(epoch, start)

    def _sampler(self) -> Sampler:
        return self._shares

    def state(self) -> dict:
        """As :meth:`SampledStream.state`; the order is another."""
        order = "a new pass an epoch" if self.reshuffle else "the same pass every epoch"
        return {**super().state(), "order": order, "replicas": self._shares.num_replicas}


class GivenStream:
    """Batches held in memory: ``batches[epoch][step]``."""

    def __init__(self, batches: list[list[dict]]):
        self._given = batches

    def batches(self, epoch: int, start: int = 0) -> Iterator[dict]:
        """The batches of an epoch from number `start` on."""
        return iter(self._given[epoch][start:])

    def state(self) -> dict:
        """Shape of what is held."""
        return {"steps": [len(epoch) for epoch in self._given]}


def eval_loader(
    dataset: Dataset,
    batch_size: int,
    workers: int,
    pin_memory: bool = False,
    collate: Callable[[list], dict] | None = None,
) -> DataLoader:
    """Every item once, in order; `collate` makes a batch of a list of items."""
    published = getattr(dataset, "published", False)
    return DataLoader(
        dataset,
        batch_size=batch_size,
        num_workers=workers,
        pin_memory=pin_memory,
        # Workers that stay would draw no number at later passes.
        persistent_workers=workers > 0 and not published,
        worker_init_fn=quiet_worker,
        generator=None if published else torch.Generator(),
        collate_fn=collate,
    )


def plain_errors(loader: Iterable[dict[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
    """Iterate over a loader, turning a worker's wrapped UserError back into its sentence."""
    try:
        yield from loader
    except UserError as error:
        marker = f"{UserError.__module__}.{UserError.__qualname__}: "
        raise UserError(str(error).rpartition(marker)[2].strip()) from None


def quiet_worker(_number: int) -> None:
    """Leave signals to the main process, and decode with one thread a worker.

    A job manager signals the whole group; the workers end when the main process is done with them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    torch.set_num_threads(1)
