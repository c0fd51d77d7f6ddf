"""``python -m benchmarks explain RUN``: how a run differs from a row's recipe, and what it matters.

Every argument, the data, the machine, the libraries and the quirks in force are compared. Beside a
difference stands what the register of quirks says of its effect; else ``not measured here``.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from benchmarks.ground import results_file
from benchmarks.ground.commands import build_parser, command
from benchmarks.ground.reading import read_mapping
from benchmarks.ground.results_file import ROOT, Results
from benchmarks.ledger import rows as ledger
from benchmarks.ledger.rows import LedgerRow
from benchmarks.runs import programs
from common import quirks
from common.cli import UserError
from common.engine.run_folder import CONFIG, ENVIRONMENT, SUMMARY
from common.files import write_json

UNMEASURED = "not measured here"
ARGUMENTS = yaml.safe_load(Path(__file__).with_name("arguments.yaml").read_text(encoding="utf-8"))
PLACES = set(ARGUMENTS["places"].split())
"""Arguments that say where, not what."""
TOPICS = ARGUMENTS["topics"]
TOPIC_OF = {name: topic for topic, names in TOPICS.items() for name in names.split()}


@dataclass(frozen=True)
class Difference:
    """One thing that a run does otherwise than a recipe.

    Attributes:
        topic: ``batch size``, ``GPUs``, …
        name: the argument, library or quirk.
        recipe, here: both sides in words.
        matters: what it is known to change.
    """

    topic: str
    name: str
    recipe: str
    here: str
    matters: str = UNMEASURED


def read_run(folder: Path) -> tuple[dict, dict, dict]:
    """``config.json``, ``environment.json`` and ``summary.json`` (empty where unfinished).

    Raises:
        UserError: the folder is no run.
    """
    problems: list[str] = []
    found = [read_mapping(folder / name, problems) for name in (CONFIG, ENVIRONMENT, SUMMARY)]
    if not (folder / CONFIG).exists():
        raise UserError(f"{folder} is no run folder: it has no {CONFIG}.")
    if damaged := [text for text in problems if not text.endswith(" is missing")]:
        raise UserError(f"in {folder}, {damaged[0]}.")
    return tuple(found)


def row_for(config: dict, rows: list[LedgerRow]) -> LedgerRow:
    """The row whose recipe is nearest to a run: same program, then dataset, labels, fewest changes.

    Raises:
        UserError: no row is trained by the run's method.
    """
    method, arguments = config.get("method"), config.get("arguments") or {}
    fitting = []
    for row in rows:
        if row.command and method_of(row.command) == method:
            recipe = recipe_of(row)
            same = sum(str(arguments.get(k)) == str(recipe[k]) for k in recipe.keys() - PLACES)
            data = _data_name(recipe) == _data_name(arguments)
            own = row.id.startswith(f"{row.paper}/")
            fitting.append(((data, same, own), row))
    if not fitting:
        raise UserError(
            f"no row of the ledger is trained by '{method}'; give one with --row, see "
            "`python -m benchmarks list`."
        )
    return max(fitting, key=lambda pair: pair[0])[1]


def _data_name(arguments: dict) -> str:
    return str(arguments.get("dataset", arguments.get("dataname"))).lower()


def method_of(command: str) -> str | None:
    """``config.json``'s name of the method that a row's command trains; None for no training."""
    script, words = programs.split(programs.last_of(command))
    return programs.started(script, words)[0].name if programs.program_of(script) else None


def recipe_of(row: LedgerRow) -> dict:
    """Effective arguments of a row's (last) command."""
    return vars(programs.parse(programs.last_of(row.command)))


def explain(run: Path, row: LedgerRow) -> list[Difference]:
    """Every difference between a run and a row's recipe.

    Raises:
        UserError: the folder is no run, or the row has no command.
    """
    config, environment, _ = read_run(run)
    if row.command is None:
        raise UserError(f"row {row.id} has no recipe here: {row.no_command}.")
    recipe, register = recipe_of(row), ROOT / row.paper / "quirks.yaml"
    entries = quirks.load(register) if register.is_file() else []
    return [
        *_arguments(config.get("arguments") or {}, recipe, entries),
        *_data(config.get("data") or {}, row),
        *_machine(environment, row),
        *_quirks(config, recipe, entries),
    ]


def _effect(quirk: quirks.Quirk) -> str:
    return UNMEASURED if quirk.effect == quirks.NOT_MEASURED else quirk.effect


