"""``python -m benchmarks lines``: code without blanks, comments and docstrings."""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

from benchmarks.ground.commands import build_parser, command
from benchmarks.ground.results_file import ROOT
from common.files import sync_block

PACKAGES = ("common", "s2ver", "adacm", "dimva", "ssfer", "webemotion", "benchmarks", "tests")
AUTHORS = {"s2ver": 1925, "adacm": 732, "dimva": 702, "ssfer": 1062, "webemotion": 13979}
BEGIN, END = "<!-- lines:begin -->", "<!-- lines:end -->"
LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def count(source: str) -> int:
    """Lines of Python code that hold something else than a comment or a docstring."""
    docstrings: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node, clean=False) is not None:
            text = node.body[0]
            docstrings |= set(range(text.lineno, text.end_lineno + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in LAYOUT:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - docstrings)


def table(root: Path = ROOT) -> str:
    """A Markdown table: files and lines of every package, beside the authors' own."""
    rows = ["| package | files | lines | the authors' own |", "|---|---:|---:|---:|"]
    for package in PACKAGES:
        lines = [count(p.read_text(encoding="utf-8")) for p in (root / package).rglob("*.py")]
        rows.append(f"| {package} | {len(lines)} | {sum(lines)} | {AUTHORS.get(package, '')} |")
    return "\n".join(rows)


@command
def main(argv: list[str]) -> int:
    """Print the table, or put it into a page."""
    parser = build_parser("lines", __doc__)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put it between its marks there")
    args = parser.parse_args(argv)
    if args.write:
        sync_block(args.write, BEGIN, END, table(), write=True)
    print(table())
    return 0


if __name__ == "__main__":
    raise SystemExit(main([]))
