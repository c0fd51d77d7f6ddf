"""Vision transformers by size: the classifier that is fine-tuned, on timm's blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from common.cli import UserError

layer_norm = partial(nn.LayerNorm, eps=1e-6)


@dataclass(frozen=True)
class Size:
    """An encoder: width, blocks, attention heads, side of a patch in pixels."""

    embed_dim: int
    depth: int
    num_heads: int
    patch_size: int = 16


SIZES = {
    "tiny": Size(192, 12, 12),  # twelve heads, as published; elsewhere three are usual
    "small": Size(384, 12, 12),
    "base": Size(768, 12, 12),
    "large": Size(1024, 24, 16),
    "huge": Size(1280, 32, 16, 14),
}


def check_input_size(input_size: int, patch_size: int) -> None:
    """Refuse images that patches do not tile.

    Raises:
        UserError: `input_size` is no multiple of `patch_size`.
    """
    if input_size < patch_size or input_size % patch_size:
        raise UserError(
            f"--input_size {input_size} is no multiple of the patch size {patch_size}; give "
            f"{max(1, round(input_size / patch_size)) * patch_size}."
        )


def build_vit(
    name: str = "base",
    num_classes: int = 1000,
    img_size: int = 224,
    global_pool: bool = False,
    **sizes,
) -> VisionTransformer:
    """A classifier on the class token, with timm's state-dict keys and initialisation.

    Args:
        name: a key of :data:`SIZES`, or ``custom`` with all sizes given.
        num_classes: outputs of the head.
        img_size: side of the square images, a multiple of the patch size.
        global_pool: refused; the published class builds it and then fails in its forward.
        sizes: ``embed_dim``, ``depth``, ``num_heads``, ``patch_size``, ``mlp_ratio``, in place of
            those of `name`.

    Returns:
        images [n, 3, img_size, img_size] -> logits [n, num_classes].

    Raises:
        UserError: unknown name, `global_pool`, or a size that patches do not tile.
    """
    if global_pool:
        raise UserError("the classifier reads the class token; average pooling is not supported.")
    settings = {**_named(name), **sizes}
    check_input_size(img_size, settings["patch_size"])
    return VisionTransformer(
        img_size=img_size,
        num_classes=num_classes,
        qkv_bias=True,
        norm_layer=layer_norm,
        **settings,
    )


def _named(name: str) -> dict:
    if name == "custom":
        return {"patch_size": 16}
    if name not in SIZES:
        raise UserError(f"there is no model '{name}'; there are {', '.join(SIZES)}.")
    return vars(SIZES[name])


def replace_head(model: VisionTransformer, num_classes: int) -> None:
    """Give `model`, in place, a new linear head with torch's default initialisation.

    The published script re-draws the old head and then throws it away; this is what it trains.
    """
    model.num_classes = num_classes
    model.head = nn.Linear(model.embed_dim, num_classes)


def class_features(model: VisionTransformer, images: Tensor) -> Tensor:
    """The class token after the last norm, [n, embed_dim]: what the head reads."""
    return model.forward_features(images)[:, 0]
