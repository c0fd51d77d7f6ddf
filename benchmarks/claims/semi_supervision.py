"""Do unlabelled images pay? A paper's method against its baselines with the same few labels.

All train on the same labelled images of a drawn stand-in for as many steps with the same backbone,
image size and seeds. The methods keep the settings of their papers, the baselines the optimiser of
the shared flags. Nothing is chosen by looking at results: the verdict is on the last epoch.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from adacm import data as adacm_data
from adacm.main import EXPERIMENT as ADACM
from benchmarks.baselines.__main__ import experiment as baseline
from benchmarks.claims import base, face_recognition
from benchmarks.claims.face_recognition import Recognition
from benchmarks.ground import results_file
from benchmarks.ground.commands import words
from benchmarks.ground.reading import read_json
from common.engine.run_folder import ENVIRONMENT, SUMMARY
from s2ver import authors_files as s2ver_files
from s2ver.main import EXPERIMENT as S2VER


class FewLabels(base.Comparison):
    """A paper's method and its baselines with the same few labels."""

    name = "semi_supervision"

    def __init__(self, args: argparse.Namespace):
        super().__init__(args)
        self.declared = SimpleNamespace(**self.comparisons[args.claim])
        method = self.paper = self.declared.method
        self.claim = self.declared.claim
        self.statements = [[f"{method} beats {b}", method, b] for b in self.declared.baselines]
        # runs of one size or start are never taken for those of another
        self.work = self.work / self.declared.start

    @classmethod
    def add_flags(cls, add: Callable) -> None:
        add("--claim", choices=cls.comparisons, default="s2ver")

    def results_name(self) -> str:
        return f"{self.args.claim}_{self.name}.json"

    def command(self) -> str:
        return f" --claim {self.args.claim}"

    def prepare(self) -> dict:
        twin = self.declared.twin
        mark = base.stand_in(twin, self.work / "data" / twin, self.size.scale)
        return results_file.drawn(twin, twin=mark, labels=self.declared.labels)

    def run_folder(self, method: str, seed: int) -> Path:
        """Where a method's training stands."""
        return self.work / f"{self.declared.twin}_{method}_seed{seed}"

    def environment(self) -> Path:
        return self.run_folder(self.declared.method, self.args.seeds[0]) / ENVIRONMENT

    def arms(self, seed: int) -> dict[str, dict]:
        values = {}
        for method in (*self.declared.baselines, self.declared.method):
            run = self.run_folder(method, seed)
            TRAIN[self.paper](self, method, seed, run)
            values[method] = _values(run)
        return values

    def details(self) -> dict:
        people = self.declared.start == "people"
        named = face_recognition.accuracy(self.work) if people else None
        return {"start": self.declared.start, "people_named": named}

    def flags_of(self, name: str, seed: int, run: Path) -> list[str]:
        """One of the declared command lines, without what comes before its flags."""
        given = {"size": self.size, "seed": seed, "data": self.work / "data", "run": run}
        return words(self.flags[name], **given)


def _values(run: Path) -> dict:
    """A finished run's figures, and the commit it was trained on."""
    summary = read_json(run / SUMMARY)
    last = summary["last"]
    kept = {k: last["train"][k] for k in ("mask_rate", "pseudo_true_ratio") if k in last["train"]}
    return {
        **{name: summary["protocols"][name]["value"] for name in FewLabels.compared},
        "balanced_accuracy_last": last["test"]["balanced_accuracy"],
        **kept,
        "ece_last": last["test"]["ece"],
        "wall_s": summary["wall_s"],
        "commit": read_json(run / ENVIRONMENT)["commit"],
    }


def train_for_s2ver(comparison: FewLabels, method: str, seed: int, run: Path) -> None:
    """FI, 5 labels a class, the batch sizes of S2-VER's published command."""
    flags = comparison.flags_of("fi", seed, run) + comparison.flags_of("shared", seed, run)
    base.train(S2VER if method == "s2ver" else baseline(method), flags, run)


def train_for_adacm(comparison: FewLabels, method: str, seed: int, run: Path) -> None:
    """RAF-DB, Ada-CM's 100 labels and batch sizes; the baselines get the labels Ada-CM drew.

    From ``people`` every method starts from the same weights, as the paper's start from faces.
    """
    size, data, start = comparison.size, comparison.work / "data", []
    if comparison.declared.start == "people":
        weights = face_recognition.pretrain(
            comparison.work, Recognition(**size.recognition), size.image_size
        )
        start = ["--pretrained", str(weights)]
    if method == "adacm":
        base.train(ADACM, comparison.flags_of("adacm", seed, run) + start, run)
        return
    index = s2ver_files.index_file(run, argparse.Namespace(dataset="rafdb", num_labels=100))
    if not index.exists():
        run.mkdir(parents=True, exist_ok=True)
        np.save(index, adacm_labels(data / "rafdb", 100, seed))
    flags = comparison.flags_of("rafdb", seed, run) + comparison.flags_of("shared", seed, run)
    base.train(baseline(method), flags + start, run)


def adacm_labels(folder: Path, number: int, seed: int) -> np.ndarray:
    """Positions (int64 [number]) of the training images that Ada-CM labels with this seed."""
    read, classes = adacm_data.DATASETS["rafdb"]
    labels = read(folder).split("train").labels
    np.random.seed(seed)
    return adacm_data.draw_labelled(labels, adacm_data.quotas(number, classes))[0]


TRAIN = {"s2ver": train_for_s2ver, "adacm": train_for_adacm}
"""Paper -> (comparison, method, seed, run folder) -> None."""

main = base.main_of(FewLabels, __doc__)
