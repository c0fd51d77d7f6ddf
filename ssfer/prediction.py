"""What a fine-tuned classifier answers of photographs of faces, for ``common.predict``."""

from __future__ import annotations

from torch import Tensor, nn

from common.data.splits import Images
from common.data.views import Preprocessing
from common.engine.run_folder import LAST
from ssfer.finetune.authors_files import released, weights_name
from ssfer.finetune.data import CLASSES
from ssfer.views import MEAN, STD
from ssfer.vit import SIZES, build_vit

_WEIGHTS = weights_name("*", "*")
FILES = (
    *(f"{place}{_WEIGHTS}" for place in ("", "stage3/", "stage2/")),
    *(f"{place}{LAST}" for place in ("", "fold0/stage3/", "fold0/stage2/")),
)
PARTS = ("model", "state_dict")
PREFIXES = ("teacher.", "model.")


def describe(args, images: Images) -> dict:
    """What every checkpoint of a stage says of its network."""
    return _about(args.model, args.input_size)


def _about(model: str | None, size: int) -> dict:
    return {
        "paper": __package__,
        "network": {"model": model, "input_size": size},
        "preprocessing": Preprocessing(size, size, MEAN, STD).plain(),
        "outputs": {"probabilities": "softmax"},
    }


def published(weights: dict[str, Tensor]) -> dict | None:
    """:func:`describe` of a file of the authors; None where its tensors are of another network."""
    if "cls_token" not in weights or "head.weight" not in weights:
        return None
    width = weights["cls_token"].shape[-1]
    model = next((name for name, size in SIZES.items() if size.embed_dim == width), None)
    return {**_about(model, 224), "number": len(weights["head.weight"])}


def published_classes(file: str) -> tuple[str, ...]:
    """The classes of one of the released checkpoints, by its file name."""
    known = released(file)
    return CLASSES[known.dataset] if known else ()


def network(about: dict, classes: int, weights: dict[str, Tensor]) -> nn.Module:
    """The network that a record is about, untrained: images -> logits."""
    return build_vit(about["model"], num_classes=classes, img_size=about["input_size"])


def outputs(given: Tensor) -> dict[str, Tensor]:
    """What the network gives, by name."""
    return {"logits": given}