def _arguments(here: dict, recipe: dict, entries: list[quirks.Quirk]) -> list[Difference]:
    effects = {name: _effect(quirk) for quirk in entries for name in quirk.corrected}
    found = [
        Difference(
            topic=TOPIC_OF.get(name, "other arguments"),
            name=name,
            recipe=str(recipe[name]),
            here=str(here[name]),
            matters=effects.get(name, UNMEASURED),
        )
        for name in sorted(recipe.keys() & here.keys() - PLACES)
        if str(recipe[name]) != str(here[name])
    ]
    return sorted(found, key=lambda difference: list(TOPICS).index(difference.topic))


def _data(data: dict, row: LedgerRow) -> Iterator[Difference]:
    if data.get("drawn"):
        matters = "all: no number says anything about the real dataset"
        yield Difference("data", "images", row.dataset, "a drawn stand-in", matters)
    for split, expected in (("train", row.train_images), ("test", row.test_images)):
        number = sum((data.get(split) or {}).values()) if data.get(split) else None
        if number is not None and number != expected:
            reported = "not said" if expected is None else str(expected)
            yield Difference("data", f"{split} images", reported, str(number))
    for note in data.get("notes") or []:
        yield Difference("data", "note", "", note)


def _machine(environment: dict, row: LedgerRow) -> Iterator[Difference]:
    if not environment:
        yield Difference("machine", "environment.json", "", "is missing, so nothing is known")
        return
    number = environment.get("processes") or int(environment.get("device_type") != "cpu")
    silent = "not said by the publication"
    yield Difference("GPUs", "GPUs", silent, f"{number} ({environment.get('device')})")
    ours, committed = environment.get("versions") or {}, of_paper(row.paper)
    if not committed:
        versions = ", ".join(f"{name} {version}" for name, version in ours.items() if version)
        yield Difference("libraries", "versions", silent, versions)
        return
    file, results = max(committed.items())
    for name, version in (results.environment.get("versions") or {}).items():
        if ours.get(name) != version:
            recipe = f"{version} ({file.name})"
            yield Difference("libraries", name, recipe, str(ours.get(name)))


def of_paper(paper: str) -> dict[Path, Results]:
    """The committed results files of a package."""
    return {path: r for path, r in results_file.read_all().items() if r.paper == paper}


def _quirks(config: dict, recipe: dict, entries: list[quirks.Quirk]) -> Iterator[Difference]:
    published = quirks.in_force(entries, argparse.Namespace(**recipe))
    active = set(config.get("quirks_in_force", [quirk.name for quirk in published]))
    words = {True: "in force", False: "not in force"}
    for quirk in entries:
        here = quirk.name in active
        if (quirk in published) != here:
            yield Difference("quirks", quirk.name, words[not here], words[here], _effect(quirk))


def protocol_gap(paper: str) -> str:
    """How far ``best_on_test`` is above ``last`` in the committed runs of a paper."""
    gaps = [
        100 * (values["best_on_test"] - values["last"])
        for results in of_paper(paper).values()
        for by_seed in results.arms.values()
        for values in by_seed.values()
        if results.percent and {"best_on_test", "last"} <= values.keys()
    ]
    if not gaps:
        return f"best_on_test over last: {UNMEASURED}"
    return (
        f"best_on_test over last: {statistics.mean(gaps):+.1f} points on average, "
        f"{min(gaps):+.1f} to {max(gaps):+.1f} in {len(gaps)} committed runs"
    )


def text(run: Path, row: LedgerRow, found: list[Difference]) -> str:
    """The differences as a person reads them."""
    lines = [f"{run} against {row.id}", f"  {row.command}"]
    topic = None
    for difference in found:
        if difference.topic != topic:
            topic = difference.topic
            lines.append(f"{topic}:")
        recipe = f"{difference.recipe} -> " if difference.recipe else ""
        lines.append(f"  {difference.name}: {recipe}{difference.here}")
        lines.append(f"      matters: {difference.matters}")
    lines.append(f"protocol: the row reports {row.judged_on or 'an epoch it does not name'}")
    lines.append(f"      {protocol_gap(row.paper)}")
    return "\n".join(lines)


@command
def main(argv: list[str]) -> int:
    """Explain a run; returns the exit code."""
    parser = build_parser("explain", __doc__)
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="run folder")
    add("--row", metavar="ID", help="row to compare with; default: the nearest")
    add("--json", type=Path, metavar="FILE", help="also write the differences there")
    args = parser.parse_args(argv)
    rows = ledger.load()
    row = ledger.find(args.row, rows) if args.row else row_for(read_run(args.run)[0], rows)
    found = explain(args.run, row)
    print(text(args.run, row, found))
    if args.json:
        differences = [asdict(difference) for difference in found]
        write_json(args.json, {"row": row.id, "differences": differences})
    return 0
