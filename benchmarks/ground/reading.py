"""Files as runs leave them: whole, half written, missing, or something else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_json(path: Path) -> Any:
    """A JSON file that a training of ours wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def read_lines(path: Path) -> list[Any]:
    """A file of a JSON value a line, as a training writes its epochs."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def mapping(value: Any) -> dict:
    """`value`, or an empty object where it is none: files may hold anything."""
    return value if isinstance(value, dict) else {}


def read_text(path: Path, problems: list[str]) -> str:
    """The text of a file; empty where there is none, and `problems` gets a sentence."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        problems.append(f"{path.name} is missing")
    except OSError as error:
        problems.append(f"{path.name} cannot be read ({error})")
    return ""


def read_mapping(path: Path, problems: list[str] | None = None) -> dict:
    """A JSON object; empty where there is none, and `problems` gets a sentence."""
    problems = [] if problems is None else problems
    before = len(problems)
    text = read_text(path, problems)
    if len(problems) > before:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        problems.append(f"{path.name} cannot be read ({error})")
        return {}
    if not isinstance(value, dict):
        problems.append(f"{path.name} holds no JSON object")
    return mapping(value)
