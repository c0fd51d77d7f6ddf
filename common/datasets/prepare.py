"""``python -m common.datasets prepare NAME``: unpack archives, lay a download out as folders."""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
from tqdm import tqdm

from common.cli import UserError
from common.data.images import printable
from common.data.manifest import Manifest
from common.datasets import catalogue
from common.datasets.folders import new_folder
from common.datasets.readers.table import numbers, read_delimited

GIGABYTE = 1 << 30
BLOCK = 1 << 20
RATIO = 1000  # times its packed size; no image or table packs as well as that
FREE = 1 << 26  # bytes that stay free on the disk
DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)
LOWEST, HIGHEST = 1.0, 9.0  # the rating scale
MIDPOINT = 5.0
SOURCE = (
    "Images and ratings: Bicolor Affective Silhouettes & Shapes (BASS), Kawai, Lukács & Ansorge "
    "2021, https://doi.org/10.3758/s13428-021-01569-7, CC BY 4.0.\n"
    "Classes: quadrants of the mean valence and arousal ratings, cut at {valence:g} and "
    "{arousal:g} on the scale of 1 to 9. Split by motif (file stem without trailing digits), seed "
    "{seed}.\n"
)


def prepare_bass(
    source: Path,
    out: Path,
    test_fraction: float = 0.25,
    seed: int = 0,
    valence_cut: float = MIDPOINT,
    arousal_cut: float = MIDPOINT,
) -> pd.DataFrame:
    """Lay the BASS silhouettes out as ``<out>/<split>/<valence-arousal quadrant>/``.

    Variants of one motif (``dog``, ``dog2``, …) stay on one side of the split. All of `out` is
    made, or nothing.

    Args:
        source: folder with ``index.csv`` (columns path, v, a) and the images it names.
        out: folder to make.
        test_fraction: share of the images that go to test, class by class as nearly as motifs let.
        valence_cut, arousal_cut: at least this is positive, or aroused; scale 1 to 9.

    Returns:
        The table that is also written to ``<out>/index.csv``: path, label, split, valence,
        arousal, motif, source.

    Raises:
        UserError: something is missing or not as expected; the sentence says what.
    """
    table, folder = _read_ratings(source), new_folder(out)
    table["motif"] = table["path"].map(lambda p: Path(p).stem.rstrip("0123456789"))
    table["label"] = np.where(table["v"] >= valence_cut, "positive_", "negative_")
    table["label"] += np.where(table["a"] >= arousal_cut, "aroused", "calm")
    table["split"] = np.where(
        table["motif"].isin(test_motifs(table, test_fraction, seed)), "test", "train"
    )
    counts = table.groupby(["split", "label"]).size()
    if len(counts) < 2 * table["label"].nunique():
        raise UserError(
            "with these cuts and --test_fraction a class has no images on one side of the split; "
            "move --valence_cut, --arousal_cut or --test_fraction."
        )
    with folder as work:
        result = _copy(source, work, table)
        text = SOURCE.format(valence=valence_cut, arousal=arousal_cut, seed=seed)
        (work / "SOURCE.txt").write_text(text, encoding="utf-8")
        if (source / "LICENSE.md").is_file():
            shutil.copyfile(source / "LICENSE.md", work / "LICENSE.md")
    return result


def prepare_archives(
    name: str,
    source: list[Path],
    out: Path,
    max_gb: float = 500.0,
    no_check: bool = False,
) -> dict[str, dict[str, int]]:
    """Unpack a dataset's official archives and see that its reader can read them.

    All of `out` is made, or nothing. Where all files stand in one folder of the archive and the
    dataset is read from there, that folder becomes `out`.

    Args:
        name: of a reader.
        source: zip or tar files, unpacked one after the other into the same folder.
        out: folder to make.
        max_gb: of all files together, unpacked.
        no_check: keep what is unpacked, whatever the reader says.

    Returns:
        Split -> class -> images; empty with `no_check`.

    Raises:
        UserError: see :func:`unpack`; or the reader refuses what is there.
    """
    read, limits = catalogue.reader(name), Limits(bytes=int(max_gb * GIGABYTE))
    with new_folder(out) as work:
        inside = work / "unpacked"
        inside.mkdir()
        for archive in source:
            unpack(archive, inside, limits)
        kept, manifest = (inside, None) if no_check else _readable(read, inside, out.resolve())
        with tempfile.TemporaryDirectory(dir=work) as aside:
            kept = kept.rename(Path(aside) / "kept")
            shutil.rmtree(inside, ignore_errors=True)
            for path in kept.iterdir():
                path.rename(work / path.name)
    if manifest is None:
        return {}
    return {s: manifest.split(s).counts() for s in dict.fromkeys(manifest.table["split"])}


