"""The masked autoencoder: patches hidden at random, encoded without them, painted back in.

The network of "Masked Autoencoders Are Scalable Vision Learners" (He et al. 2022, section 3) under
its published state-dict keys, on timm's blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from timm.layers import PatchEmbed
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from common.cli import UserError
from ssfer.positions import sincos_table
from ssfer.vit import SIZES, check_input_size, layer_norm

CHANNELS = 3
TOKEN_STD = 0.02
VARIANCE_FLOOR = 1e-6


@dataclass(frozen=True)
class Decoder:
    """A decoder: width, blocks, attention heads."""

    decoder_embed_dim: int
    decoder_depth: int
    decoder_num_heads: int


DECODERS = {
    "tiny": Decoder(96, 1, 3),
    "small": Decoder(192, 1, 6),
    "base": Decoder(512, 8, 16),
    "large": Decoder(512, 8, 16),
    "huge": Decoder(512, 8, 16),
}


def patchify(images: Tensor, patch_size: int) -> Tensor:
    """Cut square images into patches, row by row; in a patch row, column, channel.

    Args:
        images: [n, 3, h, h].
        patch_size: p.

    Returns:
        [n, (h/p)², p·p·3].

    Raises:
        ValueError: images that are not square, or that patches do not tile.
    """
    n, channels, height, width = images.shape
    if height != width or height % patch_size:
        raise ValueError(
            f"images of {height} x {width} cannot be cut into patches of {patch_size}: expected "
            "squares with a multiple of it as side"
        )
    grid = height // patch_size
    cut = images.reshape(n, channels, grid, patch_size, grid, patch_size)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(n, grid**2, patch_size**2 * channels)


def unpatchify(patches: Tensor, patch_size: int) -> Tensor:
    """Inverse of :func:`patchify`.

    Args:
        patches: [n, g², p·p·3].
        patch_size: p.

    Returns:
        [n, 3, g·p, g·p].

    Raises:
        ValueError: the number of patches is no square.
    """
    n, number, _ = patches.shape
    grid = math.isqrt(number)
    if grid**2 != number:
        raise ValueError(f"{number} patches do not fill a square image")
    cut = patches.reshape(n, grid, grid, patch_size, patch_size, -1)
    side = grid * patch_size
    return cut.permute(0, 5, 1, 3, 2, 4).reshape(n, -1, side, side)


def masking_noise(tokens: Tensor) -> Tensor:
    """One uniform number a patch, [n, L]; the smallest stay. The only random draw of a forward."""
    return torch.rand(tokens.shape[:2], device=tokens.device)


def kept_patches(patches: int, mask_ratio: float) -> int:
    """Patches of an image that the encoder sees, rounded down in floating point."""
    return int(patches * (1 - mask_ratio))


def random_masking(
    tokens: Tensor, mask_ratio: float, noise: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Keep a random part of every image's patches.

    Args:
        tokens: [n, L, d].
        mask_ratio: share that is removed; int(L·(1 − mask_ratio)) patches stay.
        noise: [n, L]; drawn by :func:`masking_noise` when None.

    Returns:
        kept tokens [n, keep, d] in the order of rising noise; mask float32 [n, L], 1 where
        removed; rank of every patch's noise, int64 [n, L].
    """
    noise = masking_noise(tokens) if noise is None else noise
    order = noise.argsort(dim=1)
    rank = order.argsort(dim=1)
    keep = kept_patches(tokens.shape[1], mask_ratio)
    kept = torch.take_along_dim(tokens, order[:, :keep, None], dim=1)
    return kept, (rank >= keep).float(), rank


def normalised_patches(patches: Tensor) -> Tensor:
    """Every patch with mean 0 and, by its unbiased variance, deviation 1; [n, L, p·p·3]."""
    mean, variance = patches.mean(-1, keepdim=True), patches.var(-1, keepdim=True)
    return (patches - mean) / (variance + VARIANCE_FLOOR).sqrt()


