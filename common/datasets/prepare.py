"""``python -m common.datasets prepare NAME``: lay a download out as image folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.manifest import Manifest
from common.datasets import archives, readers
from common.datasets.twin import make_beside

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
    table, out = _read_ratings(source), out.resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} already exists; choose another --out or delete it first.")
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
    work = make_beside(out)
    try:
        result = _copy(source, work, table)
        text = SOURCE.format(valence=valence_cut, arousal=arousal_cut, seed=seed)
        (work / "SOURCE.txt").write_text(text, encoding="utf-8")
        if (source / "LICENSE.md").is_file():
            shutil.copyfile(source / "LICENSE.md", work / "LICENSE.md")
        work.chmod(0o755)
        if out.exists():
            out.rmdir()
        work.rename(out)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
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
        UserError: see :func:`common.datasets.archives.unpack`; or the reader refuses what is there.
    """
    read, out = readers.reader(name), out.resolve()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} already exists; choose another --out or delete it first.")
    limits = archives.Limits(bytes=int(max_gb * archives.GIGABYTE))
    work = make_beside(out)
    try:
        for archive in source:
            archives.unpack(archive, work, limits)
        found, manifest = (work, None) if no_check else _readable(read, work, out)
        found.chmod(0o755)
        if out.exists():
            out.rmdir()
        found.rename(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if manifest is None:
        return {}
    return {s: manifest.split(s).counts() for s in dict.fromkeys(manifest.table["split"])}


def _readable(read: readers.Reader, work: Path, out: Path) -> tuple[Path, Manifest]:
    """The folder that the dataset is read from, and what is read."""
    inside = [p for p in work.iterdir() if not p.name.startswith((".", "__MACOSX"))]
    refusal = None
    for folder in (work, *(p for p in inside if len(inside) == 1 and p.is_dir())):
        try:
            return folder, read(folder)
        except UserError as error:
            refusal = refusal or error
    told = str(refusal).replace(str(work), str(out)).rstrip(".")
    raise UserError(
        f"{told}. Nothing is kept; give all archives of the dataset at once, or --no_check to keep "
        "what they hold."
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
    try:
        table = pd.read_csv(file)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read as CSV: {error}") from None
    missing = {"path", "v", "a"} - set(table.columns)
    if missing:
        raise UserError(
            f"{file} lacks the column(s) {', '.join(sorted(missing))}; it has "
            f"{', '.join(map(str, table.columns))}."
        )
    if table.empty:
        raise UserError(f"{file} has a header and no rows; copy the download again.")
    for name, meaning in (("v", "valence"), ("a", "arousal")):
        values = pd.to_numeric(table[name], errors="coerce")
        wrong = ~values.between(LOWEST, HIGHEST)
        if wrong.any():
            row = wrong.idxmax()
            raise UserError(
                f"{file}, line {row + 2}: {meaning} is '{table[name][row]}', expected a number "
                f"from {LOWEST:g} to {HIGHEST:g}."
            )
        table[name] = values
    inside = source.resolve()
    for row, path in table["path"].items():
        place = (source / str(path)).resolve()
        if not place.is_relative_to(inside) or not place.is_file():
            raise UserError(f"{file}, line {row + 2}: the image {path} is not in {source}.")
    names = table["path"].map(lambda p: Path(p).name)
    if names.duplicated().any():
        row = names.duplicated().idxmax()
        raise UserError(f"{file}, line {row + 2}: the image {names[row]} is listed twice.")
    return table


def _copy(source: Path, work: Path, table: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for row in table.itertuples():
        place = Path(row.split) / row.label / Path(row.path).name
        (work / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / row.path, work / place)
        rows.append((place.as_posix(), row.label, row.split, row.v, row.a, row.motif, row.path))
    columns = ["path", "label", "split", "valence", "arousal", "motif", "source"]
    result = pd.DataFrame(rows, columns=columns)
    result.to_csv(work / "index.csv", index=False)
    return result