def _readable(read: catalogue.Dataset, work: Path, out: Path) -> tuple[Path, Manifest]:
    """The folder that the dataset is read from, and what is read."""
    inside = [p for p in work.iterdir() if not p.name.startswith((".", "__MACOSX"))]
    refusal = None
    for folder in (work, *(p for p in inside if len(inside) == 1 and p.is_dir())):
        try:
            return folder, read(folder)
        except UserError as error:
            refusal = refusal or error
    message = str(refusal).replace(str(work), str(out)).rstrip(".")
    raise UserError(
        f"{message}. Nothing is kept; give all archives of the dataset at once, or --no_check to "
        "keep what they hold."
    )


def test_motifs(table: pd.DataFrame, fraction: float, seed: int) -> set[str]:
    """Motifs for the test side: class by class, shuffled, until it has its share of images.

    A motif counts for the class most of its variants are in.
    """
    generator = np.random.default_rng(seed)
    major = table.groupby("motif")["label"].agg(lambda labels: labels.mode().iloc[0])
    size = table.groupby("motif").size()
    chosen: set[str] = set()
    for label in sorted(major.unique()):
        motifs = sorted(major.index[major == label])
        wanted, taken = fraction * size[motifs].sum(), 0
        for motif in generator.permutation(motifs):
            if taken >= wanted:
                break
            chosen.add(str(motif))
            taken += size[motif]
    return chosen


test_motifs.__test__ = False  # its name makes pytest take it for a test


def _read_ratings(source: Path) -> pd.DataFrame:
    file = source / "index.csv"
    if not file.is_file():
        raise UserError(
            f"there is no {file}; --source must be the folder of the BASS download, with index.csv "
            "and the images it names."
        )
    table = read_delimited(file, "a header with the columns path, v and a, then a line an image")
    missing = {"path", "v", "a"} - set(table.columns)
    if missing:
        raise UserError(
            f"{file} lacks the column(s) {', '.join(sorted(missing))}; it has "
            f"{', '.join(map(str, table.columns))}."
        )
    if table.empty:
        raise UserError(f"{file} has a header and no rows; copy the download again.")
    for name, meaning in (("v", "valence"), ("a", "arousal")):
        table[name] = numbers(table[name].rename(meaning), file, LOWEST, HIGHEST)
    inside = source.resolve()
    for line, path in table["path"].items():
        file_there = (source / str(path)).resolve()
        if not file_there.is_relative_to(inside) or not file_there.is_file():
            raise UserError(f"{file}, line {line}: the image {path} is not in {source}.")
    names = table["path"].map(lambda p: Path(p).name)
    if names.duplicated().any():
        line = names.duplicated().idxmax()
        raise UserError(f"{file}, line {line}: the image {names[line]} is listed twice.")
    return table


