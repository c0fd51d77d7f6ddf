"""``python -m benchmarks readmes check|write``: results tables of the READMEs, from their files.

A table stands between ``<!-- results:NAME:begin -->`` and ``<!-- results:NAME:end -->`` and shows
``benchmarks/results/NAME.json`` as the command that wrote the file printed it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import masked_faces, semi_supervision, two_stage, web_transfer
from common.cli import entry_point
from common.readme import sync_block

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
TABLES: dict[str, tuple[str, Callable[[dict], str]]] = {
    "s2ver_semi_supervision": ("s2ver/README.md", semi_supervision.table),
    "adacm_semi_supervision": ("adacm/README.md", semi_supervision.table),
    "adacm_from_scratch_semi_supervision": ("adacm/README.md", semi_supervision.table),
    "dimva_two_stage": ("dimva/README.md", two_stage.table),
    "ssfer_masked_faces_quick": ("ssfer/README.md", masked_faces.table),
    "ssfer_masked_faces_long": ("ssfer/README.md", masked_faces.table),
    "webemotion_transfer": ("webemotion/README.md", web_transfer.table),
}
"""Results file -> (README it stands in, its text)."""


def sync(name: str, write: bool) -> bool:
    """Compare one table with its results file; see :func:`common.readme.sync_block`."""
    page, text_of = TABLES[name]
    result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    environment = result["environment"]
    where = f"{environment['device']}, commit {(environment['commit'] or 'unknown')[:7]}"
    content = f"```text\n{text_of(result)}\n({where})\n```"
    marks = (f"<!-- results:{name}:{edge} -->" for edge in ("begin", "end"))
    return sync_block(ROOT / page, *marks, content, write)


def _run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks readmes", description=__doc__)
    parser.add_argument("action", choices=("check", "write"))
    action = parser.parse_args(argv).action
    stale = [name for name in TABLES if not sync(name, action == "write")]
    for name in stale:
        print(f"{TABLES[name][0]}: {name} {'rewritten' if action == 'write' else 'is stale'}")
    if stale and action == "check":
        print("error: run 'python -m benchmarks readmes write'.", file=sys.stderr)
    return 1 if stale and action == "check" else 0


def main(argv: list[str] | None = None) -> int:
    """Check or rewrite the tables; 1 when one is stale."""
    return entry_point(_run, argv)
