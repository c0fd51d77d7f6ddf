"""ResNet with a classifier and a projection head (S2-VER, section 3.1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from common.cli import UserError

TRUNKS = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
    "resnet101": (Bottleneck, (3, 4, 23, 3)),
}
HEADS = ("fc", "fc1", "fc2")


class ProjectionResNet(ResNet):
    """torchvision's ResNet (stride in the 3x3, Kaiming fan-out init) with two heads.

    On the pooled feature h: ``fc`` gives the logits; ``fc1``, LeakyReLU(0.1), ``fc2`` and division
    by the 2-norm give the unit feature. ``fc1`` and ``fc2`` stand before ``fc`` in the state dict.

    Args:
        backbone: a key of :data:`TRUNKS`.
        num_classes: C.
        low_dim: projection width D.
    """

    def __init__(self, backbone: str, num_classes: int, low_dim: int = 64):
        block, layers = TRUNKS[backbone]
        super().__init__(block, list(layers))
        width = self.fc.in_features
        del self.fc
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, low_dim)
        self.fc = nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [n, 3, H, W] -> logits [n, C], unit features [n, D]."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        pooled = torch.flatten(self.avgpool(x), 1)
        projected = self.fc2(F.leaky_relu(self.fc1(pooled), 0.1))
        return self.fc(pooled), projected / projected.norm(dim=1, keepdim=True)


def build_model(backbone: str, num_classes: int, low_dim: int = 64) -> ProjectionResNet:
    """The network of a run.

    Raises:
        UserError: unknown backbone.
    """
    if backbone not in TRUNKS:
        raise UserError(f"--backbone {backbone} is not known; use one of {', '.join(TRUNKS)}.")
    return ProjectionResNet(backbone, num_classes, low_dim)


def decay_groups(
    model: nn.Module, skip: bool = True, by_kind: bool = False
) -> tuple[list[str], list[str]]:
    """Names of the parameters with and without weight decay.

    Args:
        skip: False decays everything.
        by_kind: False goes by the name, as the authors do: ``bn`` or ``bias`` in it means no decay,
            so the batch norms called ``downsample.1`` ARE decayed. True spares every batch norm.

    Returns:
        (decayed, not decayed), in parameter order.
    """
    norms = {
        f"{module_name}.{name}"
        for module_name, module in model.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for name, _ in module.named_parameters()
    }
    decayed, spared = [], []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        spare = skip and ("bn" in name or "bias" in name or (by_kind and name in norms))
        (spared if spare else decayed).append(name)
    return decayed, spared


def build_optimizer(
    model: nn.Module,
    optim: str,
    lr: float,
    momentum: float,
    weight_decay: float,
    bn_wd_skip: bool = True,
    no_bn_decay: bool = False,
) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, or AdamW, over two groups: decayed, not decayed."""
    parameters = dict(model.named_parameters())
    groups = [
        {"params": [parameters[name] for name in names], "weight_decay": decay}
        for names, decay in zip(
            decay_groups(model, bn_wd_skip, no_bn_decay), (weight_decay, 0.0), strict=True
        )
    ]
    if optim == "SGD":
        return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0)
    if optim == "AdamW":
        return torch.optim.AdamW(groups, lr=lr)
    raise UserError(f"--optim {optim} is not known; use SGD or AdamW.")