def _copy(source: Path, work: Path, table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for row in table.itertuples():
        target = Path(row.split) / row.label / Path(row.path).name
        (work / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / row.path, work / target)
        rows.append((target.as_posix(), row.label, row.split, row.v, row.a, row.motif, row.path))
    columns = ["path", "label", "split", "valence", "arousal", "motif", "source"]
    result = pd.DataFrame(rows, columns=columns)
    result.to_csv(work / "index.csv", index=False)
    return result


# --- archives -------------------------------------------------------------------------------------


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
    """A file of an archive: its name there, its size, and what unpacks it under a path."""

    name: str
    size: int
    extract: Callable[[str, Path], None]


def unpack(archive: Path, out: Path, limits: Limits | None = None) -> int:
    """Unpack a zip or tar file into a folder.

    Only plain files are written, only below `out`, and none that is there already; their modes and
    owners are not the archive's. All of it is looked at before anything is written.

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
    try:
        with _opened(archive) as members:
            names = [_inside(archive, member.name) for member in members]
            _refuse_large(archive, members, out, limits)
            _refuse_clashes(archive, names, out)
            bar = tqdm(members, desc=f"unpacking {archive.name}", unit="file", leave=False)
            for member, name in zip(bar, names, strict=True):
                member.extract(name, out)
    except DAMAGED as error:
        raise UserError(f"{archive} cannot be unpacked ({error}); download it again.") from None
    if not names:
        raise UserError(f"{archive} is empty; download it again.")
    return len(names)


@contextmanager
def _opened(archive: Path) -> Iterator[list[Member]]:
    """The files of an archive, in its order, folders left out.

    Raises:
        UserError: it is no zip or tar file, or holds links, devices or encrypted files.
    """
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as whole:
            infos = [info for info in whole.infolist() if not info.is_dir()]
            yield [_of_zip(archive, whole, info) for info in infos]
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive, "r:*") as whole:
            infos, most, size = [], max(BLOCK, RATIO * archive.stat().st_size), 0
            for info in whole:  # each header is looked at before what it announces is unpacked
                size += info.size
                if size > most:
                    raise _odd(archive, info.name, f"more than {RATIO} times its packed size")
                infos += [] if info.isdir() else [info]
            while rest := whole.fileobj.read(BLOCK):  # to the end, where the checksum stands
                size += len(rest)
                if size > most:
                    raise _odd(archive, "its end", f"more than {RATIO} times its packed size")
            yield [_of_tar(archive, whole, info) for info in infos]
    else:
        raise UserError(f"{archive} is neither a zip nor a tar file; download it again.")


def _of_zip(archive: Path, whole: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.flag_bits & 1:
        raise UserError(
            f"{archive} is encrypted; unpack it with the password its owners gave you, and "
            "give the folder instead."
        )
    if kind not in (0, stat.S_IFREG):
        raise _odd(archive, info.filename, "a link" if kind == stat.S_IFLNK else "no file")
    if info.file_size > BLOCK and info.file_size > RATIO * max(1, info.compress_size):
        raise _odd(archive, info.filename, f"more than {RATIO} times its packed size")

    def extract(name: str, out: Path) -> None:
        info.filename = name
        whole.extract(info, out)

    return Member(info.filename, info.file_size, extract)


def _of_tar(archive: Path, whole: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    if not info.isreg():
        linked = info.issym() or info.islnk()
        raise _odd(archive, info.name, "a link" if linked else "no file")

    def extract(name: str, out: Path) -> None:
        whole.extract(info.replace(name=name, mode=0o644, deep=False), out, filter="data")

    return Member(info.name, info.size, extract)


def _odd(archive: Path, name: str, what: str) -> UserError:
    return UserError(
        f"{archive} holds {printable(name)!r}, which is {what}; nothing is kept. Get the "
        "archive from its official source."
    )


def _inside(archive: Path, name: str) -> str:
    """A file's path below the folder.

    Raises:
        UserError: its name is absolute, empty, climbs out of the folder, or no file can have it.
    """
    path = PurePosixPath(name.replace("\\", "/"))  # zip files of Windows may have either
    drive = bool(path.parts) and path.parts[0][1:2] == ":"
    if path.is_absolute() or drive or ".." in path.parts or "\0" in name or not path.parts:
        raise _odd(archive, name, "a path out of the folder")
    return path.as_posix()


def _refuse_large(archive: Path, members: list[Member], out: Path, limits: Limits) -> None:
    if len(members) > limits.files:
        raise UserError(f"{archive} holds more than {limits.files} files, which no dataset does.")
    total = sum(member.size for member in members)
    free = max(0, shutil.disk_usage(out).free - FREE)
    if total > limits.bytes:
        raise UserError(
            f"{archive} unpacks to more than {limits.bytes / GIGABYTE:.3g} GB; raise --max_gb if "
            "that is as it should be."
        )
    if total > free:
        raise UserError(
            f"{archive} needs more than the {free / GIGABYTE:.1f} GB that are free; make room "
            "or choose another --out."
        )


def _refuse_clashes(archive: Path, names: list[str], out: Path) -> None:
    """Refuse files that stand there, or twice in the archive, or that are folders too."""
    seen: set[str] = set()
    above = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    for name in names:
        if name in seen or os.path.lexists(out / name):
            raise UserError(
                f"{archive} would overwrite {printable(name)}, which it or an archive before it "
                "holds already; get it from its official source."
            )
        seen.add(name)
    for name in sorted(above - {"."}):
        if name in seen or (out / name).is_file():
            raise UserError(
                f"{archive} has {printable(name)} both as a file and as a folder; download it "
                "again."
            )
