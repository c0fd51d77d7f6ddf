"""What a checkpoint of Ada-CM answers of photographs, for ``common.predict``."""

from __future__ import annotations

from torch import Tensor, nn

from adacm.authors_files import BEST, LATEST
from adacm.model import UnitNormResNet, authors_name
from common.data.splits import Images
from common.data.views import Preprocessing
from common.engine.run_folder import LAST
from common.nn.backbones import resnet_of

FILES = (BEST, LATEST, LAST)
PARTS = ("ema_state_dict", "state_dict")
rename = authors_name


def describe(args, images: Images) -> dict:
    """What every checkpoint of a run says of its network."""
    return _about(args.backbone, args.image_size, args.channel_order)


def _about(backbone: str | None, size: int, channel_order: str) -> dict:
    shown = Preprocessing(size, size, channel_order=channel_order, upright=True)
    return {
        "paper": __package__,
        "network": {"backbone": backbone},
        "preprocessing": shown.plain(),
        "outputs": {"probabilities": "softmax"},
    }


def published(weights: dict[str, Tensor]) -> dict | None:
    """:func:`describe` of a file of the authors; None where its tensors are of another network."""
    if "base.0.weight" not in weights or "classifier.weight" not in weights:
        return None
    backbone = resnet_of(weights, "base.4", "base.6")
    return {**_about(backbone, 224, "bgr"), "number": len(weights["classifier.weight"])}


def network(about: dict, classes: int, weights: dict[str, Tensor]) -> nn.Module:
    """The network that a record is about, untrained: images -> logits, features."""
    return UnitNormResNet(classes, about["backbone"])


def outputs(given: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """What the network gives, by name."""
    return {"logits": given[0]}
