"""The networks: torchvision's ResNets with the paper's heads on the pooled feature."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from common.cli import UserError
from common.data.streams import plain_errors
from common.engine.method import to_device
from common.nn.backbones import imagenet_file, load_imagenet, load_pretrained

BLOCKS: dict[str, tuple[type[nn.Module], list[int]]] = {
    "resnet10": (BasicBlock, [1, 1, 1, 1]),  # ours, for small machines
    "resnet18": (BasicBlock, [2, 2, 2, 2]),
    "resnet34": (BasicBlock, [3, 4, 6, 3]),
    "resnet50": (Bottleneck, [3, 4, 6, 3]),
    "resnet101": (Bottleneck, [3, 4, 23, 3]),
    "resnet152": (Bottleneck, [3, 8, 36, 3]),
}
TRUNKS = tuple(BLOCKS)
ARCHS: dict[str, tuple[str, str]] = {
    **{name: (name, "fc") for name in TRUNKS},
    "resnet50_feature_extractor": ("resnet50", "none"),
    "resnet_2branch_50": ("resnet50", "2branch"),
    "resnet_custom_50": ("resnet50", "2branch"),  # the name it once had; seven configs use it
    "resnet_joint_50": ("resnet50", "joint"),
    "resnet_3branch_50": ("resnet50", "3branch"),
}
"""``arch`` -> (trunk, heads)."""

HEADS = ("fc", "proj", "fc_aux")
PUBLISHED_SIZE = 224


class EmotionNet(ResNet):
    """A ResNet with one of the paper's sets of heads.

    - ``fc``: logits [n, C]
    - ``2branch``: logits [n, C] and projection [n, D], both of the pooled feature
    - ``joint``: logits of the projection, and the projection; no non-linearity between the two
    - ``3branch``: logits, projection, and logits of the basic emotions [n, basic_classes]
    - ``none``: the pooled feature [n, F]; ``fc`` exists and is not used

    Args:
        trunk: one of :data:`TRUNKS`.
        heads: see above.
        num_classes: C.
        num_projections: D.
        basic_classes: classes of the third head.
        adaptive: pool whatever map is left; published is a window of 7 × 7, which fits images of
            224 pixels alone.
    """

    def __init__(
        self,
        trunk: str,
        heads: str,
        num_classes: int,
        num_projections: int = 300,
        basic_classes: int = 8,
        adaptive: bool = False,
    ):
        super().__init__(*BLOCKS[trunk], num_classes=num_classes)
        self.heads = heads
        if not adaptive:
            self.avgpool = nn.AvgPool2d(7, stride=1)
        width = self.fc.in_features
        if heads == "joint":
            del self.fc  # to come after proj, as in the published state dict
            self.proj = nn.Linear(width, num_projections)
            self.fc = nn.Linear(num_projections, num_classes)
        elif heads in ("2branch", "3branch"):
            self.proj = nn.Linear(width, num_projections)
        if heads == "3branch":
            self.fc_aux = nn.Linear(width, basic_classes)

    def pooled(self, images: Tensor) -> Tensor:
        """Images [n, 3, H, W] -> feature [n, F]."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.avgpool(x).flatten(1)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images [n, 3, H, W] -> the heads' outputs, see the class."""
        feature = self.pooled(images)
        if self.heads == "none":
            return (feature,)
        if self.heads == "joint":
            projection = self.proj(feature)
            return self.fc(projection), projection
        outputs = [getattr(self, name)(feature) for name in HEADS if hasattr(self, name)]
        return tuple(outputs)


def build_network(
    arch: str,
    num_classes: int,
    num_projections: int = 300,
    basic_classes: int = 8,
    trunk: str | None = None,
    adaptive: bool = False,
    *,
    word_dim: int | None = None,
) -> EmotionNet:
    """The network of an ``arch`` of the configurations.

    Args:
        word_dim: what the three-branch network calls `num_projections`.
        trunk: another trunk than the one `arch` names.
        adaptive: see :class:`EmotionNet`.

    Raises:
        UserError: `arch` or `trunk` is unknown.
    """
    if arch not in ARCHS:
        raise UserError(f"the arch '{arch}' is unknown; known are {', '.join(ARCHS)}.")
    usual, heads = ARCHS[arch]
    if trunk is not None and trunk not in BLOCKS:
        raise UserError(f"the depth '{trunk}' is unknown; known are {', '.join(TRUNKS)}.")
    width = word_dim or num_projections
    return EmotionNet(trunk or usual, heads, num_classes, width, basic_classes, adaptive)


@torch.no_grad()
def project(
    model: EmotionNet, batches: Iterable[dict], device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """The last output of a network: the projection, or the feature where there are no heads.

    Args:
        batches: with ``image`` and ``target``.

    Returns:
        (outputs float32 [N, D], targets [N] or [N, C]).
    """
    model.to(device).eval()
    rows, targets = [], []
    for batch in plain_errors(batches):
        rows.append(model(to_device(batch["image"], device))[-1].float().cpu().numpy())
        targets.append(batch["target"].numpy())
    return np.concatenate(rows), np.concatenate(targets)


def freeze_all_except_fc(model: nn.Module) -> list[str]:
    """Only ``fc`` trains; ``proj`` and ``fc_aux`` do not, and batch norms go on counting.

    Returns:
        Names of what trains.
    """
    model.requires_grad_(False)
    model.fc.requires_grad_(True)
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


DOWNLOAD = "download"  # of the key `pretrained`: torchvision's weights may be fetched


def start_as_configured(model: EmotionNet, trunk: str, pretrained: bool | str) -> str:
    """:func:`start_from_imagenet`, as the key ``pretrained`` says; nothing is fetched unasked."""
    file = pretrained if isinstance(pretrained, str) and pretrained != DOWNLOAD else None
    return start_from_imagenet(model, trunk, file, fetch=pretrained == DOWNLOAD)


def start_from_imagenet(model: EmotionNet, trunk: str, file: str | None, fetch: bool = True) -> str:
    """Give the trunk its ImageNet weights; heads keep their initialisation.

    Args:
        model: changed in place.
        trunk: one of :data:`TRUNKS`.
        file: torchvision's weights; None takes those that torch keeps on this machine.
        fetch: they may be downloaded where torch has none.

    Returns:
        What the trunk starts from, in words.

    Raises:
        UserError: the file does not fit, is not there, could not be fetched, or there are none of
            this trunk.
    """
    if file is not None:
        load_pretrained(model, Path(file), HEADS)
        return file
    if trunk == "resnet10":
        raise UserError("there are no ImageNet weights of resnet10; set pretrained to false.")
    otherwise = "give their file with --pretrained, or --set pretrained=false for random weights"
    if not fetch and not imagenet_file(trunk).is_file():
        raise UserError(
            f"`pretrained` asks for ImageNet weights, but there is no {imagenet_file(trunk)}; give "
            f"--pretrained download to fetch it, or {otherwise}."
        )
    return load_imagenet(model, trunk, HEADS, otherwise)
