"""Claims as tables and as a figure: what differs by how much, with its interval."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from benchmarks.report.canvas import INK, SERIES, Drawing, csv_text, finish, plain, prepare, styled
from benchmarks.report.collect import mapping
from benchmarks.report.tables import NONE, Cell, Table, number, records_cell, text
from common.engine.run_folder import DRAWN

WRAPPERS = ("differences", "sets", "comparisons", "effects")
"""Keys that say nothing about what is compared."""
HIDDEN = ("claim", "statement", "verdict")
BAD, OPEN = ("fail", "broken", "contradict"), ("undecided", "stale", "missing", "not ")
FOREST = "claims"


def sentence(claim: dict) -> str:
    """What is claimed: the statement, or where there is none the claim's name."""
    return str(claim.get("statement") or claim.get("claim"))


@dataclass(frozen=True)
class Effect:
    """A difference between two trainings of a claim.

    Attributes:
        claim: the claim's sentence.
        against: what is compared, the keys that lead to it in the results file.
        mean: over the seeds, in the metric's own unit; positive is in the claim's favour.
        low, high: 95 % interval.
        seeds: how many trainings a side; None where the file does not say.
        verdict: of this comparison alone.
    """

    claim: str
    against: str
    mean: float
    low: float
    high: float
    seeds: int | None
    verdict: str


def effects(claim: dict) -> list[Effect]:
    """Every comparison of a claim's file on the metric that the claim is judged by.

    A comparison is an object with ``mean`` and ``interval_95``, at any depth. Where the file has
    ``judged_on``, those that lead through another metric are left out.
    """
    found = list(_walk(claim, ()))
    judged = _metric(claim)
    on_it = [(path, value) for path, value in found if judged and _is_on(path, judged)]
    return [_effect(claim, path, value) for path, value in on_it or found]


def _metric(claim: dict) -> str:
    """The metric that a claim is judged by; empty where it does not say."""
    return str(claim.get("judged_on") or claim.get("metric") or "")


