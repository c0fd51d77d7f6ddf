"""The examination: read, open every image, compare, and say what to change."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd

from common.cli import UserError
from common.data.images import escaping_link, printable
from common.data.manifest import Kind, Manifest
from common.datasets import catalogue
from common.datasets.catalogue import differences
from common.datasets.doctor import duplicates, release
from common.datasets.doctor.report import Report, named
from common.datasets.doctor.scan import Scan, scan
from common.datasets.readers.folder import images_below

NO_SPLIT = ""  # of images that no list of the dataset uses
DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")


def examine(name: str, root: Path, workers: int | None = None, near: bool = True) -> Report:
    """Look at a copy of a dataset.

    Errors are what stops a training or makes its labels wrong: a reader that refuses the folder,
    missing or corrupt images, label files that contradict each other, a class without training
    images, links that lead out of the folder. Warnings are what published copies are known to
    have: test images among the training images, repetitions, counts other than published.

    Args:
        name: of a reader, in any usual spelling.
        root: the folder it was unpacked in.
        workers: processes that open images; None: one a core.
        near: also look for near-duplicates.

    Raises:
        UserError: no reader of that name.
    """
    read = catalogue.reader(name)
    report = Report(catalogue.canonical(name), printable(root))
    manifest = _read(read, root, report)
    if not root.is_dir():
        return report
    try:
        rows = _rows(manifest, root)
    except UserError as refusal:
        report.errors = list(dict.fromkeys([*report.errors, str(refusal)]))
        return report
    if rows.empty:
        report.errors.append(f"there is no image below {root}; give the folder of the download.")
        return report
    outside = escaping_link(rows["path"], root)
    if outside is not None:
        report.notes.append(
            f"{_relative(outside, root)} is a link that leads out of {printable(root)}; links are "
            "followed, but a copy of this folder alone would lack the images."
        )
    there = rows["path"].map(os.path.lexists).to_numpy()
    seen = scan([str(p) for p in rows["path"]], workers)
    report.images = len(rows)
    names = [_relative(p, root) for p in rows["path"]]
    _tell_corrupt(report, names, seen, there)
    _tell_oddities(report, names, seen)
    if manifest is not None:
        _tell_counts(report, manifest, rows)
        report.errors += release.contradictions(report.dataset, root)
    _tell_repetitions(report, names, rows, seen)
    if near:
        _tell_near(report, names, rows, seen)
    return report


def _read(read: catalogue.Dataset, root: Path, report: Report) -> Manifest | None:
    try:
        manifest = read(root)
    except UserError as refusal:
        report.errors.append(str(refusal))
        return None
    report.form = release.form(manifest, root)
    report.classes = list(manifest.classes)
    report.drawn = manifest.drawn
    for note in dict.fromkeys(manifest.notes):
        kind = getattr(note, "kind", Kind.OTHER)
        if kind is Kind.MISSING:
            report.errors.append(f"{note}; copy them again.")
        elif kind is Kind.OTHER:  # the examination finds the others out more exactly
            report.notes.append(f"{note.rstrip('.')}.")
    return manifest


def _rows(manifest: Manifest | None, root: Path) -> pd.DataFrame:
    """Columns ``path``, ``label``, ``split``: labelled images, then the others beside them.

    Without a manifest all images below `root`, with the split that a folder's name tells.
    """
    if manifest is None:
        paths = [str(p) for p in images_below(root.absolute())]
        splits = [release.split_of(Path(p).relative_to(root.absolute())) for p in paths]
        return pd.DataFrame({"path": paths, "label": -1, "split": splits})
    table = manifest.table[["label", "split"]].reset_index(drop=True)
    table.insert(0, "path", [os.path.join(manifest.root, p) for p in manifest.table["path"]])
    listed = set(table["path"])
    folders = sorted({os.path.dirname(p) for p in listed})
    beside = [
        str(file)
        for folder in folders
        for file in images_in(Path(folder))
        if str(file) not in listed
    ]
    others = pd.DataFrame({"path": beside, "label": -1, "split": NO_SPLIT})
    return pd.concat([table, others], ignore_index=True) if beside else table


def images_in(folder: Path) -> list[Path]:
    """The image files of a folder itself, sorted."""
    if not folder.is_dir():
        return []
    return [p for p in images_below(folder) if p.parent == folder]


def _relative(path: str | Path, root: Path) -> str:
    whole, home = os.path.abspath(path), os.path.abspath(root)
    inside = whole.startswith(home.rstrip(os.sep) + os.sep)
    return printable(Path(os.path.relpath(whole, home)).as_posix() if inside else whole)


def _tell_corrupt(report: Report, names: list[str], seen: Scan, there: np.ndarray) -> None:
    bad = np.flatnonzero(~seen.readable)
    report.corrupt = [names[i] for i in bad]
    report.exclude += report.corrupt
    if len(bad):
        reasons = [seen.error[i] if there[i] else "gone" for i in bad]
        which = named([f"{names[i]} ({why})" for i, why in zip(bad, reasons, strict=True)])
        report.errors.append(
            f"{len(bad)} of {len(names)} images cannot be decoded: {which}; copy them again."
        )


def _tell_oddities(report: Report, names: list[str], seen: Scan) -> None:
    good = seen.readable
    deep = np.isin(seen.mode.astype(str), DEEP)
    for which, what in (
        (seen.turned, "ask by EXIF to be turned, which some of the published code does not do"),
        (deep & good, "have more than eight bits a channel, of which the upper eight are used"),
        (seen.frames > 1, "are animations, of which the first frame is used"),
    ):
        odd = [names[i] for i in np.flatnonzero(which & good)]
        if odd:
            report.warnings.append(
                f"{len(odd)} images {what}: {named(odd)}; store them anew as plain images to "
                "be sure."
            )


def _without_images(rows: Manifest) -> list[str]:
    """Classes of no image; where images have several labels, all of them count."""
    used = set(rows.labels)
    if "labels" in rows.table:
        used = {label for several in rows.table["labels"] for label in several}
    return [name for label, name in enumerate(rows.classes) if label not in used]


def _tell_counts(report: Report, manifest: Manifest, rows: pd.DataFrame) -> None:
    splits = list(dict.fromkeys(manifest.table["split"]))
    report.counts = {split: manifest.split(split).counts() for split in splits}
    for split in report.counts:
        for name in _without_images(manifest.split(split)):
            sentence = f"the class {name} has no {split} image; copy the dataset again."
            (report.errors if split == "train" else report.warnings).append(sentence)
    report.unused = int((rows["split"] == NO_SPLIT).sum())
    if report.unused:
        report.notes.append(
            f"{report.unused} images in the same folders are used by no split of the dataset."
        )
    report.warnings += [
        f"{text.rstrip('.')}; results are comparable with published ones on the published copy "
        "alone."
        for text in differences(manifest)
    ]


def _tell_repetitions(report: Report, names: list[str], rows: pd.DataFrame, seen: Scan) -> None:
    """Equal pictures among the labelled images; all splits but ``test`` are the other side."""
    used = np.flatnonzero(rows["split"] != NO_SPLIT)
    group = duplicates.groups(seen.pixels[used])
    split = rows["split"].to_numpy()[used]
    label = rows["label"].to_numpy()[used]
    order = sorted(set(split), key=lambda s: (s == "test", s))
    for of_split in order:
        mine = np.flatnonzero(split == of_split)
        again = mine[duplicates.repeated(group[mine])]
        report.within[of_split] = len(again)
        report.exclude += [names[used[i]] for i in again]
        if len(again):
            report.warnings.append(
                f"{len(again)} {of_split} images repeat another {of_split} image: "
                f"{named([names[used[i]] for i in again])}; leave one of each."
            )
    for k, a in enumerate(order):
        for b in order[k + 1 :]:
            shared = np.intersect1d(group[split == a], group[split == b])
            report.across[f"{a}-{b}"] = int((shared >= 0).sum())
    leaks = duplicates.leaks(group, split == "test")
    report.test_leaks = leaks.test_images
    report.leaks = [[names[used[i]], names[used[j]]] for i, j in leaks.pairs]
    if leaks.test_images:
        pairs = [f"{a} = {b}" for a, b in report.leaks]
        report.warnings.append(
            f"{leaks.test_images} of {(split == 'test').sum()} test images are also training or "
            f"validation images, pixel for pixel: {named(pairs)}; leave the latter out of the "
            "training to measure what is not remembered, or keep them to compare with published "
            "results."
        )
        report.exclude += [b for _, b in report.leaks]
    report.leaks_with_unused = _leaks_with_unused(rows, seen)
    if more := report.leaks_with_unused - leaks.test_images:
        report.notes.append(
            f"{more} further test images equal an image of another split's folder that no list "
            "uses."
        )
    if leaks.left_out:
        report.notes.append(f"{leaks.left_out} further pairs of such images are not listed.")
    report.exclude = list(dict.fromkeys(report.exclude))
    clash = duplicates.conflicts(group, label) if (label >= 0).all() else []
    if len(clash):
        pairs = [f"{names[used[i]]} = {names[used[j]]}" for i, j in clash]
        report.warnings.append(
            f"{len(clash)} images repeat another one under another label: {named(pairs)}; one of "
            "the two labels is wrong."
        )


def _leaks_with_unused(rows: pd.DataFrame, seen: Scan) -> int:
    """Labelled test images that equal any image of another split's folder, labelled or not."""
    used = (rows["split"] != NO_SPLIT).to_numpy()
    test = (rows["split"] == "test").to_numpy()
    folder = rows["path"].map(os.path.dirname)
    of_test = folder.isin(set(folder[test])) & ~folder.isin(set(folder[used & ~test]))
    group = duplicates.groups(seen.pixels)
    other = np.where(used, ~test, ~of_test)
    readable = group >= 0
    return int(np.isin(group[test & readable], group[other & readable]).sum())


