"""Reading what runs, parity checks and claims left on disk; half-written runs included."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.claims import findings
from benchmarks.claims.findings import Finding
from benchmarks.ground import results_file
from benchmarks.ground.reading import mapping, read_mapping, read_text
from benchmarks.ground.results_file import Results
from common.cli import UserError
from common.engine.pseudo_labels import COLUMNS as PSEUDO_LABEL_COLUMNS
from common.engine.pseudo_labels import TABLE as PSEUDO_LABELS
from common.engine.run_folder import CONFIG, ENVIRONMENT, LAST, METRICS, SUMMARY

SHARES = ("top1", "top5", "accuracy", "balanced_accuracy", "macro_f1")
"""Metrics that are shown in per cent where a run does not say."""
TRACES = (CONFIG, METRICS, SUMMARY, LAST)
"""A folder with one of these files is a run folder."""
STAGE = re.compile(r"(stage|fold)\d+")
PREDICTIONS = "*predictions.csv"
PREDICTION_COLUMNS = ("valence", "true_valence", "arousal", "true_arousal")
"""Columns of a table of predictions that can be drawn."""


@dataclass
class Run:
    """A run folder as far as it could be read.

    Attributes:
        name: short, unique in a report.
        path: the folder.
        config, environment, summary: its JSON files; empty where missing or damaged.
        history: the whole rows of ``metrics.jsonl``.
        pseudo_labels: the table ``pseudo_labels.csv``, or None.
        predictions: predicted and true valence and arousal of the test images, or None.
        problems: a sentence per thing that is missing or damaged.
    """

    name: str
    path: Path
    config: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict] = field(default_factory=list)
    pseudo_labels: pd.DataFrame | None = None
    predictions: pd.DataFrame | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def arguments(self) -> dict[str, Any]:
        """The flags it was started with."""
        return mapping(self.config.get("arguments"))

    @property
    def data(self) -> dict[str, Any]:
        """What it says of its data: name, classes, counts, drawn."""
        return mapping(self.config.get("data"))

    @property
    def drawn(self) -> bool:
        """True when its images are a drawn stand-in."""
        return bool(self.summary.get("drawn") or self.data.get("drawn"))

    @property
    def headline(self) -> dict[str, Any]:
        """The number that the run reports: protocol, value, epoch."""
        return mapping(self.summary.get("headline"))

    @property
    def metric(self) -> str:
        """The metric that it is judged by."""
        return str(self.summary.get("metric", "top1"))

    @property
    def percent(self) -> bool:
        """True when that metric is a fraction, to be shown in per cent."""
        return bool(self.summary.get("percent", self.metric in SHARES))

    @property
    def last_epoch(self) -> int:
        """The last epoch that was evaluated; 0 before the first."""
        return len(self.history) and int(self.history[-1]["epoch"])

    @property
    def status(self) -> str:
        """``finished``, or how far it came."""
        if self.summary and self.summary.get("finished", True):
            return "finished"
        if not self.path.is_dir():
            return "unfinished: no such folder"
        total = self.arguments.get("epoch") or self.arguments.get("epochs")
        return f"unfinished: epoch {self.last_epoch}" + (f" of {total}" if total else "")


def find_runs(paths: list[Path]) -> list[Run]:
    """Read every run in `paths`; each is a run folder or holds run folders at any depth.

    Raises:
        UserError: there is no run in any of them.
    """
    folders: dict[Path, Path] = {}  # resolved -> as given, so that no run is listed twice
    for path in paths:
        found = [path] if not path.is_dir() else list(_run_folders(path))
        for folder in found:
            folders.setdefault(folder.resolve(), folder)
    if not any(folder.is_dir() for folder in folders.values()):
        raise UserError(
            f"no run was found in {', '.join(map(str, paths))}; give run folders (they hold "
            f"{CONFIG}, {METRICS} and, when finished, {SUMMARY}) or a folder of them."
        )
    names = _short_names(list(folders))
    return [_read_run(path, name) for path, name in zip(folders.values(), names, strict=True)]


def _run_folders(path: Path):
    for folder, below, files in os.walk(path):
        below.sort()
        if any(name in files for name in TRACES):
            below.clear()
            yield Path(folder)


def _short_names(paths: list[Path]) -> list[str]:
    """The last parts of the paths, as many as tell them apart; a stage is told with its run."""
    stages = [_stages(path) for path in paths]
    for depth in range(1, max((len(p.parts) for p in paths), default=0)):
        names = ["/".join(p.parts[-depth - n :]) for p, n in zip(paths, stages, strict=True)]
        if max(Counter(names).values()) == 1:
            return names
    return [str(path) for path in paths]


def _stages(path: Path) -> int:
    """How many of a path's last parts are stages or folds of a run, as ``fold0/stage2``."""
    others = (i for i, part in enumerate(reversed(path.parts)) if not STAGE.fullmatch(part))
    return next(others, 0)


def _read_run(path: Path, name: str) -> Run:
    run = Run(name, path)
    if not path.is_dir():
        run.problems.append(f"there is no folder {path}")
        return run
    run.config = read_mapping(path / CONFIG, run.problems)
    run.environment = read_mapping(path / ENVIRONMENT, run.problems)
    run.history = _read_history(path / METRICS, run.problems)
    run.summary = read_mapping(path / SUMMARY, run.problems)
    run.pseudo_labels = _read_table(path / PSEUDO_LABELS, PSEUDO_LABEL_COLUMNS, run.problems)
    for file in sorted(path.glob(PREDICTIONS)):
        if run.predictions is None:
            run.predictions = _read_table(file, PREDICTION_COLUMNS, run.problems)
    return run


def _read_table(path: Path, columns: tuple[str, ...], problems: list[str]) -> pd.DataFrame | None:
    """`columns` of a CSV file; None where there is no such file or it holds something else."""
    if not path.exists():
        return None
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        problems.append(f"{path.name} cannot be read ({error})")
        return None
    if missing := [name for name in columns if name not in table.columns]:
        problems.append(f"{path.name} has no column {missing[0]}")
        return None
    return table[list(columns)]


def _read_history(path: Path, problems: list[str]) -> list[dict]:
    rows = []
    for number, line in enumerate(read_text(path, problems).splitlines(), start=1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict) and isinstance(row.get("epoch"), int):
            rows.append(row)
        elif line.strip():
            problems.append(f"{path.name}, line {number}, is no whole row and is left out")
    return rows


def read_parity(path: Path) -> dict:
    """The results of ``python -m benchmarks parity --json``.

    Raises:
        UserError: the file cannot be read or holds something else.
    """
    value = _read_given(path, "--parity")
    cases = value.get("cases") if isinstance(value, dict) else None
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise UserError(
            f"--parity {path} has no list of cases; give a file that "
            "`python -m benchmarks parity --json FILE` wrote."
        )
    return value


def read_claims(paths: list[Path]) -> tuple[list[Finding], dict[str, Results]]:
    """What was given beside the committed claims.

    Args:
        paths: results files, and findings as ``claims --json`` writes them.

    Returns:
        Findings, those of results files included; and file name -> results.

    Raises:
        UserError: a file cannot be read or holds something else.
    """
    claims, sources = [], {}
    for path in paths:
        value = _read_given(path, "--claims")
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, dict) and "arms" in entry:
                sources[path.name] = results_file.parse(entry, f"--claims {path}")
                claims += findings.of_results(path.stem, sources[path.name])
            else:
                claims.append(findings.parse(entry, f"--claims {path}"))
    return claims, sources


def _read_given(path: Path, flag: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{flag} {path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise UserError(f"{flag} {path} is not valid JSON: {error}.") from None
