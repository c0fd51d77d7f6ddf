"""``python -m common.datasets twin NAME``: drawn stand-ins in the official trees of datasets."""

from __future__ import annotations

import importlib
import json
import math
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from common.cli import UserError
from common.datasets.readers.folder import DRAWN_MARK
from common.datasets.standins import (
    expressions,
    face_folders,
    fi,
    listed,
    official,
    people_in_context,
    rafdb,
    rated,
    tagged,
    va,
    webtags,
)
from common.files import write_json

# Writes a dataset into an empty folder and returns images per split and class.
Writer = Callable[[Path, float, int, int], dict[str, dict[str, int]]]

TWINS: dict[str, tuple[Writer, int, int]] = {
    "fi": (fi.write, fi.VERSION, 96),
    "rafdb": (rafdb.write, rafdb.VERSION, rafdb.SIDE),
    "va": (va.write, va.VERSION, va.SIDE),
    "stockemotion": (tagged.write, tagged.VERSION, tagged.SIDE),
    "se30k8": (listed.write_se30k8, listed.VERSION, listed.SIDE),
    "unbiasedemo": (listed.UNBIASEDEMO.write, listed.VERSION, listed.SIDE),
    "deepemotion": (listed.DEEPEMOTION.write, listed.VERSION, listed.SIDE),
    "deepsentiment": (listed.write_deepsentiment, listed.VERSION, listed.SIDE),
    "advertisement": (listed.write_advertisement, listed.VERSION, listed.SIDE),
    "emotic": (people_in_context.write, people_in_context.VERSION, people_in_context.SIDE),
    "webtags": (webtags.write, webtags.VERSION, webtags.SIDE),
    **{
        name: (writer, face_folders.VERSION, face_folders.SIDE)
        for name, writer in face_folders.WRITERS.items()
    },
    **{name: (s.write, official.VERSION, official.SIDE) for name, s in official.SETS.items()},
    **{name: (writer, rated.VERSION, rated.SIDE) for name, writer in rated.WRITERS.items()},
    **{
        name: (writer, expressions.VERSION, side)
        for name, (writer, side) in expressions.WRITERS.items()
    },
}
"""Name -> (writer, version of its drawings, default pixels of the long side)."""

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
        name: a key of :data:`TWINS`.
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
    name = _twin_of_package(name)
    if name.lower() not in TWINS:
        raise UserError(f"no twin is known for '{name}'; known are {', '.join(sorted(TWINS))}.")
    if not (math.isfinite(scale) and scale > 0):
        raise UserError(f"--scale {scale} is not a positive number; 1 is the official size.")
    write, version, usual = TWINS[name.lower()]
    out = Path(out).resolve()  # a link to a folder is followed, not replaced
    check_target(out, overwrite)
    size = size or usual
    work = make_beside(out)
    try:
        counts = write(work, scale, seed, size)
        (work / "README.txt").write_text(WARNING.format(name=name), encoding="utf-8")
        mark = {"drawn": True, "of": name.lower(), "generator": version}
        mark |= {"seed": seed, "scale": scale, "size": size, "counts": counts}
        write_json(work / DRAWN_MARK, mark)
        work.chmod(0o755)
        if out.exists():
            shutil.rmtree(out)
        work.rename(out)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return counts


def _twin_of_package(name: str) -> str:
    """For a package of this repository, the twin that its ``TWIN`` names; else `name`."""
    here = Path(__file__).resolve().parents[2] / name / "__init__.py"
    if name.lower() in TWINS or not name.isidentifier() or not here.is_file():
        return name
    return getattr(importlib.import_module(name), "TWIN", name)


def make_beside(out: Path) -> Path:
    """An empty folder next to `out`, to be renamed to it once it is complete."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    except OSError as error:
        raise UserError(
            f"{out} cannot be made: {error.strerror} ({error.filename}); choose another --out."
        ) from None


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
