"""Files of plain data: JSON, and the authors' pickles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.cli import UserError
from common.data import pickles
from common.files import read_json


def read_plain(path: str | Path, expected: str) -> Any:
    """What a file holds: JSON where it is called ``.json``, else a pickle.

    Args:
        expected: what it should hold, for messages.

    Raises:
        UserError: missing, damaged or unsafe file.
    """
    path = Path(path)
    if path.suffix != ".json":
        return pickles.load(path, expected)
    return read_json(path, expected)


def read_dictionary(path: str | Path, what: str, *names: str) -> dict:
    """A dictionary that is not empty.

    Args:
        path: the file.
        what: of what, for messages.
        names: keys under which, as released, the file may hold it; the first that is there counts.

    Raises:
        UserError: see :func:`read_plain`; or it is another thing.
    """
    held = read_plain(path, f"a dictionary of {what}")
    if isinstance(held, dict):
        held = next((held[name] for name in names if isinstance(held.get(name), dict)), held)
    if not isinstance(held, dict) or not held:
        raise UserError(f"{path} holds no dictionary of {what}.")
    return held
