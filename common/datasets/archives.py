"""Unpacking official archives without trusting them."""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from tqdm import tqdm

from common.cli import UserError
from common.data.images import printable

GIGABYTE = 1 << 30
BLOCK = 1 << 20
RATIO = 1000  # times its packed size; no image or table packs as well as that
FREE = 1 << 26  # bytes that stay free on the disk
DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
    *(EOFError, OSError, RuntimeError, ValueError, NotImplementedError),
)


@dataclass(frozen=True)
class Limits:
    """What an archive may hold at most.

    Attributes:
        bytes: of all files together, unpacked.
        files: number of files.
    """

    bytes: int = 500 * GIGABYTE
    files: int = 5_000_000


@dataclass(frozen=True)
class Member:
    """A file of an archive: its place, its size, and how its bytes are read."""

    name: str
    size: int
    open: Callable[[], BinaryIO]


@contextmanager
def _members(archive: Path) -> Iterator[Iterator[Member]]:
    """The files of an archive, in its order, folders left out.

    Raises:
        UserError: it is no zip or tar file, or holds links, devices or encrypted files.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as whole:
            yield _of_zip(archive, whole)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive, "r:*") as whole:
            yield _of_tar(archive, whole)
    else:
        raise UserError(f"{archive} is neither a zip nor a tar file; download it again.")


def _of_zip(archive: Path, whole: zipfile.ZipFile) -> Iterator[Member]:
    for info in whole.infolist():
        mode = info.external_attr >> 16
        kind = stat.S_IFMT(mode)
        if info.is_dir():
            continue
        if info.flag_bits & 1:
            raise UserError(
                f"{archive} is encrypted; unpack it with the password its owners gave you, and "
                "give the folder instead."
            )
        if kind not in (0, stat.S_IFREG):
            raise _odd(archive, info.filename, "a link" if kind == stat.S_IFLNK else "no file")
        if info.file_size > BLOCK and info.file_size > RATIO * max(1, info.compress_size):
            raise _odd(archive, info.filename, f"more than {RATIO} times its packed size")
        yield Member(info.filename, info.file_size, lambda info=info: whole.open(info))


def _of_tar(archive: Path, whole: tarfile.TarFile) -> Iterator[Member]:
    for info in whole:
        if info.isdir():
            continue
        if not info.isreg():
            linked = info.issym() or info.islnk()
            raise _odd(archive, info.name, "a link" if linked else "no file")
        yield Member(info.name, info.size, lambda info=info: whole.extractfile(info))
    while whole.fileobj.read(BLOCK):  # to the end, where the checksum stands
        pass


def _odd(archive: Path, name: str, what: str) -> UserError:
    return UserError(
        f"{archive} holds {printable(name)!r}, which is {what}; nothing is kept. Get the "
        "archive from its official source."
    )


def unpack(archive: Path, out: Path, limits: Limits | None = None) -> int:
    """Unpack a zip or tar file into a folder.

    Only plain files are written, only below `out`, and none that is there already; their modes,
    owners and times are not the archive's. Sizes are counted as they are written, whatever the
    archive says of them.

    Args:
        archive: ``.zip``, ``.tar``, ``.tar.gz``, ``.tar.bz2`` or ``.tar.xz``.
        out: an existing folder.
        limits: :class:`Limits` when None.

    Returns:
        Files written.

    Raises:
        UserError: the archive is missing, damaged, encrypted or too large, or holds links or paths
            that lead out of `out`. What was written before stays; the caller clears it.
    """
    if not archive.is_file():
        raise UserError(f"there is no archive {archive}; give the file that was downloaded.")
    limits = limits or Limits()
    allowed = min(limits.bytes, max(0, shutil.disk_usage(out).free - FREE))
    written = files = 0
    bar = tqdm(desc=f"unpacking {archive.name}", unit="B", unit_scale=True, leave=False)
    try:
        with _members(archive) as members, bar:
            for member in members:
                target = place(archive, member.name, out)
                files += 1
                if files > limits.files:
                    raise UserError(
                        f"{archive} holds more than {limits.files} files, which no dataset does."
                    )
                target.parent.mkdir(parents=True, exist_ok=True)
                with member.open() as source, open(target, "xb") as file:
                    while block := source.read(BLOCK):
                        written += len(block)
                        if written > allowed:
                            raise _too_large(archive, allowed, limits)
                        file.write(block)
                        bar.update(len(block))
    except FileExistsError as error:
        raise UserError(
            f"{archive} would overwrite {printable(os.path.relpath(error.filename, out))}, which "
            "it or an archive before it holds already; get it from its official source."
        ) from None
    except NotADirectoryError as error:
        raise UserError(
            f"{archive} has {printable(error.filename)} both as a file and as a folder; download "
            "it again."
        ) from None
    except DAMAGED as error:
        raise UserError(f"{archive} cannot be unpacked ({error}); download it again.") from None
    if not files:
        raise UserError(f"{archive} is empty; download it again.")
    return files


def _too_large(archive: Path, allowed: int, limits: Limits) -> UserError:
    if allowed < limits.bytes:
        return UserError(
            f"{archive} needs more than the {allowed / GIGABYTE:.1f} GB that are free; make room "
            "or choose another --out."
        )
    return UserError(
        f"{archive} unpacks to more than {limits.bytes / GIGABYTE:.3g} GB; raise --max_gb if that "
        "is as it should be."
    )


def place(archive: Path, name: str, out: Path) -> Path:
    """Where a file of an archive goes.

    Raises:
        UserError: its name is absolute, empty, climbs out of the folder, or no file can have it.
    """
    path = PurePosixPath(name.replace("\\", "/"))  # zip files of Windows may have either
    drive = bool(path.parts) and path.parts[0][1:2] == ":"
    if path.is_absolute() or drive or ".." in path.parts or "\0" in name or not path.parts:
        raise _odd(archive, name, "a path out of the folder")
    return out.joinpath(*path.parts)
