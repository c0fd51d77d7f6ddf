"""``python -m common.predict RUN_OR_CHECKPOINT --images DIR|FILE|LIST|-``: answers as a table."""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Iterator
from pathlib import Path

from common.cli import UserError, choose_device, command, log_to
from common.files import replacing
from common.flags import at_least_0, count
from common.predict import page
from common.predict.model import Model, load, papers
from common.predict.run import Seen, answers, find_images

ABOUT = """What a trained model says of photographs: probabilities in the order of the classes and
the top class, or valence and arousal. A checkpoint of a run says itself what it is; one of the
authors' needs --as and --classes."""


def build_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = argparse.ArgumentParser(prog="python -m common.predict", description=ABOUT)
    add = parser.add_argument
    add("model", type=Path, metavar="RUN_OR_CHECKPOINT", help="run folder, or a checkpoint")
    add("--images", required=True, help="folder, image, list of paths, or - for such a list")
    add("--out", type=Path, help="CSV to write; default: a line an image is printed")
    add("--html", type=Path, help="page to write, with small pictures")
    add("--as", dest="paper", metavar="PAPER", help=f"whose file it is: {', '.join(papers())}")
    add("--classes", help="names in order, separated by commas, where the file does not say them")
    add("--image_size", type=count, help="refused where the model was trained at another")
    add("--batch_size", type=count, default=32, help="images a batch (default: 32)")
    add("--num_workers", type=at_least_0, help="loader processes (default: one for two cores)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    return parser


def refuse_another_size(model: Model, size: int | None) -> None:
    """Refuse a size that the model was not trained at.

    Raises:
        UserError: it says so.
    """
    shown = model.preprocessing
    trained = shown.crop or shown.resize
    if size is not None and size != trained:
        raise UserError(
            f"--image_size {size} contradicts {model.path}, which was trained at {trained}; leave "
            "the flag out."
        )


def columns(model: Model) -> list[str]:
    """The columns of the table."""
    names = ["path"]
    if "probabilities" in model.network.names:
        names += ["class", "confidence", *(f"p_{name}" for name in model.classes)]
    if "valence_arousal" in model.network.names:
        names += ["valence", "arousal"]
    return names


def cells(row: dict) -> dict:
    """A row of :func:`answers` by :func:`columns`."""
    chances = row.get("probabilities", {})
    return row | {f"p_{name}": f"{value:.6g}" for name, value in chances.items()}


def write_table(path: Path, model: Model, rows: Iterator[dict]) -> Iterator[dict]:
    """Pass the rows on and write them as CSV, whole or not at all.

    Raises:
        UserError: the place cannot be written.
    """
    try:
        with replacing(path) as part, open(part, "w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, columns(model), extrasaction="ignore")
            table.writeheader()
            for row in rows:
                table.writerow(cells(row))
                yield row
    except OSError as error:
        raise UserError(f"--out {path} cannot be written ({error.strerror}).") from None


def line(row: dict) -> str:
    """A row for people."""
    parts = [row["path"]]
    if "class" in row:
        parts.append(f"{row['class']} {row['confidence']:.1%}")
    if "valence" in row:
        parts.append(f"valence {row['valence']:.2f}, arousal {row['arousal']:.2f}")
    return "\t".join(parts)


def tell(model: Model, seen: Seen) -> None:
    """Say what became of the photographs."""
    print(f"{seen.answered} images answered by {model.path}")
    if seen.left_out:
        names = ", ".join(path for path, _ in seen.left_out[:20])
        more = "" if len(seen.left_out) <= 20 else ", …"
        print(f"{len(seen.left_out)} unreadable and left out: {names}{more}")
    if seen.cut:
        print(f"{seen.cut} are far from square; only their middle was seen")
    if seen.outside:
        low, high = model.scale
        print(
            f"warning: {seen.outside} have a valence or arousal outside {low:g}..{high:g}, the "
            "scale of the training; they are not to be trusted"
        )
    if model.record.get("data", {}).get("drawn"):
        print("warning: the model was trained on drawn stand-in images; its answers mean nothing")


@command
def main(argv: list[str]) -> int:
    """Predict; returns the exit code."""
    log_to()
    args = build_parser().parse_args(argv)
    classes = [name.strip() for name in args.classes.split(",")] if args.classes else None
    model = load(args.model, args.paper, classes, choose_device(args.device))
    refuse_another_size(model, args.image_size)
    images, seen = find_images(args.images), Seen()
    workers = (os.cpu_count() or 1) // 2 if args.num_workers is None else args.num_workers
    rows = answers(model, images, seen, args.batch_size, workers, args.html is not None)
    if args.out:
        rows = write_table(args.out, model, rows)
    kept = []
    for row in rows:
        if args.html:
            kept.append(row)
        if not args.out and not args.html:
            print(line(row))
    tell(model, seen)
    if args.html:
        page.write(args.html, model, kept, seen)
    for path in filter(None, (args.out, args.html)):
        print(f"written: {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
