"""``python -m common.datasets twin NAME``: drawn stand-ins in the official trees of datasets."""

from __future__ import annotations

import json
import math
from pathlib import Path

from common.cli import UserError
from common.datasets import catalogue
from common.datasets.folders import made_whole
from common.datasets.readers.folder import DRAWN_MARK
from common.files import write_json

WARNING = (
    "The images in this folder were drawn by a program as a stand-in for the dataset '{name}'. "
    "They are not its images, and no result on them says anything about it.\n"
)


def make_twin(
    name: str,
    out: Path,
    scale: float = 1.0,
    seed: int = 0,
    size: int | None = None,
    overwrite: bool = False,
) -> dict[str, dict[str, int]]:
    """Draw a stand-in, all of it or nothing.

    Args:
        name: of the catalogue's stand-ins.
        out: folder to make; with `overwrite` an earlier twin there is replaced.
        scale: share of the official number of images.
        seed: the same seed, scale and size give the same bytes.
        size: pixels of the long side.

    Returns:
        Images per split and class.

    Raises:
        UserError: unknown name, no number as `scale`, or `out` cannot be made or
            holds something that must not be replaced.
    """
    drawn = catalogue.standin(name)
    if not (math.isfinite(scale) and scale > 0):
        raise UserError(f"--scale {scale} is not a positive number; 1 is the official size.")
    out = Path(out).resolve()  # a link to a folder is followed, not replaced
    check_target(out, overwrite)
    size = size or drawn.usual_size
    with made_whole(out) as work:
        counts = drawn.write(work, scale, seed, size)
        (work / "README.txt").write_text(WARNING.format(name=name), encoding="utf-8")
        mark = {"drawn": True, "of": drawn.name, "generator": drawn.version}
        mark |= {"seed": seed, "scale": scale, "size": size, "counts": counts}
        write_json(work / DRAWN_MARK, mark)
    return counts


def check_target(out: Path, overwrite: bool) -> None:
    """Refuse a folder that holds anything but an earlier twin that may be replaced."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file, but a folder is to be made there; choose another --out.")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not (out / DRAWN_MARK).is_file():
        raise UserError(
            f"{out} is not empty and holds no {DRAWN_MARK}, so it is no drawn stand-in and is left "
            "as it is; choose another --out."
        )
    if not overwrite:
        raise UserError(
            f"{out} already holds a drawn stand-in{_made_with(out / DRAWN_MARK)}; give --overwrite "
            "to draw it anew, or another --out."
        )


def _made_with(mark: Path) -> str:
    """`` (scale S, seed N)``, or nothing where the mark cannot be read."""
    try:
        made = json.loads(mark.read_text(encoding="utf-8"))
        return f" (scale {made['scale']}, seed {made['seed']})"
    except (ValueError, KeyError, TypeError):
        return ""
