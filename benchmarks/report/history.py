"""How the evidence behind the ledger's rows changed from commit to commit."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from common.cli import UserError
from common.files import write_json

ROOT = Path(__file__).resolve().parents[2]
FALLBACK = ROOT / "benchmarks" / "history.json"
"""What stands in where there is no git: the series as `save` wrote them."""
NOT_COMMITTED = "not committed"


@dataclass(frozen=True)
class Point:
    """A value at a commit.

    Attributes:
        commit: its id, or :data:`NOT_COMMITTED` for the file as it lies there.
        date: of the commit, YYYY-MM-DD; empty where it is not committed.
        value: in the unit of the results file.
    """

    commit: str
    date: str
    value: float


History = dict[str, list[Point]]
"""Row id -> its points, oldest first."""
Version = tuple[str, str, dict[str, float]]
"""Commit, date, and every number of the file by its keys joined with ``/``."""


def read(rows: Iterable[dict], root: Path = ROOT, fallback: Path = FALLBACK) -> History:
    """The points of every row whose value stands in a results file.

    A row's place in the file that it names as evidence is where the keys, joined by ``/``, end
    the row's id; or else where its value stands, as it is or as a share of 100. The place is then
    read at every commit that changed the file. Rows whose value is found nowhere, or in places
    that changed otherwise, have no points.

    Args:
        rows: ledger rows as objects with ``id``, ``value`` and ``evidence``.
        root: the repository.
        fallback: file of `save`, read where `root` is no git repository.

    Raises:
        UserError: `fallback` is needed and damaged.
    """
    if not (root / ".git").exists():
        return load(fallback)
    versions: dict[str, list[Version]] = {}
    history: History = {}
    for row in rows:
        file, value = row.get("evidence"), row.get("value")
        if not file or not str(file).endswith(".json") or not isinstance(value, int | float):
            continue
        if file not in versions:
            versions[file] = list(_versions(root, str(file)))
        if points := _points(versions[file], str(row["id"]), float(value)):
            history[str(row["id"])] = points
    return history


def load(file: Path) -> History:
    """Series that `save` wrote; none where there is no such file.

    Raises:
        UserError: the file holds something else.
    """
    if not file.exists():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {name: [Point(**point) for point in points] for name, points in content.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{file} holds no history ({error}); make it anew with "
            "`python -m benchmarks report --out DIR --write_history` in a git checkout."
        ) from None


def save(history: History, file: Path = FALLBACK) -> None:
    """Write the committed points, for copies without git."""
    kept = {
        name: [asdict(point) for point in points if point.commit != NOT_COMMITTED]
        for name, points in sorted(history.items())
    }
    write_json(file, {name: points for name, points in kept.items() if points})


def _versions(root: Path, file: str) -> Iterator[Version]:
    """A file's versions, oldest first, and as it is now where that differs."""
    last = None
    log = _git(root, "log", "--reverse", "--format=%H %cs", "--", file)
    for commit, date in (line.split() for line in log.splitlines()):
        text = _git(root, "show", f"{commit}:{file}")
        try:
            content = json.loads(text)
        except ValueError:  # removed at this commit, or never whole
            continue
        last = text
        yield commit, date, dict(_leaves(content, ""))
    try:
        now = (root / file).read_text(encoding="utf-8")
        if now != last:
            yield NOT_COMMITTED, "", dict(_leaves(json.loads(now), ""))
    except (OSError, ValueError):
        return


def _git(root: Path, *words: str) -> str:
    """What git prints; empty where it refuses or is not on the machine."""
    try:
        return subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def _points(versions: list[Version], row_id: str, value: float) -> list[Point]:
    if not versions:
        return []
    leaves = versions[-1][2]
    places = [place for place in leaves if row_id.endswith(place)]
    places = places or [place for place, leaf in leaves.items() if _same(leaf, value)]
    found = [_series(versions, place) for place in places]
    return found[0] if found and all(series == found[0] for series in found) else []


def _leaves(value: Any, place: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _leaves(below, f"{place}/{key}")
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from _leaves(below, f"{place}/{number}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place, float(value)


def _same(leaf: float, value: float) -> bool:
    """True where `value` is the leaf, or the leaf in per cent, as far as `value` is printed."""
    digits = len(repr(value).partition(".")[2])
    return any(
        math.isclose(shown, value, rel_tol=1e-9) or (digits > 1 and round(shown, digits) == value)
        for shown in (leaf, 100 * leaf)
    )


def _series(versions: list[Version], place: str) -> list[Point]:
    return [Point(c, date, leaves[place]) for c, date, leaves in versions if place in leaves]
