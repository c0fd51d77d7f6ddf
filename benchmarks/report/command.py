"""``python -m benchmarks report --runs DIR … --out DIR``."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.report import collect, render_html, render_markdown
from benchmarks.report.content import Report, build
from benchmarks.report.render_markdown import FIGURES
from common.cli import UserError

TITLE = "Report on training runs"
HTML, MARKDOWN = "report.html", "report.md"


def write(report: Report, out: Path, title: str = TITLE) -> Path:
    """Write both pages and the files beside them; equal reports give equal bytes.

    Returns:
        The HTML page.

    Raises:
        UserError: the folder cannot be written to.
    """
    files = {
        HTML: render_html.render(report, title),
        MARKDOWN: render_markdown.render(report, title),
    }
    for curve in report.curves:
        files[f"{FIGURES}/{curve.name}.svg"] = curve.paper
        files[f"{FIGURES}/{curve.name}.csv"] = curve.data
    for matrix in report.matrices:
        files[f"{FIGURES}/{matrix.name}.csv"] = matrix.data
    try:
        for name, content in files.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(
            f"the report cannot be written to {out} ({error.strerror}); give another --out."
        ) from None
    return out / HTML


def main(argv: list[str]) -> int:
    """Run the command; returns 0 whatever the runs show.

    Raises:
        UserError: no run was found, a given file is not readable, or nothing can be written.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks report",
        description="Write a report about runs, finished or not, as HTML and Markdown.",
    )
    add = parser.add_argument
    add(
        "--runs",
        type=Path,
        nargs="+",
        required=True,
        metavar="DIR",
        help="run folders, or folders of run folders",
    )
    add("--parity", type=Path, metavar="FILE", help="what the parity command wrote with --json")
    add("--claims", type=Path, nargs="+", default=[], metavar="FILE", help="results of claims")
    add("--title", default=TITLE, help="headline of the page")
    add("--out", type=Path, required=True, metavar="DIR", help=f"gets {HTML} and {MARKDOWN}")
    args = parser.parse_args(argv)
    runs = collect.find_runs(args.runs)
    parity = collect.read_parity(args.parity) if args.parity else None
    report = build(runs, parity, collect.read_claims(args.claims))
    path = write(report, args.out, args.title)
    for run in report.troubled:
        print(f"{run.name}: {'; '.join([run.status, *run.problems])}")
    print(f"{len(runs)} runs: {path} and {path.with_name(MARKDOWN)}")
    return 0
