"""A ResNet trunk with a linear head for valence and arousal, and one for categories."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn
from torch.optim.lr_scheduler import MultiStepLR

from common.cli import UserError
from common.nn.backbones import imagenet_file, load_imagenet, load_pretrained

TRUNKS = ("resnet18", "resnet34", "resnet50", "resnet101")
HEADS = ("FC_va", "FC_cat")
CHILDREN = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool")
FREEZE_MARKS = ("resnet.0", "resnet.4", "resnet.5", "resnet.6", "resnet.7", "FC_1", "classifier")
LAST_STAGE = 4
MILESTONES, GAMMA = (10, 20, 30, 40, 50), 0.5


class DimensionalResNet(nn.Module):
    """torchvision's ResNet up to the pooled feature, ReLU, ``FC_va`` and perhaps ``FC_cat``.

    The trunk is a Sequential, so its keys are ``resnet.0.weight`` and so on. The ReLU changes
    nothing: a pooled feature is never negative.

    Args:
        backbone: one of :data:`TRUNKS`.
        class_num: C of the multi-task model; None for valence and arousal alone.
    """

    def __init__(self, backbone: str = "resnet101", class_num: int | None = None):
        super().__init__()
        trunk = torchvision.models.get_model(backbone, weights=None)
        width = trunk.fc.in_features
        self.resnet = nn.Sequential(*list(trunk.children())[:-1])
        self.FC_cat = nn.Linear(width, class_num) if class_num else None
        self.FC_va = nn.Linear(width, 2)

    def forward(self, images: Tensor) -> tuple[Tensor | None, Tensor]:
        """Images [n, 3, H, W] -> logits [n, C] (or None), valence and arousal [n, 2]."""
        feature = torch.relu(self.resnet(images).flatten(1))
        return self.FC_cat(feature) if self.FC_cat is not None else None, self.FC_va(feature)


def freeze(model: nn.Module, feature_extract: int) -> list[str]:
    """Freeze the parameters before the first whose name holds a mark; frozen norms stay alive.

    Args:
        model: changed in place.
        feature_extract: 0 freezes nothing; i > 0 stops at ``FREEZE_MARKS[i]``. The marks 5 and 6
            occur in no name, so they freeze everything.

    Returns:
        Names of the parameters that still train, in order.
    """
    reached = feature_extract == 0
    for name, parameter in model.named_parameters():
        reached = reached or FREEZE_MARKS[feature_extract] in name
        parameter.requires_grad_(reached)
    return [name for name, p in model.named_parameters() if p.requires_grad]


def build_optimizer(
    parameters: Iterable[nn.Parameter], lr: float, weight_decay: float
) -> torch.optim.Adam:
    """Adam over what trains; the decay is added to the gradient."""
    trained = [p for p in parameters if p.requires_grad]
    return torch.optim.Adam(trained, lr=lr, weight_decay=weight_decay)


def schedule(optimizer: torch.optim.Optimizer) -> MultiStepLR:
    """The rate times 0.5 at 10, 20, 30, 40 and 50 of whatever it is stepped by."""
    return MultiStepLR(optimizer, list(MILESTONES), GAMMA)


def start_from_imagenet(model: DimensionalResNet, backbone: str, source: str) -> str:
    """Give the trunk its ImageNet weights.

    Args:
        model: changed in place.
        backbone: one of :data:`TRUNKS`.
        source: a file; ``imagenet`` for torchvision's weights where torch keeps them on this
            machine; ``download`` to fetch them, as the authors do; ``none`` for random weights.

    Returns:
        What the trunk starts from, in words.

    Raises:
        UserError: the weights are not on this machine, do not fit, or cannot be fetched.
    """
    if source == "none":
        return "random weights"
    if source not in ("imagenet", "download"):
        load_pretrained(model, Path(source), HEADS, _own_key)
        return source
    kept_file = imagenet_file(backbone)
    if source == "imagenet" and not kept_file.is_file():
        raise UserError(
            f"the trunk starts from ImageNet weights, but there is no {kept_file}; give "
            "--pretrained download to fetch it, a file of torchvision's weights, or --pretrained "
            "none for random weights, with which no result compares with the published ones."
        )
    otherwise = "give --pretrained FILE, or --pretrained none for random weights"
    return load_imagenet(model, backbone, HEADS, otherwise, _own_key)


def _own_key(key: str) -> str:
    """torchvision's ``layer4.0.conv1.weight`` is ``resnet.7.0.conv1.weight`` here."""
    first, dot, rest = key.partition(".")
    return f"resnet.{CHILDREN.index(first)}{dot}{rest}" if first in CHILDREN else key


def load_weights(model: DimensionalResNet, state: dict, path: Path) -> None:
    """Load a plain state dict, every key of it.

    Raises:
        UserError: it is of another model.
    """
    try:
        model.load_state_dict({k.removeprefix("module."): v for k, v in state.items()})
    except RuntimeError as error:
        raise UserError(
            f"{path} is of another model ({str(error).splitlines()[-1].strip()}); check "
            "--backbone, --task and --dataname."
        ) from None
