"""WebDataset tar shards, unpacked once into a folder of images beside them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets.readers.folder import is_drawn
from common.datasets.readers.own_split import with_own_split
from common.datasets.readers.tree import SPLITS
from common.datasets.twin import make_beside

IMAGE = ("jpg", "jpeg", "png", "webp", "bmp")
UNPACKED = ".unpacked"
INDEX = "index.csv"


def read(root: Path, name: str = "shards") -> Manifest:
    """Read ``<split>-000000.tar`` or ``<split>/000000.tar`` below `root`.

    A sample is an image and, of the same key, ``cls`` (a class number) or ``json`` with ``label``
    (a number or a name). ``classnames.txt`` beside the shards names the classes, a line each.
    Trainings need files, so the images are unpacked once into ``.unpacked/`` below `root`, named
    by the content of the shards; a second reading uses them again.

    Raises:
        UserError: no shards, webdataset is not installed, a sample without image or label, or the
            folder cannot be written.
    """
    root = Path(root)
    shards = sorted(root.rglob("*.tar")) if root.is_dir() else []
    if not shards:
        raise UserError(f"there are no WebDataset shards at {root}: expected <split>-000000.tar.")
    place = root / UNPACKED / _fingerprint(shards)
    if not (place / INDEX).is_file():
        _unpack(root, shards, place)
    frame = pd.read_csv(place / INDEX, dtype={"path": str, "label": str, "split": str})
    classes, numbers = _classes(root, frame["label"])
    table = pd.DataFrame(
        {
            "path": [str((place / p).absolute()) for p in frame["path"]],
            "label": numbers,
            "split": frame["split"],
        }
    )
    notes = [f"unpacked into {place}"]
    if set(table["split"]) == {"all"}:
        table, note = with_own_split(table, name)
        notes.append(note)
    return Manifest(name, Path("/"), classes, table, is_drawn(root), notes, "webdataset")


def _fingerprint(shards: list[Path]) -> str:
    """SHA-256 of the shards' content, shortened."""
    digest = hashlib.sha256()
    for shard in shards:
        with open(shard, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


def _samples(shards: list[Path]) -> Iterator[tuple[Path, dict[str, Any]]]:
    try:
        import webdataset
    except ImportError:
        raise UserError(
            "tar shards are read through webdataset; install it with "
            "pip install 'emotionlab[shards]'."
        ) from None
    for shard in shards:
        try:
            # ``file:`` keeps the name from being taken for a command or an address.
            for sample in webdataset.WebDataset(f"file:{shard.absolute()}", shardshuffle=False):
                yield shard, sample
        except (OSError, ValueError, EOFError, tarfile.TarError) as error:
            reason = str(error.args[0]) if error.args else type(error).__name__
            raise UserError(f"{shard} is no readable tar file: {reason}.") from None


def _unpack(root: Path, shards: list[Path], place: Path) -> None:
    rows = []
    work = make_beside(place)
    try:
        for number, (shard, sample) in enumerate(_samples(shards)):
            key = str(sample.get("__key__", number))
            ending = next((e for e in IMAGE if e in sample), None)
            if ending is None:
                raise UserError(f"{shard}: the sample {key} has no image ({', '.join(IMAGE)}).")
            path = Path(f"{number // 10_000:03d}") / f"{number:07d}.{ending}"
            (work / path).parent.mkdir(exist_ok=True)
            (work / path).write_bytes(sample[ending])
            rows.append((path.as_posix(), _label(sample, shard, key), _split(root, shard)))
        if not rows:
            raise UserError(f"the shards at {root} hold no samples.")
        frame = pd.DataFrame(rows, columns=["path", "label", "split"])
        frame.to_csv(work / INDEX, index=False)
        work.rename(place)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def _label(sample: dict[str, Any], shard: Path, key: str) -> str:
    if "cls" in sample:
        return bytes(sample["cls"]).decode("utf-8", "replace").strip()
    try:
        found = json.loads(sample["json"]) if "json" in sample else {}
    except ValueError:
        found = {}
    label = next((found[k] for k in ("label", "cls", "emotion", "class") if k in found), None)
    if label is None:
        raise UserError(f"{shard}: the sample {key} has neither cls nor json with a label.")
    return str(label)


def _split(root: Path, shard: Path) -> str:
    """The split that a shard's name, or its folder's, begins with; ``all`` where none does."""
    for word in (shard.name, *(p.name for p in shard.relative_to(root).parents)):
        first = re.split(r"[^a-z]", word.lower(), maxsplit=1)[0]
        for split, names in SPLITS.items():
            if first in names:
                return split
    return "all"


def _classes(root: Path, labels: pd.Series) -> tuple[tuple[str, ...], np.ndarray]:
    file = root / "classnames.txt"
    names = file.read_text(encoding="utf-8").split("\n") if file.is_file() else []
    names = [name.strip() for name in names if name.strip()]
    if labels.str.fullmatch(r"\d+").all():
        numbers = labels.astype(np.int64).to_numpy()
        known = names or [str(k) for k in range(int(numbers.max()) + 1)]
        return tuple(known), numbers
    known = names or sorted(labels.unique())
    odd = ~labels.isin(known)
    if odd.any():
        raise UserError(f"{file} does not name the class {labels[odd].iloc[0]!r}; add it.")
    return tuple(known), labels.map({n: k for k, n in enumerate(known)}).to_numpy(np.int64)
