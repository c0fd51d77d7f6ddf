"""``python -m benchmarks readmes check|write``: results tables of the READMEs, from their files.

A table stands between ``<!-- results:NAME:begin -->`` and ``<!-- results:NAME:end -->`` and shows
``benchmarks/results/NAME.json`` as the command that wrote the file printed it.
"""

from __future__ import annotations

import sys

from benchmarks.claims import base
from benchmarks.ground import results_file
from benchmarks.ground.commands import build_parser, command
from benchmarks.ground.results_file import RESULTS, ROOT
from common.files import sync_block

TABLES = sorted(path.stem for path, r in results_file.read_all().items() if r.kind == "claim")
"""Results files whose table stands in the README of their paper."""


def sync(name: str, write: bool) -> bool:
    """Compare one table with its results file; see :func:`common.files.sync_block`."""
    result = results_file.read(RESULTS / f"{name}.json")
    where = f"{result.environment['device']}, commit {result.commit[:7]}"
    content = f"```text\n{base.table(result)}\n({where})\n```"
    marks = (f"<!-- results:{name}:{edge} -->" for edge in ("begin", "end"))
    return sync_block(ROOT / result.paper / "README.md", *marks, content, write)


@command
def main(argv: list[str]) -> int:
    """Check or rewrite the tables; 1 when one is stale."""
    parser = build_parser("readmes", __doc__)
    parser.add_argument("action", choices=("check", "write"))
    action = parser.parse_args(argv).action
    stale = [name for name in TABLES if not sync(name, action == "write")]
    for name in stale:
        print(f"{name} {'rewritten' if action == 'write' else 'is stale'}")
    if stale and action == "check":
        print("error: run 'python -m benchmarks readmes write'.", file=sys.stderr)
    return 1 if stale and action == "check" else 0
