"""Does the second stage help? Valence of held-out images after one_stage and after two_stage.

The first stage learns from categories alone, through the points of their words; the second goes on
with ratings. Both run as a person would run them, with every correction on, on a drawn stand-in
for FI and Emotion6 and, where its folder is given, on BASS, whose categories are the thirds of its
training images by valence.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.claims import base
from benchmarks.ground import results_file
from benchmarks.ground.commands import words
from benchmarks.ground.reading import read_json
from common.datasets.readers.va import read_ratings
from common.datasets.standins.va import WORDS
from common.engine.run_folder import ENVIRONMENT
from common.flags import count
from dimva import train as training
from dimva.authors_files import FINAL, Files
from dimva.data import LEXICON

STAGES = ("one_stage", "two_stage")
FIGURES = ("r_{}", "r_{}_interval_95", "ccc_{}", "rmse_{}", "mae_{}", "r2_{}")
KEPT = ("images", *(name.format(d) for d in ("valence", "arousal") for name in FIGURES))
MADE_UP = "the lexicon is made up, so the first stage's points are not those of people"
BASS = "BASS silhouettes (Kawai, Lukács & Ansorge 2021, CC BY 4.0), US ratings"
THIRDS = ("negative", "neutral", "positive")


class TwoStage(base.Comparison):
    """Both stages on one set of images: ``twin`` or ``bass``."""

    name = "two_stage"

    def __init__(self, args: argparse.Namespace, data: str = "twin"):
        super().__init__(args)
        self.data, self.dataname = data, "FI" if data == "twin" else "Flickr"

    @classmethod
    def add_flags(cls, add: Callable) -> None:
        add("--epochs", type=count, help="of each stage; default: what the size says")
        add("--bass", type=Path, help="folder with BASS's index.csv and images/")
        add("--lexicon", type=Path, help="NRC-VAD for BASS's words; default: made-up values")
        add("--pretrained", type=Path, default=Path("none"), help="trunk weights; none is random")

    @classmethod
    def all_of(cls, args: argparse.Namespace) -> list[base.Comparison]:
        return [cls(args, data) for data in (("twin", "bass") if args.bass else ("twin",))]

    def results_name(self) -> str:
        return "dimva_two_stage.json" if self.data == "twin" else "dimva_two_stage_bass.json"

    def command(self) -> str:
        given = " --bass BASS" if self.data == "bass" else ""
        return given + (f" --epochs {self.args.epochs}" if self.args.epochs else "")

    @property
    def epochs(self) -> int:
        """Of each stage."""
        return self.args.epochs or self.size.epochs

    @property
    def tag(self) -> str:
        """Keeps BASS with another source or lexicon apart."""
        return _digest(self.args.bass, self.args.lexicon) if self.data == "bass" else ""

    @property
    def data_root(self) -> Path:
        """Where the set of this size stands."""
        return self.work / f"{self.data}_data{self.tag}"

    @property
    def runs_root(self) -> Path:
        """Where its runs stand: apart for all that changes them and is not in their names."""
        start = self.args.pretrained.stem
        start += _digest(self.args.pretrained) if self.args.pretrained.exists() else ""
        return self.work / f"epochs{self.epochs}" / start / f"{self.data}{self.tag}"

    def prepare(self) -> dict:
        if self.data == "twin":
            return results_file.drawn(
                "va", twin=base.stand_in("va", self.data_root, self.size.scale)
            )
        lay_out_bass(self.args.bass, self.data_root, self.args.lexicon)
        lexicon = MADE_UP if self.args.lexicon is None else "the user's"
        return {"name": "bass", "drawn": False, "note": BASS, "lexicon": lexicon}

    def flags(self, seed: int, mode: str) -> list[str]:
        """The command line of one stage, beyond the program's name."""
        paths = {"out": self.runs_root, "data": self.data_root, "args": self.args}
        given = {"name": self.dataname, "mode": mode, "epochs": self.epochs, "size": self.size}
        flags = words(self.template, seed=seed, **given, **paths)
        if self.data == "bass":
            flags += ["--va_dataset", "bass", "--va_root", str(self.args.bass)]
            flags += ["--lexicon", str(self.args.lexicon)] if self.args.lexicon else []
        return flags

    def run_folder(self, seed: int, mode: str) -> Path:
        """Where a stage's training stands."""
        return Files(self.runs_root, mode, "single", self.dataname, seed).run

    def environment(self) -> Path:
        return self.run_folder(self.args.seeds[0], STAGES[0]) / ENVIRONMENT

    def arms(self, seed: int) -> dict[str, dict]:
        values = {}
        for mode in STAGES:
            run = self.run_folder(seed, mode)
            if not (run / FINAL).exists():
                base.must(training.main(self.flags(seed, mode)), f"the run {run}")
            final = read_json(run / FINAL)["test_va"]
            values[mode] = {key: final[key] for key in KEPT}
        return values


def lay_out_bass(bass: Path, root: Path, lexicon: Path | None) -> None:
    """Make ``<root>/Flickr/<split>/<third>/`` of copies of BASS's images, and the lexicon.

    The thirds are those of the training images' valence; test images fall where they fall. The
    splits are the reader's, so that no motif of the test is seen in either stage.

    Args:
        bass: folder with ``index.csv`` and ``images/``.
        root: data root to make.
        lexicon: NRC-VAD; None writes the made-up one.
    """
    table = read_ratings("bass", bass).table
    limits = table.loc[table["split"] == "train", "valence"].quantile([1 / 3, 2 / 3]).to_numpy()
    for path, split, valence in zip(table["path"], table["split"], table["valence"], strict=True):
        folder = root / "Flickr" / split / THIRDS[int(np.searchsorted(limits, valence))]
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / Path(path).name
        if copy.is_symlink():  # of an earlier version; links out of the root are refused
            copy.unlink()
        if not copy.exists():
            shutil.copyfile(path, copy)
    if lexicon is None:
        lines = ["\t".join((word, *(f"{x:.3f}" for x in vad))) for word, vad in WORDS.items()]
        (root / LEXICON).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _digest(*paths: Path | None) -> str:
    text = "\n".join(str(path and path.resolve()) for path in paths)
    return "_" + hashlib.sha256(text.encode()).hexdigest()[:8]


main = base.main_of(TwoStage, __doc__)
