"""What the doctor found, as a record, as text, and as a list of images to leave out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from common.cli import UserError
from common.data.images import printable
from common.files import write_json

SHOWN = 5  # paths or pairs that the text names of each kind


@dataclass
class Report:
    """A dataset's state. Paths are relative to `root`, where they lie in it.

    Attributes:
        dataset, root, form: the name, the folder, and which copy of the dataset it is.
        classes: class names in label order.
        counts: split -> class -> labelled images.
        images: files opened, those without a label included.
        corrupt: files that cannot be decoded.
        within: split -> labelled images that repeat an earlier one of their split.
        across: ``a-b`` -> pictures that two splits share.
        test_leaks: labelled test images whose pixels are also in another split.
        leaks_with_unused: the same, images of the other splits' folders without a label included.
        leaks: pairs of test image and other image.
        near: pairs of near-duplicates, ``across`` test and the other splits or ``within`` a split.
        unused: images beside the labelled ones that the dataset's lists do not use.
        errors, warnings, notes: sentences; a training stops at or is spoilt by the first, its
            result depends on the second, the third are for information.
        exclude: images that a clean copy does not need.
    """

    dataset: str
    root: str
    form: str = ""
    classes: list[str] = field(default_factory=list)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    images: int = 0
    corrupt: list[str] = field(default_factory=list)
    within: dict[str, int] = field(default_factory=dict)
    across: dict[str, int] = field(default_factory=dict)
    test_leaks: int = 0
    leaks_with_unused: int = 0
    leaks: list[list[str]] = field(default_factory=list)
    near: dict[str, list[list[str]]] = field(default_factory=dict)
    unused: int = 0
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    drawn: bool = False

    def as_dict(self) -> dict:
        """The record that ``--json`` writes."""
        return {
            "dataset": self.dataset,
            "root": self.root,
            "form": self.form,
            "classes": self.classes,
            "counts": self.counts,
            "corrupt": self.corrupt,
            "duplicates": {"within": self.within, "across": self.across},
            "leaks": {
                "test_images": self.test_leaks,
                "pairs": self.leaks,
                "test_images_with_unused": self.leaks_with_unused,
            },
            "errors": self.errors,
            "warnings": self.warnings,
            "notes": self.notes,
            "near_duplicates": self.near,
            "images_opened": self.images,
            "images_unused": self.unused,
            "drawn": self.drawn,
        }

    def text(self) -> str:
        """The findings as a person reads them; the counts are a table of its own."""
        drawn = ", drawn stand-in" if self.drawn else ""
        lines = [
            f"{self.dataset} at {self.root}: {self.form or 'not recognised'}{drawn}; "
            f"{self.images} images opened"
        ]
        lines += [f"error: {text}" for text in self.errors]
        lines += [f"warning: {text}" for text in self.warnings]
        lines += [f"note: {text}" for text in self.notes]
        if not self.errors and not self.warnings:
            lines.append("nothing is wrong with it")
        return "\n".join(lines)


def named(paths: list[str]) -> str:
    """The first few of a list, for a sentence."""
    rest = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(paths[:SHOWN]) + rest


def save(report: Report, path: Path) -> None:
    """Write the record as JSON; an earlier record is replaced, nothing else is.

    Raises:
        UserError: `path` cannot be written, or is another kind of file.
    """
    refuse_other(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, report.as_dict())
    except OSError as error:
        raise UserError(
            f"the report cannot be written to {path} ({error.strerror}); choose another --json."
        ) from None


def refuse_other(path: Path) -> None:
    """Refuse to replace a file that is no earlier report.

    Raises:
        UserError: it is not.
    """
    if not path.exists():
        return
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))
        if {"dataset", "leaks", "errors"} <= set(earlier):
            return
    except (OSError, ValueError, TypeError):
        pass
    raise UserError(f"{path} is there and is no doctor's report; choose another --json.")


def save_exclusions(report: Report, path: Path) -> None:
    """Write a line for every image that a clean copy does not need.

    Raises:
        UserError: `path` is there already or cannot be written.
    """
    if path.exists():
        raise UserError(f"{path} is there already; choose another --write_clean or delete it.")
    odd = [p for p in report.exclude if "\n" in p]
    if odd:
        raise UserError(
            f"{odd[0]!r} has a line break in its name, which a list of lines cannot hold; rename "
            "the file."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(f"{printable(p)}\n" for p in report.exclude)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"the list cannot be written to {path} ({error.strerror}); choose another "
            "--write_clean."
        ) from None