def _tell_near(report: Report, names: list[str], rows: pd.DataFrame, seen: Scan) -> None:
    used = np.flatnonzero(rows["split"] != NO_SPLIT)
    split = rows["split"].to_numpy()[used]
    group = duplicates.groups(seen.pixels[used])
    pairs, crowded = duplicates.near_pairs(seen.hash[used], seen.tiny[used], group)
    across, within = [], []
    for i, j in pairs:
        if (split[i] == "test") != (split[j] == "test"):
            test, other = (i, j) if split[i] == "test" else (j, i)
            across.append([names[used[test]], names[used[other]]])
        elif split[i] == split[j]:
            within.append([names[used[i]], names[used[j]]])
    report.near = {"across": across, "within": within}
    if across:
        shown = named([f"{a} ~ {b}" for a, b in across])
        report.warnings.append(
            f"{len({a for a, _ in across})} test images nearly equal a training or validation "
            f"image: {shown}; look at them before trusting a small difference."
        )
    if within:
        report.notes.append(
            f"{len(within)} pairs of images within a split nearly equal each other: "
            f"{named([f'{a} ~ {b}' for a, b in within])}."
        )
    if crowded:
        report.notes.append(
            f"{crowded} images resemble so many others that near-duplicates among them are not "
            "listed."
        )
