"""``python -m common.export RUN --format onnx|torch|safetensors``: a model for other programs."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from common.cli import UserError, command, log_to
from common.data.images import DECODE_ERRORS
from common.files import replacing
from common.flags import count
from common.predict import Model, load
from common.predict.model import papers
from common.predict.run import find_images

log = logging.getLogger(__name__)

SUFFIXES = {"onnx": ".onnx", "torch": ".pt2", "safetensors": ".safetensors"}
TOLERANCE = 1e-4
TRACED, CHECKED = 2, 5  # batch sizes: the file must take any other than it was made with
DRAWN_SEED = 0
OPSET = 18


def metadata(model: Model) -> dict[str, str]:
    """What a program must know to use the file: text by name, the record as JSON."""
    return {
        "record": json.dumps(model.record),
        "preprocessing": json.dumps(model.preprocessing.plain()),
        "classes": json.dumps(list(model.classes)),
        "outputs": json.dumps(model.network.names),
    }


def _example(model: Model, number: int) -> Tensor:
    side = model.preprocessing.crop or model.preprocessing.resize
    return torch.zeros(number, 3, side, side)


def write_onnx(model: Model, path: Path) -> Callable[[Tensor], list[np.ndarray]]:
    """ONNX with a free batch size.

    Returns:
        What runs the file, under onnxruntime.

    Raises:
        UserError: a package that it needs is missing.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError as error:
        raise UserError(
            f"--format onnx needs the package {error.name}; install the extra 'export' "
            "(pip install 'emotionlab[export]')."
        ) from None
    torch.onnx.export(
        model.network,
        (_example(model, TRACED),),
        path,
        input_names=["images"],
        output_names=list(model.network.names),
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    graph = onnx.load(path)
    onnx.helper.set_model_props(graph, metadata(model))
    onnx.save(graph, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"images": images.numpy()})


def write_torch(model: Model, path: Path) -> Callable[[Tensor], list[np.ndarray]]:
    """torch.export's archive, which torch.export.load reads without this project."""
    free = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(model.network, (_example(model, TRACED),), dynamic_shapes=free)
    extra = metadata(model)
    torch.export.save(program, path, extra_files=extra)
    module = torch.export.load(path).module()
    return lambda images: [value.numpy() for value in module(images)]


def write_safetensors(model: Model, path: Path) -> Callable[[Tensor], list[np.ndarray]]:
    """The weights alone, with the record in the header."""
    state = {k: v.contiguous().clone() for k, v in model.network.network.state_dict().items()}
    save_file(state, path, metadata(model))
    again = load(model.path, model.record["paper"], model.classes or None)
    again.network.network.load_state_dict(load_file(path))
    return lambda images: [value.numpy() for value in again.network(images)]


WRITERS = {"onnx": write_onnx, "torch": write_torch, "safetensors": write_safetensors}


def photographs(model: Model, source: str | None, number: int) -> tuple[Tensor, str]:
    """Normalised images to compare on, and what they are.

    Raises:
        UserError: none of the files can be read.
    """
    if source is None:
        generator = torch.Generator().manual_seed(DRAWN_SEED)
        noise = torch.randn(_example(model, number).shape, generator=generator)
        return noise, f"{number} images of noise (give --images for photographs)"
    found = []
    for path in find_images(source).values():
        try:
            found.append(model.open(path))
        except DECODE_ERRORS as error:
            log.warning("unreadable image left out: %s (%s)", path, error)
        if len(found) == number:
            break
    if not found:
        raise UserError(f"none of the images of --images {source} can be read.")
    return torch.stack(found), f"{len(found)} photographs"


@torch.inference_mode()
def largest_difference(
    model: Model, run: Callable[[Tensor], list[np.ndarray]], images: Tensor
) -> float:
    """Of the file's outputs from torch's, over batches unlike the one it was made with."""
    largest = 0.0
    for batch in images.split(CHECKED):
        ours = [value.numpy() for value in model.network(batch)]
        theirs = run(batch)
        differences = [np.abs(a - b).max() for a, b in zip(ours, theirs, strict=True)]
        largest = max(largest, *map(float, differences))
    return largest


@command
def main(argv: list[str]) -> int:
    """Export; 0, or 1 where the file does not agree with torch, which is then not kept."""
    parser = argparse.ArgumentParser(prog="python -m common.export", description=__doc__)
    add = parser.add_argument
    add("model", type=Path, metavar="RUN_OR_CHECKPOINT", help="run folder, or a checkpoint")
    add("--format", choices=SUFFIXES, required=True, help="kind of file")
    add("--out", type=Path, help="file to write; default: beside the checkpoint")
    add("--images", help="photographs to compare on: folder, image or list; default: noise")
    add("--number", type=count, default=50, help="how many of them (default: 50)")
    add("--as", dest="paper", metavar="PAPER", help=f"whose file it is: {', '.join(papers())}")
    add("--classes", help="names in order, separated by commas, where the file does not say them")
    log_to()
    args = parser.parse_args(argv)
    classes = [name.strip() for name in args.classes.split(",")] if args.classes else None
    model = load(args.model, args.paper, classes)
    out = args.out or model.path.with_name(model.path.name.split(".")[0] + SUFFIXES[args.format])
    images, what = photographs(model, args.images, args.number)
    try:
        with replacing(out) as part:
            fitting = part.with_suffix(SUFFIXES[args.format])  # torch and ONNX look at it
            part.rename(fitting)
            try:
                difference = largest_difference(model, WRITERS[args.format](model, fitting), images)
            finally:
                fitting.rename(part)
            print(f"largest difference from torch on {what}: {difference:.2g}")
            if not difference <= TOLERANCE:
                raise _Disagrees
    except _Disagrees:
        print(f"above {TOLERANCE:g}, so {out} is not written")
        return 1
    except OSError as error:
        raise UserError(f"--out {out} cannot be written ({error.strerror}).") from None
    print(f"written: {out}")
    return 0


class _Disagrees(Exception):
    """The file does not answer as torch does."""


if __name__ == "__main__":
    raise SystemExit(main())
