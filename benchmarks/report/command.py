"""``python -m benchmarks report --out DIR``: the evidence of the repository, and runs beside it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from benchmarks.report import browser, collect, history, render_data, render_html, render_markdown
from benchmarks.report.content import Report, build
from benchmarks.report.render_markdown import FIGURES
from common.cli import UserError

TITLE = "Reproduction report: five papers on visual emotion recognition"
HTML, MARKDOWN, JUNIT, JSON = "report.html", "report.md", "report.xml", "report.json"
RESULTS = history.ROOT / "benchmarks" / "results"
TEMPORARY = ".part"


def write(report: Report, out: Path, title: str = TITLE) -> Path:
    """Write the pages and the files beside them; equal reports give equal bytes.

    Returns:
        The HTML page.

    Raises:
        UserError: the folder cannot be written to.
    """
    files = {
        HTML: render_html.render(report, title),
        MARKDOWN: render_markdown.render(report, title),
        JUNIT: render_data.render_junit(report),
        JSON: render_data.render_json(report, title),
    }
    files |= {f"{FIGURES}/{drawing.name}.svg": drawing.paper for drawing in report.drawings}
    files |= {f"{FIGURES}/{name}": data for name, data in report.data_files.items()}
    try:
        for name, content in files.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(path.name + TEMPORARY)
            part.write_text(content, encoding="utf-8", newline="\n")
            part.replace(path)
    except OSError as error:
        raise UserError(
            f"the report cannot be written to {out} ({error.strerror}); give another --out."
        ) from None
    return out / HTML


def write_report(
    out: Path,
    parity: dict | None = None,
    claims: Iterable[dict] = (),
    runs: Iterable[Path] = (),
    rows: Iterable[dict] = (),
    title: str = TITLE,
) -> Path:
    """Write a report from what is in memory.

    Args:
        out: folder.
        parity: ``{"cases": [{"name", "kind", "status", "message", …}]}``, as the parity command's
            ``--json`` writes it.
        claims: objects with ``claim`` or ``statement``, and ``verdict``; a claim itself, or any
            object in it, with ``mean`` and ``interval_95`` is shown as an effect.
        runs: run folders, or folders of run folders.
        rows: of the ledger, as objects.

    Returns:
        The HTML page.

    Raises:
        UserError: no run is found where some are given, or nothing can be written.
    """
    places = list(runs)
    found = collect.find_runs(places) if places else []
    claims = list(claims)
    return write(build(found, parity, claims, list(rows), sources=claims), out, title)


def committed_claims(folder: Path) -> list[dict]:
    """What the results files in `folder` say of every claim; those that were not run come last.

    Raises:
        UserError: a file is no results file.
    """
    from benchmarks import claims  # imports the trainers' neighbours, needless for write_report

    findings = [asdict(claims.read(claim, folder)) for claim in claims.CLAIMS]
    return sorted(findings, key=lambda finding: finding["mean"] is None)


def ledger_rows() -> list[dict]:
    """The ledger as objects.

    Raises:
        UserError: a file of the ledger breaks its schema.
    """
    from benchmarks import ledger  # as above

    return [row.as_dict() for row in ledger.load()]


def gather(args: argparse.Namespace) -> Report:
    """Read what the flags name.

    Raises:
        UserError: a file is missing or damaged.
    """
    runs = collect.find_runs(args.runs) if args.runs else []
    parity = collect.read_parity(args.parity) if args.parity else None
    sources, speed = collect.read_results(args.results)
    given = collect.read_claims(args.claims)
    rows = [] if args.no_ledger else ledger_rows()
    return build(
        runs,
        parity,
        committed_claims(args.results) + given,
        rows,
        history.read(rows),
        speed,
        sources + given,
    )


def build_parser() -> argparse.ArgumentParser:
    """The command's flags."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks report",
        description="Write the committed evidence and, with --runs, trainings, finished or not, "
        "as HTML, Markdown, JUnit XML and JSON.",
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help=f"gets {HTML}, {MARKDOWN}, …")
    add(
        "--runs",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="run folders, or folders of run folders",
    )
    add("--parity", type=Path, metavar="FILE", help="what the parity command wrote with --json")
    add("--claims", type=Path, nargs="+", default=[], metavar="FILE", help="further claims")
    add("--results", type=Path, default=RESULTS, metavar="DIR", help="committed claims and speeds")
    add("--no_ledger", action="store_true", help="leave the ledger out")
    add("--title", default=TITLE, help="headline of the page")
    add(
        "--screenshot",
        type=Path,
        metavar="PNG",
        help="also show the page in a headless Chromium and write what it shows",
    )
    add(
        "--write_history",
        action="store_true",
        help=f"also write the committed values to {history.FALLBACK.name}, for copies without git",
    )
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
        history.save(report.history)
        print(f"history of {len(report.history)} rows: {history.FALLBACK}")
    if args.screenshot:
        browser.screenshot(path, args.screenshot)
        print(f"screenshot: {args.screenshot}")
    known = f"{len(report.runs)} runs, {len(report.claims)} claims, {len(report.rows)} ledger rows"
    print(f"{known}: {path}, with {MARKDOWN}, {JUNIT} and {JSON} beside it")
    return 0
