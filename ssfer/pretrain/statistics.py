"""``python -m ssfer.pretrain.statistics``: mean and deviation per channel of a folder of images."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor
from torchvision.transforms import v2

from common.cli import UserError, command
from common.data.dataset import open_rgb
from common.datasets.readers.folder import images_below
from common.flags import count


def channel_statistics(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and deviation per channel; batches weigh equally whatever their size.

    Args:
        batches: [n, 3, h, w] each.

    Returns:
        mean of the batches' means [3]; √(mean of the batches' mean squares − mean²) [3].
    """
    means, squares = [], []
    for batch in batches:
        means.append(batch.mean(dim=(0, 2, 3)))
        squares.append(batch.square().mean(dim=(0, 2, 3)))
    mean = torch.stack(means).mean(dim=0)
    return mean, (torch.stack(squares).mean(dim=0) - mean.square()).sqrt()


@command
def main(argv: list[str]) -> None:
    """Print the statistics; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m ssfer.pretrain.statistics", description=__doc__
    )
    parser.add_argument("--images", type=Path, required=True, help="folder, searched through")
    parser.add_argument("--input_size", type=count, default=224, help="side they are resized to")
    parser.add_argument("--batch_size", type=count, default=64, help="images a batch")
    args = parser.parse_args(argv)
    paths = images_below(args.images)
    if not paths:
        raise UserError(f"{args.images} holds no image; give a folder of image files.")
    view = v2.Compose(
        [
            v2.Resize((args.input_size, args.input_size)),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
    size = args.batch_size
    groups = (paths[i : i + size] for i in range(0, len(paths), size))
    mean, std = channel_statistics(
        torch.stack([view(open_rgb(str(path))) for path in group]) for group in groups
    )
    for name, values in (("mean", mean), ("std", std)):
        print(f"{name}: {', '.join(f'{value:.3f}' for value in values)}")


if __name__ == "__main__":
    raise SystemExit(main())
