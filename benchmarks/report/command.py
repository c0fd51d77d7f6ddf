"""``python -m benchmarks report --out DIR``: the evidence of the repository, and runs beside it."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.claims import findings
from benchmarks.ground import commands, results_file
from benchmarks.ground.results_file import RESULTS
from benchmarks.ledger import list as ledger
from benchmarks.report import browser, collect, history, machine, pages
from benchmarks.report.content import Report, build
from benchmarks.report.pages import FIGURES
from common.cli import UserError
from common.files import replacing

ABOUT = """Write the committed evidence and, with --runs, trainings, finished or not, as HTML,
Markdown, JUnit XML and JSON."""
TITLE = "Reproduction report: five papers on visual emotion recognition"
HTML, MARKDOWN, JUNIT, JSON = "report.html", "report.md", "report.xml", "report.json"


def write(report: Report, out: Path, title: str = TITLE) -> Path:
    """Write the pages and the files beside them; equal reports give equal bytes.

    Returns:
        The HTML page.

    Raises:
        UserError: the folder cannot be written to.
    """
    files = {
        HTML: pages.html(report, title),
        MARKDOWN: pages.markdown(report, title),
        JUNIT: machine.junit(report),
        JSON: machine.as_json(report, title),
    }
    files |= {f"{FIGURES}/{drawing.name}.svg": drawing.paper for drawing in report.drawings}
    files |= {f"{FIGURES}/{name}": data for name, data in report.data_files.items()}
    try:
        for name, content in files.items():
            with replacing(out / name) as part:
                part.write_text(content, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UserError(
            f"the report cannot be written to {out} ({error.strerror}); give another --out."
        ) from None
    return out / HTML


def gather(args: argparse.Namespace) -> Report:
    """Read what the flags name.

    Raises:
        UserError: a file is missing or damaged.
    """
    runs = collect.find_runs(args.runs) if args.runs else []
    parity = collect.read_parity(args.parity) if args.parity else None
    sources = {path.name: found for path, found in results_file.read_all(args.results).items()}
    claims, given = collect.read_claims(args.claims)
    claims = [findings.read(claim, args.results) for claim in findings.CLAIMS] + claims
    rows = [] if args.no_ledger else [row.as_dict() for row in ledger.all_rows()]
    return build(runs, parity, claims, rows, history.read(), sources | given)


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = commands.build_parser("report", ABOUT)
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help=f"gets {HTML}, {MARKDOWN}, …")
    add("--runs", type=Path, nargs="+", default=[], metavar="DIR", help="runs, or folders of runs")
    add("--parity", type=Path, metavar="FILE", help="what the parity command wrote with --json")
    add("--claims", type=Path, nargs="+", default=[], metavar="FILE", help="further claims")
    add("--results", type=Path, default=RESULTS, metavar="DIR", help="committed claims and speeds")
    add("--no_ledger", action="store_true", help="leave the ledger out")
    add("--title", default=TITLE, help="headline of the page")
    add("--screenshot", type=Path, metavar="PNG", help="also show the page in a headless Chromium")
    written = f"also add what was measured since to {history.FILE.name}"
    add("--write_history", action="store_true", help=written)
    return parser


def main(argv: list[str]) -> int:
    """Run the command; returns 0 whatever the evidence shows.

    Raises:
        UserError: a given file or folder is not readable, nothing can be written, or a screenshot
            was asked for on a machine without a browser.
    """
    args = build_parser().parse_args(argv)
    report = gather(args)
    path = write(report, args.out, args.title)
    for run in report.troubled:
        print(f"{run.name}: {'; '.join([run.status, *run.problems])}")
    for _, words in report.failures:
        print(words)
    if args.write_history:
        history.save(history.read() | report.history)
        print(f"history of {len(report.history)} rows: {history.FILE}")
    if args.screenshot:
        browser.screenshot(path, args.screenshot)
        print(f"screenshot: {args.screenshot}")
    counts = f"{len(report.runs)} runs, {len(report.claims)} claims, {len(report.rows)} ledger rows"
    print(f"{counts}: {path}, with {MARKDOWN}, {JUNIT} and {JSON} beside it")
    return 0
