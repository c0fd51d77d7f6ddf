"""One training in several processes: finding each other, sharing gradients, agreeing.

Without a launcher there is one process, and every function here does nothing or gives back what
it was given.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from common.cli import UserError
from common.engine.method import Batches, Method, Progress, StepOutput

TIMEOUT = timedelta(hours=2)  # the first process may check a million images meanwhile
TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
OPEN_MPI = ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK")


class ToldElsewhere(UserError):
    """A mistake that another process tells the user of; this one ends without a word."""


@dataclass(frozen=True)
class Place:
    """Which process of how many this is.

    Attributes:
        rank: 0 is the one that writes.
        size: processes in all.
        local_rank: number on this machine, and of its GPU.
        url: where they meet.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    url: str = "env://"


def find_place(args: argparse.Namespace) -> Place:
    """What the launcher says: Open MPI with ``--dist_on_itp``, torchrun, or SLURM.

    Args:
        args: of the published launcher flags those that the command has: ``world_size`` (processes
            in all; needed under SLURM, else the launcher's number counts), ``local_rank`` (given
            by launchers older than torchrun; -1 where not), ``dist_on_itp``, ``dist_url``.

    Raises:
        UserError: several processes are asked for without a launcher, or its variables are
            incomplete.
    """
    world_size, url = getattr(args, "world_size", 1), getattr(args, "dist_url", "env://")
    if getattr(args, "dist_on_itp", False):
        rank, size, local = _numbers(OPEN_MPI, "--dist_on_itp")
        address = [os.environ.get(name) for name in ("MASTER_ADDR", "MASTER_PORT")]
        if None in address:
            raise UserError("--dist_on_itp needs MASTER_ADDR and MASTER_PORT in the environment.")
        return Place(rank, size, local, f"tcp://{address[0]}:{address[1]}")
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        if getattr(args, "local_rank", -1) >= 0:
            os.environ.setdefault("LOCAL_RANK", str(args.local_rank))
        return Place(*_numbers(TORCHRUN, "a launcher such as torchrun"), url)
    if world_size > 1 and "SLURM_PROCID" in os.environ:
        rank = int(os.environ["SLURM_PROCID"])
        return Place(rank, world_size, rank % max(1, torch.cuda.device_count()), url)
    if world_size > 1:
        raise UserError(
            f"--world_size {world_size} needs a launcher; use torchrun --nproc_per_node "
            f"{world_size} before the script in place of the flag."
        )
    return Place()


def _numbers(names: tuple[str, ...], who: str) -> tuple[int, ...]:
    lacking = [name for name in names if not os.environ.get(name, "").isdecimal()]
    if lacking:
        raise UserError(
            f"{who} sets {', '.join(lacking)}, but the environment has no number there."
        )
    return tuple(int(os.environ[name]) for name in names)


def join(place: Place, device: torch.device) -> None:
    """Meet the other processes; gloo on the CPU, NCCL on GPUs.

    Args:
        device: of this process; every process of a machine needs a GPU of its own.
    """
    if place.size == 1:
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=place.url,
        world_size=place.size,
        rank=place.rank,
        timeout=TIMEOUT,
    )
    if not is_main():
        logging.getLogger().setLevel(logging.WARNING)


def leave() -> None:
    """Part from the other processes."""
    if _joined():
        dist.destroy_process_group()


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized()


def size() -> int:
    """Processes in all."""
    return dist.get_world_size() if _joined() else 1


def rank() -> int:
    """This process's number, from 0."""
    return dist.get_rank() if _joined() else 0


def is_main() -> bool:
    """Whether this process writes the files."""
    return rank() == 0


class _Forward(nn.Module):
    """A method's step as a forward, which is where gradient sharing hooks in."""

    def __init__(self, method: Method):
        super().__init__()
        self.method = method

    def forward(self, batches: Batches, progress: Progress) -> StepOutput:
        return self.method.training_step(batches, progress)


def shared_step(method: Method) -> Callable[[Batches, Progress], StepOutput]:
    """`method`'s step; in several processes its backward averages the gradients over them."""
    step = _Forward(method)
    return step if size() == 1 else DistributedDataParallel(step)


def mean(values: Tensor) -> Tensor:
    """Element-wise mean over the processes; every process gets it."""
    if size() == 1:
        return values
    values = values.clone()
    dist.all_reduce(values)
    return values / size()


def largest(number: int, device: torch.device) -> int:
    """The largest of the processes' numbers; every process gets it."""
    if size() == 1:
        return number
    value = torch.tensor(number, device=device)
    dist.all_reduce(value, dist.ReduceOp.MAX)
    return int(value)


def gather(value) -> list:
    """Every process's value, in rank order; every process gets the list."""
    if size() == 1:
        return [value]
    values = [None] * size()
    dist.all_gather_object(values, value)
    return values


def from_main(compute: Callable):
    """`compute()` of the first process; the others wait and get the same value.

    Raises:
        UserError: the first process's; :class:`ToldElsewhere` in the others.
    """
    if size() == 1:
        return compute()
    answer, failure = [None, None], None
    if is_main():
        try:
            answer[0] = compute()
        except UserError as error:
            answer[1], failure = str(error), error
    dist.broadcast_object_list(answer, src=0)
    _end_together([answer[1]], failure)
    return answer[0]


def together(compute: Callable):
    """Every process's own `compute()`; where one makes a mistake, all end and one tells of it.

    Raises:
        UserError: in the first process that failed; :class:`ToldElsewhere` in all others.
    """
    if size() == 1:
        return compute()
    value, failure = None, None
    try:
        value = compute()
    except UserError as error:
        failure = error
    _end_together(gather(failure and str(failure)), failure)
    return value


def _end_together(mistakes: list[str | None], own: UserError | None) -> None:
    """`mistakes` by rank, from 0; None for a process without one."""
    first = next((place for place, told in enumerate(mistakes) if told is not None), None)
    if first is None:
        return
    if own is not None and first == rank():
        raise own
    raise ToldElsewhere(mistakes[first])
