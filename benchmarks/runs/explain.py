"""``python -m benchmarks explain RUN``: how a run differs from a row's recipe, and what it matters.

Every argument, the data, the machine, the libraries and the quirks in force are compared. Beside a
difference stands what it is known to matter: measured in the results files of this repository, or
reported by others in the ledger; else ``not measured here``.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import evidence, ledger, planning
from common import quirks
from common.cli import UserError, entry_point
from common.engine.run_folder import CONFIG, ENVIRONMENT, SUMMARY
from common.files import write_json

UNMEASURED = "not measured here"
# Arguments that say where, not what.
PLACES = {
    *("save_dir", "save_name", "out", "load_path", "resume", "overwrite", "c", "data_dir"),
    *("train_data_dir", "test_data_dir", "data_root", "va_root", "lexicon", "train_root"),
    *("test_root", "label_train", "label_test", "traindir", "testdir", "boxes", "output_dir"),
    *("num_workers", "stop_after_epoch", "device", "gpu", "gpu_num", "split", "cache"),
    *("detector_weights", "eval_batch_size"),
}
TOPICS = {
    "batch size": ("batch_size", "uratio", "mu"),
    "labels and split": (
        *("num_labels", "n_labeled", "anno_percent", "data_seed", "val_fraction", "label_budget"),
        *("protocol", "k", "random_state"),
    ),
    "length": (
        *("epoch", "epochs", "num_epochs", "num_train_iter", "train_iteration", "semi_epochs"),
        *("early_stop", "start_epoch"),
    ),
    "starting weights": ("pretrained", "checkpoint"),
    "network": ("backbone", "model", "low_dim", "arch"),
    "image size": ("image_size", "input_size"),
    "precision": ("precision", "amp", "channels_last", "fast", "compile"),
    "seed": ("seed", "manualSeed"),
}


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
    found = []
    for name in (CONFIG, ENVIRONMENT, SUMMARY):
        try:
            found.append(json.loads((folder / name).read_text(encoding="utf-8")))
        except FileNotFoundError:
            if name == CONFIG:
                raise UserError(f"{folder} is no run folder: it has no {CONFIG}.") from None
            found.append({})
        except (OSError, ValueError) as error:
            raise UserError(f"{folder / name} cannot be read ({error}).") from None
    return tuple(found)


def row_for(config: dict, rows: list[ledger.LedgerRow]) -> ledger.LedgerRow:
    """The row whose recipe is nearest to a run: same program, then dataset, labels, fewest changes.

    Raises:
        UserError: no row is trained by the run's method.
    """
    method, arguments = config.get("method"), config.get("arguments") or {}
    fitting = []
    for row in rows:
        if row.command and method_of(row.command) == method:
            recipe = recipe_of(row)
            ours = {k: v for k, v in recipe.items() if k not in PLACES}
            same = [str(arguments.get(k)) == str(v) for k, v in ours.items()]
            data = _data_name(recipe) == _data_name(arguments)
            own = row.id.startswith(f"{row.paper}/")
            fitting.append(((data, sum(same), own), row))
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
    script, words = planning.split(command.split("&&")[-1].strip())
    if script == "benchmarks.baselines":
        return words[0]
    return script.partition("/")[0] if planning.program_of(script) else None


def recipe_of(row: ledger.LedgerRow) -> dict:
    """Effective arguments of a row's (last) command."""
    return vars(planning.parse(row.command.split("&&")[-1].strip()))


def explain(run: Path, row: ledger.LedgerRow) -> list[Difference]:
    """Every difference between a run and a row's recipe.

    Raises:
        UserError: the folder is no run, or the row has no command.
    """
    config, environment, _ = read_run(run)
    if row.command is None:
        raise UserError(f"row {row.id} has no recipe here: {row.no_command}.")
    known = known_effects(row.paper)
    found = _arguments(config.get("arguments") or {}, recipe_of(row), known)
    found += _data(config.get("data") or {}, row)
    found += _machine(environment, row, known)
    found += _quirks(config, row)
    return found


def _arguments(here: dict, recipe: dict, known: dict[str, str]) -> list[Difference]:
    topics = {name: topic for topic, names in TOPICS.items() for name in names}
    found = []
    for name in sorted(recipe.keys() & here.keys() - PLACES):
        wanted = str(recipe[name]) if isinstance(recipe[name], Path) else recipe[name]
        if str(wanted) != str(here[name]):
            topic = topics.get(name, "other arguments")
            found.append(
                Difference(topic, name, str(wanted), str(here[name]), known.get(name, UNMEASURED))
            )
    order = [*TOPICS, "other arguments"]
    return sorted(found, key=lambda d: order.index(d.topic))


def _data(data: dict, row: ledger.LedgerRow) -> list[Difference]:
    found = []
    if data.get("drawn"):
        found.append(
            Difference(
                *("data", "images", row.dataset, "a drawn stand-in"),
                "all: no number says anything about the real dataset",
            )
        )
    for split, expected in (("train", row.train_images), ("test", row.test_images)):
        number = sum((data.get(split) or {}).values()) if data.get(split) else None
        if number is not None and number != expected:
            told = "not said" if expected is None else str(expected)
            found.append(Difference("data", f"{split} images", told, str(number)))
    found += [Difference("data", "note", "", note) for note in data.get("notes") or []]
    return found


