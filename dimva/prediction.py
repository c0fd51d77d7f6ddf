"""What a checkpoint of this package answers of photographs, for ``common.predict``."""

from __future__ import annotations

from torch import Tensor, nn

from common.data.views import Preprocessing
from common.engine.run_folder import LAST
from common.nn.backbones import resnet_of
from dimva import objective
from dimva.data import Sets
from dimva.model import DimensionalResNet
from dimva.options import IMAGE_SIZE

FILES = ("../../checkpoints/{name}.pt", "checkpoints/*.pt", LAST)
PARTS = ()
SCALE = [1, 9]


def describe(args, sets: Sets) -> dict:
    """What every checkpoint of a run says of its network.

    The logits of the multi task are in the alphabetical order of the classes' folders.
    """
    multi = args.task == "multi"
    kind = "sigmoid" if objective.is_multilabel(args.dataname) else "softmax"
    classes = list(sets.named["train_cat"].classes) if multi else []
    about = _about(args.backbone, args.image_size, kind if multi else None)
    return {**about, "classes": classes}


def _about(backbone: str | None, size: int, kind: str | None) -> dict:
    return {
        "paper": __package__,
        "network": {"backbone": backbone},
        "preprocessing": Preprocessing(size, size).plain(),
        "outputs": {"valence_arousal": SCALE} | ({"probabilities": kind} if kind else {}),
    }


def published(weights: dict[str, Tensor]) -> dict | None:
    """:func:`describe` of a file of the authors; None where its tensors are of another network."""
    if "FC_va.weight" not in weights:
        return None
    number = len(weights.get("FC_cat.weight", ()))
    about = _about(
        resnet_of(weights, "resnet.4", "resnet.6"), IMAGE_SIZE, "softmax" if number else None
    )
    names = {8: objective.MIKELS, 3: objective.POLARITIES}.get(number, ())
    return {**about, "number": number, "classes": sorted(names)}


def network(about: dict, classes: int, weights: dict[str, Tensor]) -> nn.Module:
    """The network that a record is about, untrained: images -> logits or None, ratings."""
    return DimensionalResNet(about["backbone"], classes or None)


def outputs(given: tuple[Tensor | None, Tensor]) -> dict[str, Tensor]:
    """What the network gives, by name."""
    logits, ratings = given
    return {"valence_arousal": ratings} | ({} if logits is None else {"logits": logits})
