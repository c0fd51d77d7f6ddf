"""What was measured here as rows of the ledger: the papers' statements and all results files."""

from __future__ import annotations

from benchmarks.claims import findings
from benchmarks.claims.findings import Finding
from benchmarks.ground import results_file
from benchmarks.ground.results_file import LABORATORY, Results
from benchmarks.ground.statistics import Verdict
from benchmarks.ledger.rows import LedgerRow

STATUS = {
    Verdict.HOLDS: "claim holds on stand-in",
    Verdict.FAILS: "claim fails on stand-in",
    Verdict.UNDECIDED: "claim undecided on stand-in",
    Verdict.ONE_SEED: "claim undecided on stand-in",
    Verdict.NOT_RUN: "untested",
}
COST = {"images", "wall_s", "seconds", "peak_memory_bytes", "train_images_per_second"}
"""Values of an arm that say what a training cost; they are no rows."""


def rows() -> list[LedgerRow]:
    """A row per claim and a row per figure of every file in ``benchmarks/results``."""
    found = [claim_row(findings.read(claim)) for claim in findings.CLAIMS]
    for path, results in results_file.read_all().items():
        found += [
            _figure_row(path.stem, results, keys, value)
            for keys, value in results.figures()
            if not COST & set(keys)
        ]
    return found


def claim_row(finding: Finding) -> LedgerRow:
    """A claim with the status that its evidence gives."""
    status = STATUS[finding.verdict]
    note = f"{len(finding.seeds)} seeds, size {finding.size}" if finding.seeds else "not run yet"
    if finding.stale:
        status, note = "stale", f"changed since: {', '.join(finding.stale)}; was {finding.verdict}"
    return LedgerRow(
        id=f"{finding.paper}/claim/{finding.claim}",
        paper=finding.paper,
        kind="claim",
        reported_in="statement of the paper, as a comparison",
        table="claims",
        method=finding.statement,
        dataset=finding.data or "drawn stand-in",
        protocol=f"paired differences over seeds, {finding.metric}",
        metric=f"difference of {finding.metric}",
        status=status,
        value=finding.mean,
        seeds=len(finding.seeds) or None,
        command=finding.command,
        note=note,
        interval=finding.interval_95,
        **_origin(finding.evidence, finding.date, finding.commit),
    )


def _origin(evidence: str, date: str, commit: str) -> dict[str, str | None]:
    """Fields of a row that rest on a results file; empty where there is none yet."""
    return {
        "source": evidence or "none yet",
        "read_how": "from the results file" if evidence else "not run yet",
        "confidence": "measured" if evidence else "unknown",
        "evidence": evidence or None,
        "date": date or None,
        "commit": commit or None,
    }


def _figure_row(stem: str, results: Results, keys: tuple[str, ...], value: float) -> LedgerRow:
    paper, file = results.paper, f"benchmarks/results/{stem}.json"
    changed = () if paper == LABORATORY else results_file.changed_since(results.commit, paper)
    return LedgerRow(
        id=f"{paper}/measured/{stem}/{'/'.join(keys)}",
        paper=paper,
        kind="measured",
        reported_in=file,
        table=stem,
        method="/".join(keys[:-1]),
        dataset=results.dataset["note"],
        protocol=results.metric,
        metric=keys[-1],
        status="stale" if changed else "measured here",
        value=value,
        command=results.command,
        note=f"changed since: {', '.join(changed)}" if changed else "",
        **_origin(file, results.date, results.commit),
    )