def _machine(environment: dict, row: ledger.LedgerRow, known: dict[str, str]) -> list[Difference]:
    if not environment:
        return [Difference("machine", "environment.json", "", "is missing, so nothing is known")]
    device = environment.get("device_type")
    number = environment.get("processes") or (0 if device == "cpu" else 1)
    found = [
        Difference(
            *("GPUs", "GPUs", "not said by the publication"),
            f"{number} ({environment.get('device')})",
            known.get("device", UNMEASURED),
        )
    ]
    ours = environment.get("versions") or {}
    for name, file, theirs in _committed_versions(row.paper):
        if ours.get(name) != theirs:
            found.append(Difference("libraries", name, f"{theirs} ({file})", str(ours.get(name))))
    if not found[1:]:
        found.append(
            Difference("libraries", "versions", "not said by the publication", _versions(ours))
        )
    return found


def _versions(versions: dict) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items() if version)


def _committed_versions(paper: str):
    """(library, results file, version) of the newest committed results of a paper."""
    for path in sorted(evidence.RESULTS.glob(f"{paper}_*.json"), reverse=True):
        result = evidence.read(path.name) or {}
        versions = (result.get("environment") or {}).get("versions") or {}
        if versions:
            yield from ((name, path.name, version) for name, version in versions.items())
            return


def _quirks(config: dict, row: ledger.LedgerRow) -> list[Difference]:
    register = Path(__file__).resolve().parents[1] / row.paper / "quirks.yaml"
    if "quirks_in_force" not in config or not register.is_file():
        return []
    entries = quirks.load(register)
    published = quirks.in_force(entries, argparse.Namespace(**recipe_of(row)))
    active = set(config["quirks_in_force"])
    found = []
    for quirk in entries:
        as_published = quirk in published
        if as_published != (quirk.name in active):
            words = {True: "in force", False: "not in force"}
            found.append(
                Difference(
                    *("quirks", quirk.name, words[as_published], words[not as_published]),
                    quirk.effect if quirk.effect != "not measured" else UNMEASURED,
                )
            )
    return found


def known_effects(paper: str) -> dict[str, str]:
    """Argument -> what it is known to matter, from committed results and reported rows."""
    effects = {}
    people, scratch = (
        evidence.read(f"adacm_{name}semi_supervision.json") for name in ("", "from_scratch_")
    )
    if paper == "adacm" and people and scratch:
        values = [_mean_last(result, "adacm") for result in (people, scratch)]
        effects["pretrained"] = (
            f"{100 * (values[0] - values[1]):+.1f} points with starting weights over without, on a "
            "drawn stand-in (adacm_semi_supervision.json, adacm_from_scratch_semi_supervision.json)"
        )
    if paper == "adacm":
        rows = {row.id: row for row in ledger.load(measured=False)}
        other, usual = (
            rows[f"adacm/{name}"] for name in ("issue16/rafdb-4000-batch256", "main/rafdb-4000")
        )
        effects["batch_size"] = (
            f"{other.value - usual.value:+.1f} points with 256 in place of 16, reported by a user "
            f"({other.source}), not measured here"
        )
    return effects


def _mean_last(result: dict, method: str) -> float:
    return statistics.mean(row["last"] for row in result["runs"][method].values())


def protocol_gap(paper: str) -> str:
    """How far ``best_on_test`` is above ``last`` in the committed runs of a paper."""
    gaps = []
    for path in sorted(evidence.RESULTS.glob(f"{paper}_*semi_supervision.json")):
        for by_seed in (evidence.read(path.name) or {}).get("runs", {}).values():
            gaps += [100 * (row["best_on_test"] - row["last"]) for row in by_seed.values()]
    if not gaps:
        return f"best_on_test over last: {UNMEASURED}"
    return (
        f"best_on_test over last: {statistics.mean(gaps):+.1f} points on average, "
        f"{min(gaps):+.1f} to {max(gaps):+.1f} in {len(gaps)} committed runs on stand-ins"
    )


def text(run: Path, row: ledger.LedgerRow, found: list[Difference]) -> str:
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


def _run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks explain",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("run", type=Path, metavar="RUN", help="run folder")
    add("--row", metavar="ID", help="row to compare with; default: the nearest")
    add("--json", type=Path, metavar="FILE", help="also write the differences there")
    args = parser.parse_args(argv)
    rows = ledger.load(measured=False)
    row = ledger.find(args.row, rows) if args.row else row_for(read_run(args.run)[0], rows)
    found = explain(args.run, row)
    print(text(args.run, row, found))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        differences = [asdict(difference) for difference in found]
        write_json(args.json, {"row": row.id, "differences": differences})
    return 0


def main(argv: list[str] | None = None) -> int:
    """Explain a run; returns the exit code."""
    return entry_point(_run, argv)
