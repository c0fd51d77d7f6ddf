"""MATLAB files, read in a process of their own: a damaged one can end the process that reads it.

``python -m common.datasets.readers.matlab FILE`` prints the variables as JSON: structures are
objects, arrays lists.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from common.cli import UserError
from common.files import is_file

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 600
DEEPEST = 40


def read(file: Path) -> dict[str, Any]:
    """The variables of a MATLAB file of version 7 or older.

    Returns:
        Name -> value; structures have their fields as attributes, arrays are lists.

    Raises:
        UserError: it is no such file, or is damaged.
    """
    if not is_file(file):
        raise UserError(f"there is no MATLAB file {file}.")
    words = [sys.executable, "-m", __name__, str(Path(file).absolute())]
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            cwd=ROOT,
            timeout=SECONDS,
            env={**os.environ, "PYTHONPATH": paths},
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"{file} is not read within {SECONDS} seconds; copy it again.") from None
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = told[-1] if told and done.returncode > 0 else "its reader crashed"
        raise UserError(f"{file} is no MATLAB file that can be read ({reason}); copy it again.")
    values = json.loads(done.stdout, object_hook=lambda fields: SimpleNamespace(**fields))
    return vars(values)


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
    from scipy.io import loadmat  # slow to import, needless for the parent

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
