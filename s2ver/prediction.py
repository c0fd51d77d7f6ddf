"""What a checkpoint of S2-VER answers of photographs, for ``common.predict``."""

from __future__ import annotations

from torch import Tensor, nn

from common.data.splits import Images
from common.data.views import Preprocessing
from common.engine.run_folder import LAST
from common.nn.backbones import resnet_of
from s2ver.authors_files import BEST
from s2ver.data import shown
from s2ver.model import build_model

FILES = (BEST, LAST)
PARTS = ("ema_model", "model")


def describe(args, images: Images) -> dict:
    """What every checkpoint of a run says of its network."""
    size, statistics = shown(args)
    return {
        "paper": __package__,
        "network": {"backbone": args.backbone, "low_dim": args.low_dim},
        "preprocessing": Preprocessing(size, size, *statistics).plain(),
        "outputs": {"probabilities": "softmax"},
    }


def published(weights: dict[str, Tensor]) -> dict | None:
    """:func:`describe` of a file of the authors; None where its tensors are of another network."""
    if "fc2.weight" not in weights:
        return None
    return {
        "paper": __package__,
        "network": {"backbone": resnet_of(weights), "low_dim": len(weights["fc2.weight"])},
        "number": len(weights["fc.weight"]),
        "preprocessing": Preprocessing(224, 224).plain(),
        "outputs": {"probabilities": "softmax"},
    }


def network(about: dict, classes: int, weights: dict[str, Tensor]) -> nn.Module:
    """The network that a record is about, untrained: images -> logits, features."""
    return build_model(about["backbone"], classes, about["low_dim"])


def outputs(given: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """What the network gives, by name."""
    return {"logits": given[0]}
