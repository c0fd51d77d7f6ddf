"""``python dimva/predict.py``: valence and arousal of photographs, and how near the truth."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if not __package__:  # run as a script: import from the repository's root, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import pandas as pd

from common.cli import UserError, command
from common.datasets.lexicon import read_lexicon
from common.datasets.readers.table import column, match_images, numbers, read_delimited
from common.flags import at_least_0, count
from common.predict.__main__ import main as predict
from dimva import figure, objective


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
    add("--out", help="CSV to write, see python -m common.predict", **needed)
    add("--truth", type=Path, help="CSV with path, valence and arousal of every image")
    add("--figure", type=Path, help="with --truth: scatter figure to write")
    add("--lexicon", type=Path, help="places the emotion words in the figure")
    add("--image_size", type=count, help="refused where the model was trained at another")
    add("--batch_size", type=count, default=32, help="images a batch")
    add("--num_workers", type=at_least_0, default=2, help="loader processes")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    return parser


def _draw(args) -> None:
    predicted = pd.read_csv(args.out)
    frame = read_delimited(args.truth, "a header with path, valence and arousal")
    name = column(frame, args.truth, ("path",))
    there = {f.relative_to(args.images).as_posix() for f in args.images.rglob("*") if f.is_file()}
    left_out = there - set(predicted["path"])
    frame = frame[~frame[name].map(_posix).isin(left_out)]
    matched = match_images(frame[name], map(Path, predicted["path"]), args.truth, _posix)
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
    args = build_parser().parse_args(argv)
    if (args.truth is None) != (args.figure is None):
        raise UserError("--truth and --figure go together: the figure compares with the truth.")
    words = [str(args.checkpoint), "--as", "dimva", "--images", str(args.images)]
    for name in ("out", "batch_size", "num_workers", "device", "image_size"):
        value = getattr(args, name)
        words += [] if value is None else [f"--{name}", str(value)]
    code = predict(words)
    if code == 0 and args.figure:
        _draw(args)
        print(f"figure: {args.figure}")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
