"""When and at which code a results file was made, and whether that code computes the same today."""

from __future__ import annotations

import ast
import functools
import json
import subprocess
from pathlib import Path

from common.cli import UserError

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
COMPUTING = ("objective.py", "method.py", "model.py")
UNKNOWN = "unknown"


def read(name: str, folder: Path = RESULTS) -> dict | None:
    """A results file, or None where there is none.

    Raises:
        UserError: the file holds no JSON object.
    """
    try:
        value = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / name} is no results file ({error}).") from None
    if not isinstance(value, dict):
        raise UserError(f"{folder / name} is no results file: it holds no object.")
    return value


def commit_of(result: dict) -> str:
    """The commit a results file was made at, as it says itself; ``unknown`` where it does not."""
    return (result.get("environment") or {}).get("commit") or UNKNOWN


@functools.cache
def date_of(name: str) -> str:
    """The day a file of ``benchmarks/results`` was last committed; ``unknown`` without git."""
    words = ["log", "-1", "--format=%cs", "--", str(RESULTS / name)]
    return (git(*words) or "").strip() or UNKNOWN


@functools.cache
def changed_since(commit: str, paper: str) -> tuple[str, ...] | None:
    """Files of a package that compute otherwise than at `commit`.

    Comments, docstrings, type hints' layout and white space do not count: the parsed code is
    compared.

    Args:
        commit: as a results file names it; a ``+changes`` at its end is ignored.
        paper: name of the package.

    Returns:
        Paths below the root; None where there is no git, or the commit is not in it.
    """
    commit = commit.partition("+")[0]
    if not git("cat-file", "-t", commit):
        return None
    changed = []
    for stem in COMPUTING:
        path = f"{paper}/{stem}"
        now = ROOT / path
        if not now.is_file():
            continue
        then = git("show", f"{commit}:{path}")
        if then is None or _code(then) != _code(now.read_text(encoding="utf-8")):
            changed.append(path)
    return tuple(changed)


def _code(text: str) -> str:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        text = getattr(first, "value", None) if isinstance(first, ast.Expr) else None
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            text.value = ""
    return ast.dump(tree)


def git(*words: str) -> str | None:
    """What a git command prints in this repository; None where it fails or there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout
