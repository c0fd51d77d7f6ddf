"""The report as one HTML page that needs nothing else: no network, no other file."""

from __future__ import annotations

import html
import itertools
import json
from pathlib import Path

from benchmarks.report import effects, evidence_tables, tables
from benchmarks.report.content import MADE_BY, Report
from benchmarks.report.html_parts import figure_html, figures_html, matrix_html, spark, table_html
from benchmarks.report.html_runs import dialog, run_dialogs, run_link
from benchmarks.report.markup import Html, download, raw, tag
from common.engine.run_folder import DRAWN

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
HERE = Path(__file__).parent


def render(report: Report, title: str) -> str:
    """The page as text."""
    always = [
        ("summary", "Papers", [_cards(report)]),
        ("claims", "Claims", _claims(report)),
        ("ledger", "Ledger", _ledger(report)),
        ("parity", "Parity with the authors' code", _parity(report)),
        ("runs", "Runs", _runs(report)),
        ("curves", "Learning curves", figures_html(report.curves)),
        ("confusion", "Confusion matrices", _matrices(report)),
        ("pseudo", "Pseudo-labels", figures_html(report.diagnostics, wide=True)),
        ("va", "Valence and arousal", figures_html(report.scatters, wide=True)),
        ("speed", "Speed", _speed(report)),
    ]
    where_known = [
        ("quirks", "Quirks in force", _quirks(report)),
        ("environment", "Environment", _environment(report)),
    ]
    sections = [(a, n, parts or [_missing(a)]) for a, n, parts in always]
    sections += [section for section in where_known if section[2]]
    links = [tag("li", tag("a", name, href=f"#{anchor}")) for anchor, name, _ in sections]
    theme = tag("button", "Theme", type="button", id="theme", class_="plain")
    body = tag(
        "main",
        tag("header", tag("h1", title), theme),
        _alert(report),
        _banner(report),
        tag("nav", tag("ul", links), aria_label="Sections"),
        *(tag("section", tag("h2", name), parts, id=anchor) for anchor, name, parts in sections),
    )
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{html.escape(title)}</title>\n<style>{style}</style>\n"
        f"<script>{script}</script>\n</head>\n"
        f"<body>\n{body}\n{_dialogs(report)}\n</body>\n</html>\n"
    )


def _missing(section: str) -> Html:
    what, command = MADE_BY[section]
    return tag("p", what, " Made by ", tag("code", command), ".", class_="missing")


def _alert(report: Report) -> Html:
    """What fails, before everything else."""
    if not report.failures:
        return raw("")
    lines = [tag("li", tag("a", words, href=f"#{place}")) for place, words in report.failures]
    head = tag("h2", f"{len(lines)} {'failure' if len(lines) == 1 else 'failures'}", id="failing")
    return tag("section", head, tag("ul", lines), class_="alert", aria_labelledby="failing")


def _banner(report: Report) -> Html:
    if not report.drawn:
        return raw("")
    names = tag("ul", [tag("li", name) for name in report.drawn])
    inside = tag("details", tag("summary", f"{len(report.drawn)} rest on drawn data"), names)
    return tag("div", tag("strong", DRAWN), inside, class_="banner", role="note")


def _cards(report: Report) -> Html:
    table = evidence_tables.summary_table(report.rows, report.parity, report.claims, report.runs)
    return tag("ul", [_card(table.columns, row) for row in table.rows], class_="cards")


def _card(columns: list[str], row: list[tables.Cell]) -> Html:
    """A paper: how its reported numbers stand, then what was checked here."""
    cells = dict(zip(columns, row, strict=True))
    stands = {name: cells[name] for name in ("with evidence", "blocked by data", "untested")}
    total = max(1, sum(cell.order or 0 for cell in stands.values()))
    shares = [100 * (cell.order or 0) / total for cell in stands.values()]
    bar = [tag("span", style=f"width: {share:.1f}%") for share in shares]
    lines = {
        "reported": ("reported",),
        **{name.removesuffix(" by data"): (name,) for name in stands},
        "measured here": ("measured here",),
        "parity pass / fail": ("parity passed", "parity failed"),
        "claims hold / fail / open": ("claims hold", "claims fail", "claims open"),
        "runs shown": ("runs",),
    }
    facts = []
    for label, names in lines.items():
        bad = any(cells[name].marked for name in names)
        shown = " / ".join(cells[name].text for name in names)
        key = f"key{list(stands).index(names[0])}" if names[0] in stands else None
        facts += [tag("dt", label, class_=key), tag("dd", shown, class_="bad" if bad else None)]
    return tag(
        "li",
        tag("h3", cells["paper"].text),
        tag("code", f"{cells['package'].text}/", class_="soft"),
        tag("div", bar, class_="stack", aria_hidden="true"),
        tag("dl", facts),
        class_="card",
    )


