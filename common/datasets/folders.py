"""``python -m common.datasets folders``: any readable dataset laid out as class folders."""

from __future__ import annotations

import argparse
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets import catalogue
from common.datasets.readers.folder import DRAWN_MARK
from common.files import replacing_folder, write_json

MIDDLE = 5.0  # of the scale 1..9
QUADRANTS = catalogue.LABEL_SETS["va"].classes


@contextmanager
def made_whole(out: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `out` when the block ends without error.

    Raises:
        UserError: nothing can be written beside `out`.
    """
    with ExitStack() as stack:
        try:
            part = stack.enter_context(replacing_folder(out))
        except OSError as error:
            raise UserError(
                f"{out} cannot be made: {error.strerror} ({error.filename}); choose another --out."
            ) from None
        yield part


def new_folder(out: Path):
    """:func:`made_whole` for a folder that is not there yet, or is empty.

    Raises:
        UserError: something is there.
    """
    out = Path(out).resolve()  # a link to a folder is followed, not replaced
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} already exists; choose another --out or delete it first.")
    return made_whole(out)


def counts_table(counts: dict[str, dict[str, int]]) -> str:
    """Images per class and split, as text.

    Args:
        counts: split -> class -> images.
    """
    splits = sorted(counts, reverse=True)
    classes = sorted({name for of_split in counts.values() for name in of_split})
    wide = max([8, *(len(split) + 1 for split in splits)])
    lines = [f"{'class':<20}" + "".join(f"{split:>{wide}}" for split in splits)]
    for name in classes:
        lines.append(f"{name:<20}" + "".join(f"{counts[s].get(name, 0):>{wide}}" for s in splits))
    lines.append(f"{'all':<20}" + "".join(f"{sum(counts[s].values()):>{wide}}" for s in splits))
    return "\n".join(lines)


def lay_out(manifest: Manifest, out: Path) -> dict[str, dict[str, int]]:
    """Write ``<out>/<split>/<class>/<image>``, all of it or nothing.

    Files are linked where the disk allows it and copied elsewhere; a number before the name keeps
    images of one name apart.

    Returns:
        Images per split and class.

    Raises:
        UserError: `out` is there already, or cannot be made.
    """
    names = [re.sub(r"[/\\\s]", "_", name) for name in manifest.classes]
    counts: dict[str, dict[str, int]] = {}
    with new_folder(out) as work:
        for split in dict.fromkeys(manifest.table["split"]):
            rows = manifest.split(split)
            for name in names:
                (work / split / name).mkdir(parents=True)
            for k, (path, label) in enumerate(zip(rows.table["path"], rows.labels, strict=True)):
                source = (rows.root / path).resolve()
                _link(source, work / split / names[label] / f"{k:06d}_{source.name}")
            counts[split] = dict(zip(names, rows.counts().values(), strict=True))
        if manifest.drawn:
            write_json(work / DRAWN_MARK, {"drawn": True, "of": manifest.name, "counts": counts})
    return counts


def quadrants(manifest: Manifest) -> Manifest:
    """A rated set with the quadrant of its valence and arousal, cut at the middle, as label.

    Raises:
        UserError: the set has no ratings.
    """
    if not {"valence", "arousal"} <= set(manifest.table.columns):
        raise UserError(
            f"{manifest.name} has no valence and arousal, so it has no quadrants; leave "
            "--quadrants out."
        )
    kept = manifest.take(np.arange(len(manifest)))
    positive = kept.table["valence"].to_numpy() >= MIDDLE
    aroused = kept.table["arousal"].to_numpy() >= MIDDLE
    kept.table["label"] = 2 * positive.astype(np.int64) + (~aroused).astype(np.int64)
    kept.classes = QUADRANTS
    kept.notes.append(f"classes are quadrants of valence and arousal, cut at {MIDDLE:g}")
    return kept


def present(manifest: Manifest) -> Manifest:
    """Only the classes that have images to train with and to test on, numbered anew."""
    have = [set(manifest.split(s).labels) for s in ("train", "test")]
    kept = sorted(have[0] & have[1])
    numbers = {old: new for new, old in enumerate(kept)}
    rows = manifest.take(np.flatnonzero(np.isin(manifest.labels, kept)))
    rows.table["label"] = [numbers[label] for label in rows.labels]
    lost = len(manifest.classes) - len(kept)
    if lost:
        rows.notes.append(f"{lost} of {len(manifest.classes)} classes lack images and are left out")
    rows.classes = tuple(manifest.classes[k] for k in kept)
    return rows


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def add(commands) -> None:
    """Add ``folders NAME DIR --out DIR`` to the sub-commands of ``python -m common.datasets``."""
    known = ", ".join(sorted(catalogue.DATASETS))
    parser: argparse.ArgumentParser = commands.add_parser(
        "folders",
        help="lay a dataset out as class folders, which every training reads",
        description=f"Lay a dataset out as <split>/<class>/<image>. Known: {known}.",
    )
    parser.add_argument("name", metavar="NAME", help=known)
    parser.add_argument("root", type=Path, metavar="DIR", help="folder of the dataset")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    parser.add_argument(
        "--quadrants", action="store_true", help="classes are quadrants of valence and arousal"
    )
    parser.add_argument(
        "--present", action="store_true", help="leave out classes without train or test images"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    manifest = catalogue.reader(args.name)(args.root)
    if args.quadrants:
        manifest = quadrants(manifest)
    if args.present:
        manifest = present(manifest)
    counts = lay_out(manifest, args.out)
    print(counts_table(counts))
    for note in manifest.notes:
        print(f"note: {note}")
    print(f"written to {args.out}")
    return 0
