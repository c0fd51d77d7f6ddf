"""The ledger: its schema, its commands, its coverage, and the READMEs' numbers in it."""

import re
from pathlib import Path

import pytest
import yaml

from benchmarks.ledger import list as listing
from benchmarks.ledger import rows as ledger
from benchmarks.runs import programs as planning
from common.cli import UserError

ROOT = Path(__file__).resolve().parents[3]
ROWS = listing.all_rows()
REPORTED = [row for row in ROWS if row.kind == "reported"]
COMMANDS = sorted(
    {part.strip() for row in REPORTED if row.command for part in row.command.split("&&")}
)
PACKAGES = ("s2ver", "adacm", "ssfer", "webemotion", "dimva")


def test_rows_keep_the_schema():
    assert ledger.check(ROWS) == []


def test_every_paper_has_rows():
    assert set(PACKAGES) <= {row.paper for row in REPORTED}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda text: text[7:70])
def test_command_parses(command):
    script, words = planning.split(command)
    assert script == "benchmarks.baselines" or (ROOT / script).is_file()
    if script == "ssfer/evaluate.py":
        from ssfer.evaluate import build_parser

        args = build_parser().parse_args(words)
    elif script.startswith("webemotion/"):
        from webemotion.options import build_parser

        args = build_parser().parse_args(words)
        assert (ROOT / args.config_file).is_file()
    else:
        args = planning.parse(command)
    assert args is not None


def test_commands_carry_the_budget_of_their_row():
    for row in REPORTED:
        if row.command and row.labels is not None:
            args = planning.parse(row.command)
            assert row.labels in (getattr(args, k, None) for k in ("num_labels", "num_labelled"))


def test_known_number_with_its_source():
    row = ledger.find("s2ver/main/fi-1600-s2-ver", ROWS)
    assert (row.value, row.std, row.labels) == (51.8, 0.21, 1600)
    assert "poster" in row.source and row.read_how == "read by eye at zoom"
    assert row.status == "blocked by data" and row.evidence is None


def test_unknown_values_are_null_with_a_note():
    unknown = [row for row in REPORTED if row.value is None]
    assert unknown and all(row.note and row.tolerance is None for row in unknown)
    assert all(row.confidence == "unknown" for row in unknown)


def test_methods_without_a_command_say_why():
    without = [row for row in REPORTED if row.command is None]
    assert without and all(row.no_command for row in without)
    assert not any(row.status == "blocked by data" for row in without)


def test_summary_counts_every_row_once(in_process, tmp_path):
    figures = ledger.summary(ROWS)
    assert figures["rows"] == len(ROWS) == sum(figures["per_status"].values())
    assert figures["rows"] == sum(sum(c.values()) for c in figures["per_paper"].values())
    shown = in_process(listing.main, ["--summary"], tmp_path)
    assert shown.code == 0 and f"{len(ROWS)} rows" in shown.out
    assert "blocked by data" in shown.out


def test_list_filters_and_writes_json(in_process, tmp_path):
    file = tmp_path / "rows.json"
    words = ["--paper", "adacm", "--only", "adacm/main/*", "--json", file]
    shown = in_process(listing.main, words, tmp_path)
    assert shown.code == 0 and "84.42" in shown.out and file.is_file()
    nothing = in_process(listing.main, ["--only", "no-such-row"], tmp_path)
    assert nothing.code == 2 and "no row of the ledger fits" in nothing.err


def test_unknown_row_names_the_nearest():
    with pytest.raises(UserError, match="s2ver/main/fi-1600-s2-ver"):
        ledger.find("s2ver/main/fi-1600-s2ver", ROWS)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"colour": "red"}, "unknown field 'colour'"),
        ({"metric": None}, "'metric' is missing"),
        ({"status": "perfect"}, "status 'perfect'"),
        ({"value": None}, "no value, and no note"),
        ({"value": "many"}, "is no number"),
        ({"value": 140.0}, "is no per cent"),
        ({"tolerance": None}, "no tolerance"),
        ({"status": "reproduced"}, "without evidence"),
        ({"no_command": None}, "no command, and no reason"),
        ({"judged_on": "luck"}, "no protocol"),
    ],
)
def test_broken_row_is_refused_in_a_sentence(tmp_path, monkeypatch, change, told):
    row = {
        **{"id": "t/x", "dataset": "FI", "method": "M", "protocol": "p", "metric": "acc_%"},
        **{"status": "untested", "confidence": "read", "source": "s", "value": 1.0},
        **{"tolerance": 1.0, "tolerance_why": "w", "no_command": "none"},
        **change,
    }
    row = {key: value for key, value in row.items() if value is not None}
    content = {
        **{"paper": "p", "title": "t", "sources": {"s": {"where": "w", "how": "h"}}},
        "tables": [{"table": "t", "rows": [row]}],
    }
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setattr(ledger, "PAPERS", tmp_path)
    with pytest.raises(UserError, match=told):
        ledger.load()


# A number of a README: per cent, value ± deviation, and all decimals of a results table.
BLOCK = re.compile(r"<!-- results:(.+?):begin -->(.*?)<!-- results:\1:end -->", re.DOTALL)
QUIRKS = re.compile(r"<!-- quirks:begin -->.*?<!-- quirks:end -->", re.DOTALL)
DECIMAL = re.compile(r"(?<![\w.])[+-−]?\d+\.\d+(?![\w.])")
REPORTED_FORM = re.compile(r"(\d+\.\d+) ± (\d+\.\d+)")
PERCENT = re.compile(r"(?<![\w.])(\d+\.\d+) ?%")


def numbers_of(page: Path) -> set[str]:
    text = QUIRKS.sub("", page.read_text(encoding="utf-8"))
    found = set()
    for _, block in BLOCK.findall(text):
        found |= {number.lstrip("+-−") for number in DECIMAL.findall(block)}
    prose = BLOCK.sub("", text)
    for pair in REPORTED_FORM.findall(prose):
        found |= set(pair)
    return found | set(PERCENT.findall(prose))


def is_row(number: str, figures: list[float]) -> bool:
    places = len(number.partition(".")[2])
    slack = 0.5001 * 10**-places
    return any(
        abs(abs(v) - float(number)) <= slack or abs(100 * abs(v) - float(number)) <= slack
        for v in figures
    )


@pytest.mark.parametrize("package", PACKAGES)
def test_every_number_of_a_readme_is_a_row(package):
    page = ROOT / package / "README.md"
    figures = []
    for row in ROWS:
        if row.paper in (package, "laboratory"):
            figures += [v for v in (row.value, row.std, *(row.interval or ())) if v is not None]
    absent = sorted(n for n in numbers_of(page) if not is_row(n, figures))
    assert absent == [], f"{page.name} of {package} has numbers that no row of the ledger has"
