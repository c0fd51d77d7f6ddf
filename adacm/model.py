"""ResNet-18 with a unit-norm feature and a linear classifier (Ada-CM, section 4.1)."""

from __future__ import annotations

import logging
from pathlib import Path

import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from common.nn.backbones import load_pretrained

log = logging.getLogger(__name__)

BACKBONES = ("resnet18", "resnet34", "resnet50")
MSCELEB = Path("models/resnet18_msceleb.pth")
HEADS = ("classifier",)
PARTS = ("ema_state_dict", "state_dict")
# Where torchvision's children stand in ``base``.
PLACES = {
    **{"conv1": "base.0", "bn1": "base.1"},
    **{f"layer{n}": f"base.{3 + n}" for n in range(1, 5)},
}


class UnitNormResNet(nn.Module):
    """torchvision's trunk as ``base``, pooling, dropout, L2 normalisation, ``classifier``.

    Dropout acts before the normalisation. The rows have length 1 and there is no scale, so the
    logits are small.

    Args:
        num_classes: C.
        backbone: one of :data:`BACKBONES`.
        dropout: probability that an entry of the pooled feature is zeroed in training.
    """

    def __init__(self, num_classes: int, backbone: str = "resnet18", dropout: float = 0.5):
        super().__init__()
        trunk = getattr(torchvision.models, backbone)(weights=None)
        self.base = nn.Sequential(*list(trunk.children())[:-2])
        self.output = nn.Sequential(nn.Dropout(dropout), nn.Flatten())
        self.classifier = nn.Linear(trunk.fc.in_features, num_classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [n, 3, H, W] -> logits [n, C], unit features [n, D]."""
        pooled = F.adaptive_avg_pool2d(self.base(images), 1)
        features = F.normalize(self.output(pooled), dim=1)  # row / max(norm, 1e-12)
        return self.classifier(features), features


def authors_name(name: str) -> str:
    """The authors' name of a trunk tensor that has torchvision's; any other name as it is."""
    first, _, rest = name.partition(".")
    return f"{PLACES[first]}.{rest}" if first in PLACES else name


def load_weights(model: UnitNormResNet, path: Path | None) -> Path | None:
    """Start from MS-Celeb-1M weights, or from an earlier run, strictly.

    torchvision's names and the authors' are read, with and without ``module.``. The classifier of
    the file is used where it fits; the identities' ``fc`` is not.

    Args:
        path: the file; None takes ``models/resnet18_msceleb.pth`` if it is there, else warns and
            leaves the weights random.

    Returns:
        The file that was read, or None.

    Raises:
        UserError: unreadable file, or one whose names differ; missing and unexpected are listed.
    """
    if path is None and not MSCELEB.is_file():
        log.warning(
            "*** there is no %s: training starts from random weights, far below the published "
            "accuracy. Put the MS-Celeb-1M ResNet-18 there or give --pretrained PATH. ***",
            MSCELEB,
        )
        return None
    load_pretrained(
        model, path or MSCELEB, HEADS, rename=authors_name, parts=PARTS, ignored=("fc",)
    )
    return path or MSCELEB
