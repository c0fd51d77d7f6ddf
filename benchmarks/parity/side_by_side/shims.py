"""What a script of another time calls and this machine lacks: a GPU, old torch, old NumPy.

Everything here stands in for a library, nothing for a script. A call that concerns a GPU gives back
what it was given; a name that a library dropped means what replaced it; a file that would be
fetched is not, since the weights are filled anyhow.
"""

from __future__ import annotations

import builtins
import collections
import collections.abc
import contextlib
import functools
import sys
import types
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import torch
import torchvision
import yaml
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

FACTORIES = (
    *("arange", "as_tensor", "empty", "empty_like", "eye", "full", "full_like", "linspace"),
    *("ones", "ones_like", "rand", "rand_like", "randint", "randn", "randn_like", "randperm"),
    *("tensor", "zeros", "zeros_like"),
)


class NotFetched(OrderedDict):
    """In place of weights from the network; a network that is to load it stays as it is."""


class OneDevice(nn.Module):
    """``DataParallel`` and ``DistributedDataParallel`` without devices: the prefix is left."""

    def __init__(self, module: nn.Module, *_args, **_kwargs):
        super().__init__()
        self.module = module

    def forward(self, *args, **kwargs):
        """What the module gives."""
        return self.module(*args, **kwargs)


def install(old_schedules: bool = False) -> None:
    """Change this process for good.

    Args:
        old_schedules: the first ``step()`` of a schedule begins its first epoch, as up to torch
            1.0.
    """
    _no_gpu()
    _no_loader_processes()
    _nothing_fetched()
    _older_torch()
    _older_libraries()
    if old_schedules:
        _schedules_begin_before_their_first_epoch()


def _same(value, *_args, **_kwargs):
    return value


def _nothing(*_args, **_kwargs) -> None:
    return None


def _replace(owner: Any, **names: Any) -> None:
    for name, value in names.items():
        setattr(owner, name, value)


def _on_cpu(value: Any) -> Any:
    if isinstance(value, str) and value.startswith("cuda"):
        return "cpu"
    return torch.device("cpu") if isinstance(value, torch.device) else value


def _placed(function: Callable) -> Callable:
    """`function`, every device that it is given being the CPU."""

    @functools.wraps(function)
    def placed(*args, **kwargs):
        words = {name: _on_cpu(value) for name, value in kwargs.items()}
        return function(*map(_on_cpu, args), **words)

    return placed


def _moved(function: Callable) -> Callable:
    """``to``, to which a number means a GPU as well."""

    @functools.wraps(function)
    def moved(self, target=None, *args, **kwargs):
        number = isinstance(target, int) and not isinstance(target, bool)
        given = () if target is None else ("cpu" if number else _on_cpu(target),)
        return _placed(function)(self, *given, *args, **kwargs)

    return moved


class _Event:
    """A time stamp of a GPU."""

    record = synchronize = wait = _nothing

    def __init__(self, *_args, **_kwargs):
        pass

    def elapsed_time(self, _other) -> float:
        """Milliseconds; nothing is timed here."""
        return 0.0


def _no_gpu() -> None:
    _replace(torch.Tensor, cuda=_same, pin_memory=_same, to=_moved(torch.Tensor.to))
    _replace(nn.Module, cuda=_same, to=_moved(nn.Module.to))
    _replace(torch, load=functools.partial(torch.load, map_location="cpu"))
    for name in FACTORIES:
        setattr(torch, name, _placed(getattr(torch, name)))
    numbers = {"device_count": 1, "current_device": 0, "memory_allocated": 0}
    for name, value in {**numbers, "max_memory_allocated": 0, "is_available": True}.items():
        setattr(torch.cuda, name, functools.partial(lambda given, *_: given, value))
    for name in ("set_device", "synchronize", "empty_cache", "manual_seed", "manual_seed_all"):
        setattr(torch.cuda, name, _nothing)
    _replace(torch.cuda, Event=_Event, get_device_name=lambda *_: "CPU")
    for kind in ("Float", "Double", "Long", "Int", "Byte", "Bool", "Half"):
        setattr(torch.cuda, f"{kind}Tensor", getattr(torch, f"{kind}Tensor"))
    for name in ("_accelerator_graph_capture_health_check", "_cuda_graph_capture_health_check"):
        setattr(Optimizer, name, _nothing)  # it asks the GPU that is not there
    scaler = functools.partial(torch.amp.GradScaler, "cpu", enabled=False)
    _replace(torch.cuda.amp, GradScaler=lambda *_, **__: scaler())
    _replace(torch.cuda.amp, autocast=lambda *_, **__: contextlib.nullcontext())
    for owner in (nn, nn.parallel):
        _replace(owner, DataParallel=OneDevice, DistributedDataParallel=OneDevice)
    joined = torch.distributed.init_process_group
    _replace(
        torch.distributed,
        init_process_group=lambda *_args, **given: joined(**{**given, "backend": "gloo"}),
    )


