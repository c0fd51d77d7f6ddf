"""What is told of runs: headline numbers, environment, quirks in force, details."""

from __future__ import annotations

import json
import shlex
from typing import Any

from benchmarks.ground.reading import mapping
from benchmarks.report.collect import Run
from benchmarks.report.tables.table import HEADLINE, NONE, Table, cell, duration, number, score
from common.metrics.protocols import MEANING


def headline_table(runs: list[Run]) -> Table:
    """A row a run: the four protocols first, then what was trained on what, and the cost.

    The status has a column where a run is not finished.
    """
    table = Table("Runs", [_headline_row(run) for run in runs])
    if all(run.status == "finished" for run in runs):
        return table.only(name for name in table.columns if name != "status")
    return table


def _headline_row(run: Run) -> dict[str, Any]:
    args, summary = run.arguments, run.summary
    setup = mapping(run.config.get("configuration"))  # where a file says what flags say elsewhere
    protocols = mapping(summary.get("protocols"))
    head = run.headline.get("protocol")
    values = {name: mapping(protocols.get(name)).get("value") for name in MEANING}
    share = args.get("anno_percent")  # where a run asks for a share of the labels
    labels = args.get("num_labels") or (f"{100 * share:g} %" if share else None)
    size = args.get("image_size") or args.get("input_size") or setup.get("image_size")
    return {
        "run": run.name,
        "status": cell(run.status, mark="" if run.status == "finished" else "bad"),
        **{name: score(value, run.percent, name == head) for name, value in values.items()},
        "metric": run.metric if summary else None,
        "method": run.config.get("method"),
        "dataset": f"{run.data.get('name', NONE)}{' (drawn)' if run.drawn else ''}",
        "labels": labels,
        "backbone": args.get("backbone") or args.get("model"),
        "image size": size,
        "images/s": number(summary.get("train_images_per_second")),
        "wall time": duration(summary.get("wall_s")),
        "device": run.environment.get("device"),
    }


def protocol_notes(runs: list[Run]) -> list[tuple[str, str]]:
    """(protocol, meaning) of all four, and a note on those that are a run's headline."""
    heads = {run.headline.get("protocol") for run in runs}
    notes = []
    for name, meaning in MEANING.items():
        if name == "val_selected":
            meaning += " (needs --val_fraction)"
        if name in heads:
            meaning += f"; the headline number where it is marked {HEADLINE}"
        notes.append((name, meaning))
    return notes


def environment_table(runs: list[Run]) -> Table | None:
    """A row a run: commit, seed, threads and versions; None where no run says them."""
    rows = []
    for run in runs:
        commit = str(run.environment.get("commit") or "")
        dirty = " + changes" if commit.endswith("+changes") else ""
        names = ("seed", "threads", "platform", "python")
        machine = {name: run.environment.get(name) for name in names}
        versions = mapping(run.environment.get("versions"))
        row = {"run": run.name, "commit": commit[:12] + dirty, **machine, **versions}
        rows += [row] if run.environment else []
    return Table("Environment", rows) if rows else None


def command(run: Run) -> str:
    """The command line of a run, as a shell takes it."""
    return shlex.join(map(str, run.environment.get("command") or []))


def quirk_groups(runs: list[Run]) -> list[tuple[list[str], list[str]]]:
    """(names of runs, quirks in force in all of them), runs with equal quirks together."""
    groups: dict[tuple, list[str]] = {}
    for run in runs:
        if isinstance(quirks := run.config.get("quirks_in_force"), list):
            groups.setdefault(tuple(map(str, quirks)), []).append(run.name)
    return [(names, list(quirks)) for quirks, names in groups.items()]


def confusion(run: Run) -> tuple[list[str], list[list[int]]] | None:
    """(class names, counts [true][predicted]) at the headline epoch, where there is a matrix."""
    matrix = mapping(mapping(run.summary.get("at_headline")).get("test")).get("confusion")
    if not isinstance(matrix, list) or not all(isinstance(row, list) for row in matrix):
        return None
    classes = list(map(str, run.data.get("classes") or ()))
    if len(classes) != len(matrix):
        classes = [str(number) for number in range(len(matrix))]
    return classes, matrix


def overview(run: Run) -> dict[str, str]:
    """What was trained on what, how it ended, and with which command."""
    row = headline_table([run]).rows[0]
    quirks = run.config.get("quirks_in_force")
    facts = {
        "status": run.status,
        **{name: shown.text for name, shown in row.items() if name not in ("run", "status")},
        "commit": str(run.environment.get("commit") or NONE),
        "seed": str(run.environment.get("seed", NONE)),
        "command": command(run) or NONE,
        "quirks in force": "; ".join(map(str, quirks if isinstance(quirks, list) else ())) or NONE,
    }
    for name, value in mapping(mapping(run.summary.get("at_headline")).get("test")).items():
        if isinstance(value, int | float):
            facts[f"test {name} at the headline epoch"] = f"{value:.4g}"
    return facts


def flags(run: Run) -> dict[str, str]:
    """Every flag that a run was started with."""
    return {name: json.dumps(value) for name, value in run.arguments.items()}
