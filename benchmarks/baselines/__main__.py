"""``python -m benchmarks.baselines METHOD [flags]``: train a baseline.

The flags are those of ``python s2ver/main.py``, so that two runs differ in the method alone, and a
few of the method's own; ``python -m benchmarks.baselines METHOD --help`` lists them all. A method's
thresholds and weights have its paper's defaults; optimiser, rate, batch sizes and average have the
shared ones (SGD, 0.03), and each module says which of its paper's differ.
"""

from __future__ import annotations

import argparse
import inspect
from dataclasses import fields, replace
from functools import partial

from benchmarks.baselines import images
from benchmarks.baselines.comatch import CoMatch
from benchmarks.baselines.fixmatch import FixMatch
from benchmarks.baselines.flexmatch import FlexMatch
from benchmarks.baselines.mean_teacher import MeanTeacher
from benchmarks.baselines.pseudo_label import PseudoLabel
from benchmarks.baselines.pseudo_labels import Baseline
from benchmarks.baselines.supervised import Supervised
from common.cli import command
from common.engine.experiment import Experiment
from common.flags import Parser
from s2ver import data
from s2ver.main import EXPERIMENT, build
from s2ver.method import S2VERConfig
from s2ver.options import build_parser

OBJECTIVE = [field.name for field in fields(S2VERConfig)] + ["polarity"]


METHODS: dict[str, type[Baseline]] = {
    "supervised": Supervised,
    "pseudo_label": PseudoLabel,
    "mean_teacher": MeanTeacher,
    "fixmatch": FixMatch,
    "flexmatch": FlexMatch,
    "comatch": CoMatch,
}


def experiment(name: str) -> Experiment:
    """The baseline `name` under the flags of S2-VER's command."""
    baseline = METHODS[name]

    def parser() -> Parser:
        flags = build_parser()
        flags.prog = f"python -m benchmarks.baselines {name}"
        # The module's first line says what the method is.
        flags.description = inspect.getmodule(baseline).__doc__.partition("\n")[0]
        flags.without_effect("it belongs to the objective of another method.", *OBJECTIVE)
        baseline.add_flags(flags)
        return flags

    return replace(
        EXPERIMENT,
        name=name,
        command=f"python -m benchmarks.baselines {name}",
        parser=parser,
        read=partial(data.read, manifest_of=images.read),
        build=partial(build, make_method=baseline.build),
    )


@command
def main(argv: list[str]) -> int:
    """Train a baseline; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.baselines",
        description="Train a baseline. All other flags are those of python s2ver/main.py and a "
        "few of the method's own: METHOD --help lists them.",
    )
    parser.add_argument("method", choices=METHODS)
    return experiment(parser.parse_args(argv[:1]).method).run(argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())