def _no_loader_processes() -> None:
    make = DataLoader.__init__

    @functools.wraps(make)
    def in_this_process(self, dataset, *args, **kwargs):
        apart = ("num_workers", "persistent_workers", "prefetch_factor", "pin_memory")
        # By position: batch_size, shuffle, sampler, batch_sampler, num_workers, collate_fn, ...
        args = (*args[:4], 0, *args[5:]) if len(args) > 4 else args
        make(self, dataset, *args, **{k: v for k, v in kwargs.items() if k not in apart})

    DataLoader.__init__ = in_this_process


def _nothing_fetched() -> None:
    def absent(*_args, **_kwargs) -> NotFetched:
        return NotFetched()

    import torch.utils.model_zoo  # not imported with torch

    for owner in (torch.hub, torchvision._internally_replaced_utils, torchvision.models._api):
        _replace(owner, load_state_dict_from_url=absent)
    _replace(torch.utils.model_zoo, load_url=absent)
    older = types.ModuleType("torchvision.models.utils")
    older.load_state_dict_from_url = absent
    sys.modules[older.__name__] = older
    load = nn.Module.load_state_dict

    @functools.wraps(load)
    def load_unless_absent(self, state, *args, **kwargs):
        return None if isinstance(state, NotFetched) else load(self, state, *args, **kwargs)

    nn.Module.load_state_dict = load_unless_absent


def _older_torch() -> None:
    view = torch.Tensor.view

    @functools.wraps(view)
    def view_or_copy(self, *shape, **kwargs):
        try:
            return view(self, *shape, **kwargs)
        except RuntimeError:  # of a transposed tensor, which older versions let pass
            return self.reshape(*shape, **kwargs)

    torch.Tensor.view = view_or_copy
    torch.autograd.Variable = lambda data, requires_grad=False, volatile=False: data
    six = types.ModuleType("torch._six")
    _replace(six, string_classes=(str, bytes), int_classes=int, inf=float("inf"))
    _replace(six, container_abcs=collections.abc)
    sys.modules[six.__name__] = six
    # A published file reads `nn` without importing it.
    builtins.nn = nn


def _older_libraries() -> None:
    plain = {"float": float, "int": int, "bool": bool, "object": object, "complex": complex}
    for name, value in {**plain, "str": str}.items():
        if name not in np.__dict__:
            setattr(np, name, value)
    resampling = PIL.Image.Resampling
    for name, value in {
        "ANTIALIAS": resampling.LANCZOS,
        "LINEAR": resampling.BILINEAR,
        "CUBIC": resampling.BICUBIC,
    }.items():
        if not hasattr(PIL.Image, name):
            setattr(PIL.Image, name, value)
    transforms = torchvision.transforms
    _replace(transforms, Scale=transforms.Resize, RandomSizedCrop=transforms.RandomResizedCrop)
    for name in collections.abc.__all__:
        if not hasattr(collections, name):
            setattr(collections, name, getattr(collections.abc, name))
    load = yaml.load
    yaml.load = lambda stream, Loader=yaml.SafeLoader: load(stream, Loader=Loader)


def _schedules_begin_before_their_first_epoch() -> None:
    for kind in _kinds(LRScheduler):
        if "__init__" in vars(kind):
            kind.__init__ = _before_the_first(kind.__init__)


def _before_the_first(make: Callable) -> Callable:
    @functools.wraps(make)
    def made(self, *args, **kwargs):
        make(self, *args, **kwargs)
        if hasattr(self, "last_epoch"):
            self.last_epoch = -1

    return made


def _kinds(base: type) -> list[type]:
    return [kind for sub in base.__subclasses__() for kind in (sub, *_kinds(sub))]
