"""MATLAB files, read in a process of their own: a damaged one can end the process that reads it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from common.cli import UserError
from common.files import is_file

CHILD = Path(__file__).with_name("matlab_child.py")
SECONDS = 600


def read(file: Path) -> dict[str, Any]:
    """The variables of a MATLAB file of version 7 or older.

    Returns:
        Name -> value; structures have their fields as attributes, arrays are lists.

    Raises:
        UserError: it is no such file, or is damaged.
    """
    if not is_file(file):
        raise UserError(f"there is no MATLAB file {file}.")
    words = [sys.executable, str(CHILD), str(file)]
    try:
        done = subprocess.run(words, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise UserError(f"{file} is not read within {SECONDS} seconds; copy it again.") from None
    if done.returncode:
        told = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = told[-1] if told and done.returncode > 0 else "its reader crashed"
        raise UserError(f"{file} is no MATLAB file that can be read ({reason}); copy it again.")
    values = json.loads(done.stdout, object_hook=lambda fields: SimpleNamespace(**fields))
    return vars(values)
