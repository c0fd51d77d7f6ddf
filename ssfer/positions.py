"""Position embeddings: the fixed sine-cosine table, and resizing to another grid."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def sincos_table(embed_dim: int, grid_size: int, cls_token: bool = False) -> np.ndarray:
    """The fixed two-dimensional table of masked autoencoders.

    Frequency i of d/4 is 10000^(-i / (d/4)). The first half of a row encodes the patch's column,
    the second its row; each half is sines, then cosines. Patches run row by row.

    Args:
        embed_dim: d, a multiple of 4.
        grid_size: patches along a side.
        cls_token: put a row of zeros in front.

    Returns:
        float64 [grid_size², d], or one row more.

    Raises:
        ValueError: `embed_dim` is no multiple of 4.
    """
    if embed_dim % 4:
        raise ValueError(f"the width {embed_dim} of a position table must be a multiple of 4")
    frequencies = 10000.0 ** (-np.arange(embed_dim // 4) / (embed_dim / 4))
    rows, columns = np.divmod(np.arange(grid_size**2, dtype=np.float64), grid_size)
    angles = (np.outer(place, frequencies) for place in (columns, rows))
    table = np.hstack([wave(a) for a in angles for wave in (np.sin, np.cos)])
    return np.vstack([np.zeros((1, embed_dim)), table]) if cls_token else table


def interpolate_positions(pos_embed: Tensor, patches: int, extra_tokens: int = 1) -> Tensor:
    """Resize the square grid of a position embedding, bicubic without antialias.

    Args:
        pos_embed: [1, extra_tokens + old², d].
        patches: new², patches of the model that will use it.
        extra_tokens: rows in front that belong to no patch; they are copied.

    Returns:
        [1, extra_tokens + new², d]; `pos_embed` itself where the grid is the same.

    Raises:
        ValueError: either number of patches is no square.
    """
    old, new = (math.isqrt(n) for n in (pos_embed.shape[1] - extra_tokens, patches))
    if old**2 != pos_embed.shape[1] - extra_tokens or new**2 != patches:
        raise ValueError(
            f"position tables of {pos_embed.shape[1] - extra_tokens} and {patches} patches: both "
            "must be square grids"
        )
    if old == new:
        return pos_embed
    front, grid = pos_embed[:, :extra_tokens], pos_embed[:, extra_tokens:]
    grid = grid.reshape(1, old, old, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(new, new), mode="bicubic", align_corners=False)
    return torch.cat([front, grid.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