def _walk(value: Any, path: tuple[str, ...]):
    if isinstance(value, list):
        for position, below in enumerate(value):
            yield from _walk(below, (*path, str(position + 1)))
    if not isinstance(value, dict):
        return
    if _is_number(value.get("mean")) and _is_interval(value.get("interval_95")):
        yield path, value
        return
    for key, below in value.items():
        yield from _walk(below, (*path, str(key)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_interval(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value))


def _is_on(path: tuple[str, ...], judged: str) -> bool:
    return any(key == judged or key.endswith(f"_{judged}") for key in path)


def _effect(claim: dict, path: tuple[str, ...], value: dict) -> Effect:
    words = [key for key in path if key not in WRAPPERS and key != _metric(claim)]
    words = [key.removeprefix("difference_") for key in words]
    listed = value.get("differences")
    return Effect(
        claim=sentence(claim),
        against=" · ".join(words),
        mean=float(value["mean"]),
        low=float(value["interval_95"][0]),
        high=float(value["interval_95"][1]),
        seeds=len(listed) if isinstance(listed, list | tuple) else None,
        verdict=str(value.get("verdict", "")),
    )


def verdict_class(verdict: Any) -> str:
    """``bad``, ``open`` or ``good``: how a verdict in words is to be shown."""
    words = str(verdict or "").lower()
    if words.startswith(BAD):
        return "bad"
    return "open" if not words or words.startswith(OPEN) else "good"


def paper_of(claim: dict, papers) -> str:
    """The package that a claim belongs to: its key ``paper``, or the start of its file's name."""
    if claim.get("paper"):
        return str(claim["paper"])
    start = str(claim.get("file") or claim.get("name") or "").partition("_")[0]
    return start if start in papers else ""


def claims_table(claims: list[dict]) -> Table:
    """A row a comparison: the claim, its verdict and the effect with its interval."""
    columns = ["claim", "verdict", "compared", "this comparison", "effect", "95% low", "95% high"]
    columns += ["seeds", "judged on", "data"]
    rows = []
    for claim in claims:
        verdict = records_cell(claim.get("verdict"))
        verdict = replace(verdict, marked=verdict_class(claim.get("verdict")) == "bad")
        head = [text(sentence(claim)), verdict]
        tail = [text(_metric(claim)), text(_data(claim))]
        found = effects(claim)
        rows += [[*head, *_numbers(effect), *tail] for effect in found]
        if not found:
            rows.append([*head, *[Cell(NONE)] * 6, *tail])
    numeric = frozenset({"effect", "95% low", "95% high", "seeds"})
    return Table("Claims", columns, rows, numeric).filled()


def _numbers(effect: Effect) -> list[Cell]:
    values = [Cell(f"{v:+.4f}", v) for v in (effect.mean, effect.low, effect.high)]
    return [text(effect.against), text(effect.verdict), *values, number(effect.seeds)]


def _data(claim: dict) -> str:
    """What a claim was measured on; for one without a result, the command that makes it."""
    data = claim.get("data")
    drawn = DRAWN in map(str, claim.values()) or mapping(claim.get("twin")).get("drawn")
    if drawn:
        return f"drawn stand-in for {mapping(claim.get('twin')).get('of', 'the dataset')}"
    if isinstance(data, str) and data:
        return data
    return str(claim.get("command") or "") if verdict_class(claim.get("verdict")) == "open" else ""


def forest(claims: list[dict]) -> Drawing | None:
    """Every effect as a point with its interval, zero marked; None without any."""
    found = [effect for claim in claims for effect in effects(claim)]
    if not found:
        return None
    title = "Effects with 95% intervals (metric's own unit; right of 0 favours the claim)"
    with styled(FOREST, 4.6, 0.6 + 0.46 * len(found)) as figure:
        axes = prepare(figure.add_subplot())
        for place, effect in enumerate(found):
            colour = SERIES[{"bad": 4, "open": 5}.get(verdict_class(effect.verdict), 0)]
            axes.plot((effect.low, effect.high), (place, place), color=colour, linewidth=2)
            axes.plot(effect.mean, place, marker="o", markersize=6, color=colour)
            name = f"{effect.claim}: {effect.against}" if effect.against else effect.claim
            where = axes.get_yaxis_transform()
            axes.text(0, place - 0.28, plain(_short(name)), fontsize=8, transform=where)
        axes.axvline(0, color=INK, linewidth=0.9, linestyle="--")
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_ylim(len(found) - 0.6, -0.8)
        columns = ["claim", "compared", "mean", "low_95", "high_95", "seeds", "verdict"]
        rows = [list(vars(effect).values()) for effect in found]
        return finish(figure, FOREST, title, csv_text(columns, rows))


def _short(words: str, width: int = 68) -> str:
    return words if len(words) <= width else f"{words[: width - 1]}…"


def claim_details(claim: dict) -> tuple[list[tuple[str, str]], list[Table]]:
    """Everything else a claim's file says: single values, and nested records as tables."""
    values, tables = [], []
    for key, value in claim.items():
        records = _records(value)
        if key in HIDDEN:
            continue
        if records is None:
            values.append((str(key), records_cell(value).text))
            continue
        columns = list(dict.fromkeys(name for row in records for name in row))
        rows = [[records_cell(row.get(name)) for name in columns] for row in records]
        numbers = {n for n in columns if isinstance(records[0].get(n), int | float)}
        tables.append(Table(str(key), [str(n) for n in columns], rows, frozenset(numbers)))
    return values, tables


def _records(value: Any, depth: int = 1) -> list[dict] | None:
    """Rows from a list of objects, or from objects within objects; None for anything else."""
    if isinstance(value, list):
        return value if value and all(isinstance(row, dict) for row in value) else None
    if not isinstance(value, dict) or not value:
        return None
    if not all(isinstance(below, dict) for below in value.values()):
        return None
    rows = []
    for key, below in value.items():
        own = {"key" if depth == 1 else f"key {depth}": str(key)}
        rows += [own | row for row in _records(below, depth + 1) or [below]]
    return rows