def _claims(report: Report) -> list[Html]:
    if not report.claims:
        return []
    parts = [figure_html(report.effects)] if report.effects else []
    table = effects.claims_table(report.claims)
    parts.append(table_html(table, "claims-table", ("verdict",)))
    for claim in report.sources:
        values, details = effects.claim_details(claim)
        pairs = itertools.chain(*((tag("dt", k), tag("dd", v)) for k, v in values))
        inner = [tag("dl", pairs, class_="facts")] if values else []
        inner += [table_html(table) for table in details]
        if inner:
            parts.append(tag("details", tag("summary", _source(claim)), inner))
    return parts


def _source(claim: dict) -> str:
    name = f"{claim['file']}: " if claim.get("file") else ""
    return name + effects.sentence(claim)


def _ledger(report: Report) -> list[Html]:
    if not report.rows:
        return []
    table = evidence_tables.ledger_table(report.rows, report.history)
    column = table.columns.index(evidence_tables.SPARK)

    def trend(number: int) -> Html:
        points = report.history.get(str(report.rows[number].get("id")), [])
        return spark(points, table.rows[number][column].text)

    def opener(number: int) -> Html:
        return tag("button", table.rows[number][0].text, type="button", class_="open-row")

    counts = ", ".join(
        f"{n} {status}" for status, n in evidence_tables.statuses(report.rows).items()
    )
    note = f"{len(report.rows)} numbers: {counts}. A row opens to its source, command and evidence."
    shown = {"id": opener, evidence_tables.SPARK: trend}
    parts = [
        tag("p", note, class_="soft"),
        table_html(
            table,
            "ledger-table",
            ("paper", "kind", "status"),
            shown,
            lambda number: {"data_row": str(number)},
        ),
    ]
    if report.history:
        link = download(
            "data of the sparklines", "history.csv", evidence_tables.history_csv(report.history)
        )
        parts.append(tag("p", link, class_="soft"))
    return parts


def _row_data(rows: list[dict]) -> Html:
    """What the script shows of a row that is opened, in an element that runs nothing."""
    known = [{k: _words(v) for k, v in row.items() if v not in (None, "")} for row in rows]
    text = json.dumps(known, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return tag("script", raw(text), type="application/json", id="row-data")


def _words(value) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parity(report: Report) -> list[Html]:
    if report.parity is None:
        return []
    failures = evidence_tables.parity_failures(report.parity)
    parts = [table_html(failures)] if failures else [tag("p", "No case failed.", class_="good")]
    parts.append(table_html(evidence_tables.parity_table(report.parity)))
    parts.append(
        table_html(evidence_tables.parity_kinds(report.parity), "parity-table", ("package",))
    )
    return parts


def _runs(report: Report) -> list[Html]:
    if not report.runs:
        return []
    notes = [
        tag("li", tag("strong", name), f": {meaning}")
        for name, meaning in tables.protocol_notes(report.runs)
    ]
    table = tables.headline_table(report.runs)
    parts = [
        tag("p", "A run's name opens its details.", class_="soft"),
        table_html(
            table, "runs-table", ("method",), {"run": lambda number: run_link(report.runs[number])}
        ),
        tag("p", "What the four protocols mean:"),
        tag("ul", notes),
    ]
    if report.troubled:
        lines = [
            tag("li", tag("strong", run.name), f": {'; '.join([run.status, *run.problems])}")
            for run in report.troubled
        ]
        parts += [tag("h3", "Not complete"), tag("ul", lines)]
    return parts


def _matrices(report: Report) -> list[Html]:
    if not report.matrices:
        return []
    note = "Test images at the headline epoch; the shade is the share of the true class (row)."
    matrices = tag("div", map(matrix_html, report.matrices), class_="figures wide")
    return [tag("p", note, class_="soft"), matrices]


def _speed(report: Report) -> list[Html]:
    if not report.speed:
        return []
    figure = [figure_html(report.bars)] if report.bars else []
    return [*figure, table_html(evidence_tables.speed_table(report.speed), "speed-table")]


def _quirks(report: Report) -> list[Html]:
    parts = []
    for names, quirks in tables.quirk_groups(report.runs):
        listed = tag("ul", [tag("li", quirk) for quirk in quirks])
        parts += [tag("h3", ", ".join(names)), listed if quirks else tag("p", "none")]
    note = "Where the authors' code differs from their paper and the run did as the code does; "
    note += "each is explained in the fidelity table of its package's README."
    return [tag("p", note, class_="soft"), *parts] if parts else []


def _environment(report: Report) -> list[Html]:
    known = [run for run in report.runs if run.environment]
    return [table_html(tables.environment_table(known))] if known else []


def _dialogs(report: Report) -> Html:
    parts = run_dialogs(report)
    if report.rows:
        parts.append(dialog("row-detail", "Ledger row", [tag("dl", class_="facts")]))
        parts.append(_row_data(report.rows))
    return Html("\n".join(parts))
