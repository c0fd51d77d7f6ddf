"""The figures of the results files as rows of the ledger, so that a README's numbers are rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import evidence
from benchmarks.ledger import PAPERS, LedgerRow

# Where figures stand in a results file, and what beside them is none.
PARTS = ("runs", "claims", "differences", "sets", "summary", "variants", "figures", "checks")
SKIPPED = {
    *("environment", "data", "size", "flags", "train", "confusion", "at_headline"),
    *("epoch", "epochs", "step", "steps", "images", "wall_s", "seconds", "peak_memory_bytes"),
    *("train_images_per_second", "headline"),
}
LABORATORY = "laboratory"  # of measurements that belong to no paper


def ledger_rows() -> list[LedgerRow]:
    """A row per figure of every file in ``benchmarks/results``."""
    rows = []
    for path in sorted(evidence.RESULTS.glob("*.json")):
        result = evidence.read(path.name)
        rows += [_row(path.name, result, keys, value) for keys, value in figures(result)]
    return rows


def figures(result: dict) -> Iterator[tuple[tuple[str, ...], float]]:
    """(keys, value) of every figure of a results file."""
    for part in PARTS:
        if part in result:
            yield from _leaves(result[part], (part,))
    counts = result["data"].get("test") if isinstance(result.get("data"), dict) else None
    if counts:
        yield (
            ("data", "share of the largest test class"),
            max(counts.values()) / sum(counts.values()),
        )


def _leaves(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], float]]:
    if isinstance(value, dict):
        for key, below in value.items():
            if key not in SKIPPED:
                yield from _leaves(below, (*keys, str(key)))
    elif isinstance(value, list):
        for number, below in enumerate(value):
            yield from _leaves(below, (*keys, str(number)))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield keys, value


def _row(name: str, result: dict, keys: tuple[str, ...], value: float) -> LedgerRow:
    stem = name.removesuffix(".json")
    paper = stem.partition("_")[0]
    if not (PAPERS / f"{paper}.yaml").exists():
        paper = LABORATORY
    commit = evidence.commit_of(result)
    changed = evidence.changed_since(commit, paper) if paper != LABORATORY else ()
    data = result.get("data", "")
    return LedgerRow(
        id=f"{paper}/measured/{stem}/{'/'.join(keys)}",
        paper=paper,
        kind="measured",
        reported_in=f"benchmarks/results/{name}",
        table=stem,
        method="/".join(keys[1:-1]) or keys[0],
        dataset=data if isinstance(data, str) and data else "see the results file",
        protocol=result.get("judged_on", ""),
        metric=keys[-1],
        source=f"benchmarks/results/{name}",
        read_how="from the results file",
        confidence="measured",
        status="stale" if changed else "measured here",
        value=value,
        command=_command(result),
        no_command="" if _command(result) else "the file names no command",
        evidence=f"benchmarks/results/{name}",
        date=evidence.date_of(name),
        commit=commit,
        note=f"changed since: {', '.join(changed)}" if changed else "",
    )


def _command(result: dict) -> str | None:
    return result.get("command") or " && ".join(result.get("commands", [])) or None
