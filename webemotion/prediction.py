"""What a trained image network answers of photographs, for ``common.predict``."""

from __future__ import annotations

from torch import Tensor, nn

from common.data.views import Preprocessing
from common.engine.run_folder import LAST
from common.nn.backbones import resnet_of
from webemotion.authors_files import BEST
from webemotion.class_names import CLASSES, stockemotion690
from webemotion.config import Config
from webemotion.model import PUBLISHED_SIZE, build_network

FILES = (BEST, LAST)
PARTS = ("state_dict",)


def describe(config: Config) -> dict:
    """What every checkpoint of a run says of its network."""
    names = class_names(config.train_file or "", config.num_classes)
    return {
        "paper": __package__,
        "network": {
            "arch": config.arch,
            "trunk": config.depth,
            "adaptive": config.image_size != PUBLISHED_SIZE,
        },
        "classes": list(names),
        "preprocessing": Preprocessing(config.resize, config.image_size).plain(),
        "outputs": {"probabilities": "softmax"},
    }


def class_names(file: str, number: int) -> tuple[str, ...]:
    """Names of a list's classes where its path says whose they are; else numbers."""
    for name, classes in CLASSES.items():
        if name in file.lower() and len(classes) == number:
            return classes
    tags = tuple(stockemotion690())
    return tags if number == len(tags) else tuple(f"class {k}" for k in range(number))


def published(weights: dict[str, Tensor]) -> dict | None:
    """:func:`describe` of a file of the authors; None where its tensors are of another network."""
    trunk = resnet_of(weights)
    if trunk is None or "fc.weight" not in weights or "fc2.weight" in weights:
        return None
    width = len(weights["proj.weight"]) if "proj.weight" in weights else None
    joint = width is not None and weights["fc.weight"].shape[1] == width
    arch = "resnet_joint_50" if joint else "resnet_2branch_50" if width else trunk
    arch = "resnet_3branch_50" if "fc_aux.weight" in weights else arch
    return {
        "paper": __package__,
        "network": {"arch": arch, "trunk": trunk, "adaptive": False},
        "number": len(weights["fc.weight"]),
        "preprocessing": Preprocessing(256, 224).plain(),
        "outputs": {"probabilities": "softmax"},
    }


def network(about: dict, classes: int, weights: dict[str, Tensor]) -> nn.Module:
    """The network that a record is about, untrained: images -> logits and what other heads give."""
    widths = {
        name: len(weights[key])
        for name, key in (("num_projections", "proj.weight"), ("basic_classes", "fc_aux.weight"))
        if key in weights
    }
    return build_network(
        about["arch"], classes, trunk=about["trunk"], adaptive=about["adaptive"], **widths
    )


def outputs(given: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """What the network gives, by name."""
    return {"logits": given[0]}
