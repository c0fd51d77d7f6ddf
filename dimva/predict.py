"""``python dimva/predict.py``: valence and arousal of every image of a folder."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

if not __package__:  # run as a script: import from the repository's root, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import pandas as pd
import torch

from common.cli import UserError, choose_device, command, log_to
from common.data.check import decode_errors
from common.data.dataset import ViewDataset
from common.data.manifest import Manifest
from common.data.streams import eval_loader, plain_errors
from common.datasets.lexicon import read_lexicon
from common.datasets.readers.folder import images_below
from common.datasets.readers.table import column, match_images, numbers, read_delimited
from common.flags import at_least_0, count
from dimva import figure, objective
from dimva.data import eval_views
from dimva.model import DimensionalResNet, load_checkpoint
from dimva.options import IMAGE_SIZE

log = logging.getLogger(__name__)


def build_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = argparse.ArgumentParser(
        prog="python dimva/predict.py",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    needed = {"required": True, "default": argparse.SUPPRESS, "type": Path}
    add("--checkpoint", help="checkpoints/<mode>_<task>_<dataname>_rs_<seed>.pt", **needed)
    add("--images", help="folder; its sub-folders count too", **needed)
    add(
        "--out",
        help="CSV to write: path, valence, arousal and, in the multi task, logits",
        **needed,
    )
    add("--truth", type=Path, help="CSV with path, valence and arousal of every image")
    add("--figure", type=Path, help="with --truth: scatter figure to write")
    add("--lexicon", type=Path, help="places the emotion words in the figure")
    add("--image_size", type=count, default=IMAGE_SIZE, help="as in training")
    add("--batch_size", type=count, default=32, help="images a batch")
    add("--num_workers", type=at_least_0, default=2, help="loader processes")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    return parser


def find(folder: Path, workers: int = 2) -> tuple[list[str], list[str]]:
    """Paths relative to `folder`, sorted: the images, and those left out as unreadable.

    Raises:
        UserError: there is no folder, no image in it, or none that can be decoded.
    """
    images = images_below(folder) if folder.is_dir() else []
    if not images:
        raise UserError(f"there is no image in {folder}; --images takes a folder of images.")
    good, bad = [], []
    for path, error in zip(images, decode_errors(images, workers), strict=True):
        name = path.relative_to(folder).as_posix()
        (bad if error else good).append(name)
        if error:
            log.warning("unreadable image left out: %s (%s)", path, error)
    if not good:
        raise UserError(
            f"none of the {len(bad)} images in {folder} can be decoded, {bad[0]} being the first; "
            "copy them again."
        )
    return good, bad


@torch.no_grad()
def predict(
    model: DimensionalResNet, folder: Path, paths: list[str], args, device: torch.device
) -> pd.DataFrame:
    """A row an image: ``path`` (relative to `folder`), ``valence``, ``arousal``.

    In the multi task also ``logit_0``, ``logit_1``, … in the alphabetical order of the classes.
    """
    table = pd.DataFrame({"path": paths, "label": 0, "split": "test"})
    dataset = ViewDataset(
        Manifest("images", folder, ("image",), table), eval_views(args.image_size)
    )
    model.to(device).eval()
    rows = []
    for batch in plain_errors(eval_loader(dataset, args.batch_size, args.num_workers)):
        logits, va = model(batch["image"].to(device))
        rows.append((va if logits is None else torch.cat([va, logits], dim=1)).cpu())
    values = torch.cat(rows).numpy()
    names = ["valence", "arousal", *(f"logit_{i}" for i in range(values.shape[1] - 2))]
    return pd.concat([table[["path"]], pd.DataFrame(values, columns=names)], axis=1)


def _draw(predicted: pd.DataFrame, left_out: list[str], args) -> None:
    frame = read_delimited(args.truth, "a header with path, valence and arousal")
    name = column(frame, args.truth, ("path",))
    frame = frame[~frame[name].map(_posix).isin(left_out)]
    names = frame[name]
    matched = match_images(names, map(Path, predicted["path"]), args.truth, _posix)
    rows = predicted.set_index("path").loc[[path.as_posix() for path in matched]]
    columns = {name: rows[name].to_numpy() for name in ("valence", "arousal")}
    for name in ("valence", "arousal"):
        cells = frame[column(frame, args.truth, (name,))]
        columns[f"true_{name}"] = numbers(cells, args.truth, 1, 9)
    words = {}
    if args.lexicon:
        points = read_lexicon(args.lexicon).points(objective.MIKELS)
        words = dict(zip(objective.MIKELS, points, strict=True))
    figure.scatter(args.figure, columns, words)


def _posix(name: str) -> str:
    return Path(name).as_posix()


@command
def main(argv: list[str]) -> int:
    """Predict; returns the exit code."""
    log_to()
    args = build_parser().parse_args(argv)
    if (args.truth is None) != (args.figure is None):
        raise UserError("--truth and --figure go together: the figure compares with the truth.")
    model, device = load_checkpoint(args.checkpoint), choose_device(args.device)
    paths, left_out = find(args.images, args.num_workers)
    predicted = predict(model, args.images, paths, args, device)
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        predicted.to_csv(args.out, index=False)
    except OSError as error:
        raise UserError(f"--out {args.out} cannot be written ({error.strerror}).") from None
    print(f"{len(predicted)} images: {args.out}")
    if left_out:
        print(f"{len(left_out)} unreadable and left out: {', '.join(left_out)}")
    if args.figure:
        _draw(predicted, left_out, args)
        print(f"figure: {args.figure}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
