"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from common.cli import UserError

LARGEST_TEXT = 1 << 30
"""Bytes of a text file; no list of images comes near."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes its place when the block ends without error.

    Otherwise it goes, and what stood at `path` stays. The folder is made.

    Raises:
        OSError: the place cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)
        with open(part, "rb") as written:
            os.fsync(written.fileno())  # on the disk before it has the name
        os.replace(part, path)
        sync_folder(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where its file system can do that."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


_PART = re.compile(r"\..+\.[a-z0-9_]{8}")


def sweep(folder: Path) -> list[Path]:
    """Take away what a process left that was killed inside :func:`replacing`; returns it.

    Nobody else may be writing into the folder.
    """
    left = [file for file in folder.iterdir() if _PART.fullmatch(file.name) and file.is_file()]
    for file in left:
        file.unlink()
    return left


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside `path`, which takes its place when the block ends without error.

    What stood at `path` goes then. Otherwise the new folder goes, and what stood there stays.

    Raises:
        OSError: the place cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield part
        part.chmod(0o755)
        if path.exists():
            shutil.rmtree(path)
        part.rename(path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def is_file(path: Path | str) -> bool:
    """Whether there is a regular file, and no pipe or device that a reader would wait for."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):  # also a name that is too long, or that holds a zero byte
        return False


def read_text(path: Path | str, expected: str) -> str:
    """A text file in UTF-8, with or without a mark at its beginning.

    Args:
        expected: what it should be, for messages.

    Raises:
        UserError: it cannot be read, is no text, or is far too large.
    """
    if Path(path).exists() and not is_file(path):
        raise UserError(f"{path} is no regular file; expected {expected}.")
    try:
        size = os.stat(path).st_size
        if size > LARGEST_TEXT:
            raise UserError(f"{path} has {size:,} bytes, too many for {expected}.")
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); expected {expected}.") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise UserError(
            f"{path}, line {line}: this is no UTF-8 text; expected {expected}."
        ) from None


def read_json(path: Path | str, expected: str) -> Any:
    """A JSON file.

    Raises:
        UserError: see :func:`read_text`; or it is no JSON, or nested too deeply.
    """
    try:
        return json.loads(read_text(path, expected))
    except json.JSONDecodeError as error:
        raise UserError(
            f"{path} is not valid JSON (line {error.lineno}: {error.msg}); expected {expected}."
        ) from None
    except (RecursionError, ValueError) as error:  # a number of more digits than Python reads
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise UserError(f"{path} cannot be read ({reason}); expected {expected}.") from None


def read_yaml(path: Path | str, expected: str) -> Any:
    """A YAML file without references, which could name each other without end.

    Raises:
        UserError: see :func:`read_text`; or it is no YAML, or holds a reference.
    """
    try:
        return yaml.load(read_text(path, expected), Loader=_NoReferences)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        place = getattr(error, "problem_mark", None)
        where = f"line {place.line + 1}: " if place else ""
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        raise UserError(
            f"{path} is not valid YAML ({where}{reason}); expected {expected}."
        ) from None


class _NoReferences(yaml.SafeLoader):
    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "a reference (*name) is not read", mark)
        return super().compose_node(parent, index)


def write_json(path: Path, value) -> None:
    """Write JSON in one step, so that a reader never sees half a file; NaN becomes null."""
    text = json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def finite(value):
    """`value` as JSON can hold it: text as keys, null for NaN and infinity, paths as text."""
    if isinstance(value, dict):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def sync_block(readme: Path, begin: str, end: str, content: str, write: bool) -> bool:
    """Compare what stands between two markers with what should, and put it there if asked.

    Args:
        readme: the file.
        begin, end: marker lines, each once, in this order.
        content: what should stand between them, without surrounding newlines.
        write: replace it where it differs.

    Returns:
        True if the block was current before the call.

    Raises:
        UserError: the README lacks the markers, or has them twice or in the wrong order.
    """
    text = readme.read_text(encoding="utf-8")
    markers = text.count(begin), text.count(end)
    if markers != (1, 1) or text.index(begin) > text.index(end):
        raise UserError(
            f"{readme} needs one '{begin}' and after it one '{end}', on their own lines."
        )
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    wanted = f"{before}{begin}\n{content}\n{end}{after}"
    if write and wanted != text:
        with replacing(readme) as part:
            part.write_text(wanted, encoding="utf-8")
    return wanted == text
