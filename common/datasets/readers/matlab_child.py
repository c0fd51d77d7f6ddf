"""``python matlab_child.py FILE``: a MATLAB file's variables as JSON; structures are objects.

Imports nothing of this project, so that it starts quickly, and may crash alone.
"""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.io import loadmat

DEEPEST = 40


def plain(value: Any, depth: int = 0) -> Any:
    """A value of ``loadmat`` as JSON holds it.

    Raises:
        ValueError: it is nested too deeply, or of a kind that no dataset holds.
    """
    if depth > DEEPEST:
        raise ValueError("it is nested too deeply")
    if hasattr(value, "_fieldnames"):
        return {name: plain(getattr(value, name), depth + 1) for name in value._fieldnames}
    if isinstance(value, np.ndarray):
        return [plain(item, depth + 1) for item in value.tolist()]
    if isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, str | int | float | bool | None):
        raise ValueError(f"it holds a {type(value).__name__}")
    return value


def main(file: str) -> None:
    """Print the variables of a file."""
    content = loadmat(file, squeeze_me=True, struct_as_record=False)
    named = {name: value for name, value in content.items() if not name.startswith("__")}
    json.dump(plain(named_as_struct(named)), sys.stdout)


def named_as_struct(named: dict[str, Any]) -> SimpleNamespace:
    """Variables as one structure."""
    return SimpleNamespace(**named, _fieldnames=list(named))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Exception as error:  # whatever a damaged file makes the reader raise is its reason
        sys.exit(f"{type(error).__name__}: {error}")
