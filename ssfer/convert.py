"""``python -m ssfer.convert``: weights of others as a plain state dict in safetensors."""

from __future__ import annotations

import argparse
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor, nn

from common.cli import UserError, command, log_to
from common.files import replacing
from common.flags import count
from ssfer.checkpoints import HEAD, Report, fit_state, read_weights
from ssfer.pretrain.mae import DECODERS, build_mae
from ssfer.vit import SIZES, build_vit

TARGETS = ("classifier", "encoder", "autoencoder")


def build_parser() -> argparse.ArgumentParser:
    """The flags of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m ssfer.convert",
        description="Read a pre-training checkpoint of the authors, a file of MAE or of timm's "
        "vision transformers, or one of ours; say what is missing, unexpected or reshaped; write "
        "safetensors.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("source", type=Path, help=".pth, .pt, .bin, .ckpt or .safetensors")
    add("out", type=Path, help="a .safetensors file")
    add("--model", choices=tuple(SIZES), default="base", help="size of the network")
    add("--input_size", type=count, default=224, help="side of the images it will see")
    add(
        "--target",
        choices=TARGETS,
        default="encoder",
        help="what to keep: the encoder with its head, without it, or the whole autoencoder",
    )
    add("--overwrite", action="store_true", help="replace the file that is to be written")
    return parser


def convert(
    state: dict[str, Tensor], target: str, model: str, input_size: int
) -> tuple[dict[str, Tensor], Report]:
    """Bring a state dict into the form of one of our networks.

    Args:
        state: see :func:`ssfer.checkpoints.read_weights`.
        target: one of :data:`TARGETS`.
        model, input_size: of the network it is for; position tables are resized to it.

    Returns:
        The network's entries that the file has, contiguous; and the report.

    Raises:
        UserError: the file is of another network, or lacks a part that it must have.
    """
    network = _network(state, target, model, input_size)
    report = fit_state(network, _without_head(state) if target == "encoder" else state)
    report.dropped += [name for name in HEAD if name in state and target == "encoder"]
    optional = HEAD if target == "encoder" else ()
    if lacking := [name for name in report.missing if name not in optional]:
        shown = ", ".join(lacking[:4])
        raise UserError(
            f"{len(lacking)} tensors of the {target} are missing, the first {shown}. Check --model "
            "and --target."
        )
    own = network.state_dict()
    kept = {name: value for name, value in own.items() if name not in report.missing}
    return {name: value.contiguous() for name, value in kept.items()}, report


def _without_head(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if name not in HEAD}


def _network(state: dict[str, Tensor], target: str, model: str, input_size: int) -> nn.Module:
    if target == "autoencoder":
        if model not in DECODERS:
            raise UserError(f"there is no masked autoencoder of size {model}.")
        return build_mae(model, img_size=input_size)
    classes = len(state["head.bias"]) if "head.bias" in state else 1
    return build_vit(model, classes, input_size)


@command
def main(argv: list[str]) -> int:
    """Convert a file; returns the exit code."""
    log_to()
    args = build_parser().parse_args(argv)
    if args.out.suffix != ".safetensors":
        raise UserError(f"{args.out} must end in .safetensors, the format that is written.")
    if args.out.exists() and not args.overwrite:
        raise UserError(f"{args.out} exists; give --overwrite to replace it, or another name.")
    state, report = convert(read_weights(args.source), args.target, args.model, args.input_size)
    for line in report.lines():
        print(line)
    _write(state, args.out, {"model": args.model, "input_size": str(args.input_size)})
    print(f"{len(state)} tensors written to {args.out}")
    return 0


def _write(state: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write in one step.

    Raises:
        UserError: the place cannot be written.
    """
    try:
        with replacing(path) as part:
            save_file(state, part, metadata)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}.") from None


if __name__ == "__main__":
    raise SystemExit(main())
