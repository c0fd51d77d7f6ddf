"""The detail view of a run: a dialog of the page that its name opens."""

from __future__ import annotations

import itertools
import json

from benchmarks.report import tables
from benchmarks.report.canvas import file_name
from benchmarks.report.collect import Run, mapping
from benchmarks.report.content import Report
from benchmarks.report.html_parts import figures_html, matrix_html
from benchmarks.report.markup import Html, tag


def run_link(run: Run) -> Html:
    """A link that opens the run's dialog."""
    return tag("a", run.name, href=f"#{_anchor(run)}")


def run_dialogs(report: Report) -> list[Html]:
    """A closed dialog a run."""
    return [dialog(_anchor(run), f"Run {run.name}", _content(run, report)) for run in report.runs]


def dialog(anchor: str, title: str, content: list[Html]) -> Html:
    """A closed dialog with a heading and a button that closes it."""
    close = tag("form", tag("button", "Close", class_="plain"), method="dialog")
    head = tag("header", tag("h2", title, id=f"{anchor}-title"), close)
    return tag("dialog", head, content, id=anchor, aria_labelledby=f"{anchor}-title")


def _anchor(run: Run) -> str:
    return f"run-{file_name(run.name)}"


def _content(run: Run, report: Report) -> list[Html]:
    own = file_name(run.name)
    parts = [_facts(_overview(run))]
    if run.problems:
        parts += [tag("h3", "Problems"), tag("ul", [tag("li", text) for text in run.problems])]
    parts += figures_html(report.training.get(run.name, []))
    parts += [matrix_html(m) for m in report.matrices if m.name == f"confusion_{own}"]
    if run.arguments:
        flags = {name: json.dumps(value) for name, value in run.arguments.items()}
        parts.append(tag("details", tag("summary", "Every flag"), _facts(flags)))
    return parts


def _overview(run: Run) -> dict[str, str]:
    """What was trained on what, how it ended, and with which command."""
    table = tables.headline_table([run])
    facts = {name: cell.text for name, cell in zip(table.columns, table.rows[0], strict=True)}
    facts.pop("run")
    facts = {"status": run.status, **facts}
    environment = run.environment
    facts["commit"] = str(environment.get("commit") or tables.NONE)
    facts["seed"] = str(environment.get("seed", tables.NONE))
    facts["command"] = tables.command(run) or tables.NONE
    facts["quirks in force"] = "; ".join(map(str, _list(run.config.get("quirks_in_force"))))
    for name, value in mapping(mapping(run.summary.get("at_headline")).get("test")).items():
        if isinstance(value, int | float):
            facts[f"test {name} at the headline epoch"] = f"{value:.4g}"
    return {name: value or tables.NONE for name, value in facts.items()}


def _list(value) -> list:
    return value if isinstance(value, list) else []


def _facts(pairs: dict[str, str]) -> Html:
    rows = itertools.chain(*((tag("dt", k), tag("dd", v)) for k, v in pairs.items()))
    return tag("dl", rows, class_="facts")
