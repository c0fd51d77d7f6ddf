"""``python -m common.datasets stats``: what a dataset looks like, in numbers and in one picture."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from common.cli import UserError
from common.data.images import DECODE_ERRORS, decode
from common.data.manifest import Manifest
from common.datasets import catalogue
from common.datasets.doctor.scan import Scan, scan
from common.datasets.folders import counts_table
from common.files import write_json
from common.flags import a_seed, count

RECORD, TABLE, SHEET = "stats.json", "stats.csv", "contact_sheet.png"
QUANTILES = {"smallest": 0.0, "median": 0.5, "largest": 1.0}
CAPTION, GAP = 18, 4  # pixels


def describe(manifest: Manifest, seen: Scan) -> dict:
    """The figures of a dataset.

    Mean and deviation are of the channels in 0..1, every image weighing the same whatever its
    size: ``std`` is the root of the mean of the images' mean squares minus the squared mean.

    Args:
        seen: scan of the manifest's images, in its order.

    Raises:
        UserError: no image can be decoded.
    """
    good = seen.readable
    if not good.any():
        raise UserError(f"none of the images of {manifest.name} can be decoded; copy it again.")
    splits = list(dict.fromkeys(manifest.table["split"]))
    mean, square = seen.mean[good].mean(axis=0), seen.square[good].mean(axis=0)
    widths, heights = seen.size[good].T
    return {
        "dataset": manifest.name,
        "form": manifest.form,
        "drawn": manifest.drawn,
        "classes": list(manifest.classes),
        "counts": {split: manifest.split(split).counts() for split in splits},
        "images": len(seen),
        "unreadable": int((~good).sum()),
        "sizes": {
            name: {"width": int(np.quantile(widths, q)), "height": int(np.quantile(heights, q))}
            for name, q in QUANTILES.items()
        },
        "square": int((widths == heights).sum()),
        "modes": dict(zip(*_counted(seen.mode[good]), strict=True)),
        "mean": mean.tolist(),
        "std": np.sqrt(np.maximum(square - mean**2, 0)).tolist(),
    }


def _counted(values: np.ndarray) -> tuple[list[str], list[int]]:
    names, numbers = np.unique(values.astype(str), return_counts=True)
    return names.tolist(), numbers.tolist()


def class_table(manifest: Manifest, seen: Scan) -> pd.DataFrame:
    """A row per split and class: images, their share of the split, median size, brightness."""
    table = manifest.table[["split", "label"]].reset_index(drop=True)
    brightness = np.where(seen.readable, seen.mean.mean(axis=1), np.nan)
    table = table.assign(width=seen.size[:, 0], height=seen.size[:, 1], brightness=brightness)
    rows = []
    for split in dict.fromkeys(table["split"]):
        of_split = table[table["split"] == split]
        for label, name in enumerate(manifest.classes):
            group = of_split[of_split["label"] == label]
            middle = group[["width", "height"]].median()
            rows.append(
                {
                    "split": split,
                    "class": name,
                    "images": len(group),
                    "share": len(group) / len(of_split),
                    "median_width": middle["width"],
                    "median_height": middle["height"],
                    "brightness": group["brightness"].mean(),
                }
            )
    return pd.DataFrame(rows)


def contact_sheet(manifest: Manifest, columns: int = 8, side: int = 96, seed: int = 0) -> Image:
    """A row of random images for every class, its name above it.

    Args:
        columns: images a class.
        side: pixels of an image's long side.
        seed: of the choice.

    Returns:
        An RGB image; images that cannot be decoded leave their place empty.
    """
    rng = np.random.default_rng(seed)
    height = side + CAPTION + GAP
    sheet = Image.new(
        "RGB", (columns * (side + GAP) + GAP, len(manifest.classes) * height + GAP), "white"
    )
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(CAPTION * 2 // 3)
    for label, name in enumerate(manifest.classes):
        members = np.flatnonzero(manifest.labels == label)
        chosen = rng.permutation(members)[:columns]
        top = GAP + label * height
        caption = f"{name} ({len(members)}{' drawn' if manifest.drawn else ''})"
        text = caption.encode("latin-1", "replace").decode("latin-1")
        draw.text((GAP, top), text, fill="black", font=font)
        for column, i in enumerate(chosen):
            thumbnail = _thumbnail(str(manifest.root / manifest.table["path"].iloc[i]), side)
            if thumbnail is not None:
                left = GAP + column * (side + GAP) + (side - thumbnail.width) // 2
                sheet.paste(thumbnail, (left, top + CAPTION + (side - thumbnail.height) // 2))
    return sheet


def _thumbnail(path: str, side: int) -> Image.Image | None:
    try:
        image = decode(path, upright=True)
    except DECODE_ERRORS:
        return None
    image.thumbnail((side, side))
    return image


def text(figures: dict) -> str:
    """The figures as a person reads them."""
    sizes = ", ".join(f"{n} {s['width']} × {s['height']}" for n, s in figures["sizes"].items())
    lines = [
        counts_table(figures["counts"]),
        f"size: {sizes}; {figures['square']} of {figures['images']} are square",
        f"colours: {', '.join(f'{n} {m}' for m, n in figures['modes'].items())}",
        f"mean {_three(figures['mean'])}, std {_three(figures['std'])}",
    ]
    if figures["unreadable"]:
        lines.append(f"{figures['unreadable']} images cannot be decoded; ask the doctor")
    if figures["drawn"]:
        lines.append("drawn stand-in")
    return "\n".join(lines)


def _three(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{v:.3f}" for v in values) + ")"


def add(commands) -> None:
    """Add ``stats`` to the parser's sub-commands."""
    parser = commands.add_parser(
        "stats",
        help="class histogram, sizes, mean and deviation, and a sheet of images",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("name", metavar="NAME", help=", ".join(sorted(catalogue.DATASETS)))
    add("root", metavar="DIR", type=Path, help="folder of the dataset")
    add("--out", type=Path, metavar="DIR", help=f"folder for {RECORD}, {TABLE} and {SHEET}")
    add("--columns", type=count, default=8, help="images a class on the sheet")
    add("--seed", type=a_seed, default=0, help="of the images on the sheet")
    add("--workers", type=count, help="processes; default: one a core")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the figures and, with ``--out``, write them and the sheet.

    Raises:
        UserError: the dataset cannot be read, or the files are there already.
    """
    if args.out and any((args.out / name).exists() for name in (RECORD, TABLE, SHEET)):
        raise UserError(f"{args.out} holds such files already; choose another --out.")
    manifest = catalogue.reader(args.name)(args.root)
    seen = scan([str(manifest.root / p) for p in manifest.table["path"]], args.workers)
    figures = describe(manifest, seen)
    print(text(figures))
    if args.out is None:
        return 0
    sheet = contact_sheet(manifest, args.columns, seed=args.seed)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        write_json(args.out / RECORD, figures)
        class_table(manifest, seen).to_csv(args.out / TABLE, index=False)
        sheet.save(args.out / SHEET)
    except OSError as error:
        raise UserError(
            f"nothing can be written to {args.out} ({error.strerror}); choose another --out."
        ) from None
    print(f"written to {args.out}: {RECORD}, {TABLE}, {SHEET}")
    return 0