def reconstruction_loss(prediction: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error over a patch, averaged over the removed patches of the batch.

    Args:
        prediction, target: [n, L, p·p·3].
        mask: [n, L], 1 where removed.
    """
    errors = (prediction - target).square().mean(dim=-1)
    return (errors * mask).sum() / mask.sum()


class MaskedAutoencoder(nn.Module):
    """Encoder over the visible patches and a class token; decoder over all positions.

    Args:
        img_size: side of the images, in pixels.
        patch_size, embed_dim, depth, num_heads: of the encoder.
        decoder_embed_dim, decoder_depth, decoder_num_heads: of the decoder.
        mlp_ratio: hidden width of the blocks over their width.
        norm_pix_loss: predict patches normalised one by one.
    """

    def __init__(
        self,
        img_size: int = 224,
        patch_size: int = 16,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        decoder_embed_dim: int = 512,
        decoder_depth: int = 8,
        decoder_num_heads: int = 16,
        mlp_ratio: float = 4.0,
        norm_pix_loss: bool = False,
    ):
        super().__init__()
        check_input_size(img_size, patch_size)
        self.patch_size, self.norm_pix_loss = patch_size, norm_pix_loss

        def blocks(width: int, number: int, heads: int) -> nn.ModuleList:
            settings = {"mlp_ratio": mlp_ratio, "qkv_bias": True, "norm_layer": layer_norm}
            return nn.ModuleList(Block(width, heads, **settings) for _ in range(number))

        # Modules are made in the published order, which the draws of the initialisation follow.
        self.patch_embed = PatchEmbed(img_size, patch_size, CHANNELS, embed_dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.pos_embed = self._positions(embed_dim)
        self.blocks = blocks(embed_dim, depth, num_heads)
        self.norm = layer_norm(embed_dim)
        self.decoder_embed = nn.Linear(embed_dim, decoder_embed_dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder_embed_dim))
        self.decoder_pos_embed = self._positions(decoder_embed_dim)
        self.decoder_blocks = blocks(decoder_embed_dim, decoder_depth, decoder_num_heads)
        self.decoder_norm = layer_norm(decoder_embed_dim)
        self.decoder_pred = nn.Linear(decoder_embed_dim, patch_size**2 * CHANNELS)
        self._initialise()

    def _positions(self, width: int) -> nn.Parameter:
        """The fixed table; a parameter without gradient, as in the published files."""
        table = sincos_table(width, math.isqrt(self.patch_embed.num_patches), cls_token=True)
        return nn.Parameter(torch.from_numpy(table).float()[None], requires_grad=False)

    def _initialise(self) -> None:
        """Xavier-uniform weights (a patch counts as one input), linears' biases 0, small tokens."""
        nn.init.xavier_uniform_(self.patch_embed.proj.weight.data.flatten(1))
        nn.init.normal_(self.cls_token, std=TOKEN_STD)
        nn.init.normal_(self.mask_token, std=TOKEN_STD)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def encode(
        self, images: Tensor, mask_ratio: float, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encode what is visible.

        Args:
            images: [n, 3, h, h].
            mask_ratio, noise: see :func:`random_masking`.

        Returns:
            class token and visible patches [n, 1 + keep, d]; mask [n, L]; ranks [n, L].
        """
        patches = self.patch_embed(images) + self.pos_embed[:, 1:]
        visible, mask, rank = random_masking(patches, mask_ratio, noise)
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(images), -1, -1)
        tokens = torch.cat([first, visible], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens), mask, rank

    def decode(self, latent: Tensor, rank: Tensor) -> Tensor:
        """Predict every patch, [n, L, p·p·3], from :meth:`encode`'s tokens and ranks."""
        first, visible = self.decoder_embed(latent).split([1, latent.shape[1] - 1], dim=1)
        hidden = self.mask_token.expand(len(rank), rank.shape[1] - visible.shape[1], -1)
        shuffled = torch.cat([visible, hidden.to(visible.dtype)], dim=1)
        patches = torch.take_along_dim(shuffled, rank[..., None], dim=1)
        tokens = torch.cat([first, patches], dim=1) + self.decoder_pos_embed
        for block in self.decoder_blocks:
            tokens = block(tokens)
        return self.decoder_pred(self.decoder_norm(tokens))[:, 1:]

    def forward(
        self, images: Tensor, mask_ratio: float = 0.75, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Hide, encode, decode.

        Returns:
            loss; prediction [n, L, p·p·3]; mask [n, L], 1 where removed.
        """
        latent, mask, rank = self.encode(images, mask_ratio, noise)
        prediction = self.decode(latent, rank)
        target = patchify(images, self.patch_size)
        if self.norm_pix_loss:
            target = normalised_patches(target)
        return reconstruction_loss(prediction.float(), target.float(), mask), prediction, mask


def build_mae(name: str = "base", **settings) -> MaskedAutoencoder:
    """A masked autoencoder by size.

    Args:
        name: a key of :data:`DECODERS`, or ``custom`` with all sizes given.
        settings: arguments of :class:`MaskedAutoencoder`, in place of those of `name`.

    Raises:
        UserError: unknown name, or an image size that patches do not tile.
    """
    if name == "custom":
        return MaskedAutoencoder(**settings)
    if name not in DECODERS:
        raise UserError(f"there is no model '{name}'; there are {', '.join(DECODERS)}.")
    return MaskedAutoencoder(**{**vars(SIZES[name]), **vars(DECODERS[name]), **settings})
