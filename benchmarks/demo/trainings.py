"""What the demonstration draws and trains: ``trainings.yaml``, and how large it is."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.ground.commands import words
from benchmarks.ground.results_file import ROOT

SEED = 0
CONFIGS = ROOT / "webemotion" / "scripts"


@dataclass(frozen=True)
class Size:
    """How large the demonstration is.

    Attributes:
        factor: of the scales in :data:`TWINS`.
        drawn_size: pixels of a drawn image's long side.
        image_size: pixels that the networks see.
        epochs, steps: length of a training; those that know no steps have the epochs alone.
        parity: which cases are checked.
        without: which of these are left out.
    """

    factor: float
    drawn_size: int
    image_size: int
    epochs: int
    steps: int
    parity: str
    without: tuple[str, ...] = ()

    @property
    def tuning(self) -> int:
        """Epochs of a stage that needs two at least."""
        return max(2, self.epochs)

    @property
    def last(self) -> int:
        """The last epoch, counted from 0."""
        return self.epochs - 1


@dataclass(frozen=True)
class Training:
    """One run of the demonstration.

    Attributes:
        name: of its run folder.
        twins: stand-ins that it reads.
        module: has the ``main`` that a person's command line calls.
        flags: its command line; see ``trainings.yaml``.
        script: which of the module's scripts, where it has several.
        method: what ``{method}`` stands for.
    """

    name: str
    twins: tuple[str, ...]
    module: str
    flags: str
    script: str = ""
    method: str = ""

    def run(self, size: Size, out: Path) -> int:
        """Train; returns the command's exit code."""
        runs = (out / "runs").absolute()  # webemotion puts relative ones below ckpts/
        folders = {"data": out / "data", "runs": runs, "configs": CONFIGS}
        given = {"name": self.name, "method": self.method, "size": size}
        flags = [word for word in words(self.flags, **folders, **given) if word]
        main = importlib.import_module(self.module).main
        return main(self.script, flags) if self.script else main(flags)


DECLARED = yaml.safe_load(Path(__file__).with_name("trainings.yaml").read_text(encoding="utf-8"))
FULL, QUICK = (Size(**DECLARED["sizes"][name]) for name in ("full", "quick"))
TWINS: dict[str, tuple[str, float]] = DECLARED["twins"]
"""Stand-in -> (folder below ``data``, share of the images of the real set)."""
TRAININGS = tuple(Training(**row) for row in DECLARED["trainings"])
