"""The report's evidence: claims, ledger, history over commits, parity, and what machines read."""

import dataclasses
import json
from xml.etree import ElementTree

import pytest

from benchmarks.__main__ import main
from benchmarks.claims.findings import Finding
from benchmarks.ground.results_file import DRAWN
from benchmarks.ground.statistics import Verdict
from benchmarks.ledger.list import all_rows
from benchmarks.report import collect, history
from benchmarks.report.collect import Run
from benchmarks.report.command import write
from benchmarks.report.content import build
from benchmarks.report.figures import evidence as evidence_figures
from benchmarks.report.history import Point
from benchmarks.report.pages import spark
from benchmarks.report.tables import evidence
from common.cli import UserError

CLAIM = Finding(
    claim="a-above-b",
    paper="",
    statement="A beats B <b>",
    metric="last",
    verdict=Verdict.FAILS,
    compared="A above B",
    seeds=("1", "2"),
    differences=(-0.1, -0.2),
    mean=-0.15,
    interval_95=(-0.2, -0.1),
    data=DRAWN,
    drawn=True,
)
FINDING = Finding(
    claim="s2ver-above",
    paper="s2ver",
    statement="S2-VER beats B",
    metric="last",
    verdict=Verdict.HOLDS,
    seeds=("1", "2"),
    differences=(0.1, 0.3),
    mean=0.2,
    interval_95=(0.1, 0.3),
)
NOT_RUN = Finding("x", "", "x", "last", Verdict.NOT_RUN, command="python -m benchmarks two_stage")
ROWS = [
    {"id": "s2ver/main/fi", "paper": "s2ver", "kind": "reported", "status": "blocked by data"},
    {
        "id": "s2ver/claim/a",
        "paper": "s2ver",
        "kind": "claim",
        "status": "claim fails on stand-in",
        "value": -0.15,
        "note": "</script><script>alert(1)</script>",
    },
    {"id": "adacm/main/rafdb", "paper": "adacm", "kind": "reported", "status": "untested"},
]
PARITY = {
    "cases": [
        {"name": "a", "kind": "s2ver/step", "status": "passed", "max_abs": 1e-7},
        {"name": "b", "kind": "s2ver/step", "status": "failed", "max_abs": 0.5, "message": "off"},
        {"name": "c", "kind": "dimva/ccc", "status": "unsupported"},
    ]
}


def shown(table, row=0):
    return {name: cell.text for name, cell in table.rows[row].items()}


def test_claims_table_shows_the_interval_and_marks_what_fails():
    table = evidence.claims_table([CLAIM, FINDING])
    first = shown(table)
    assert (first["effect"], first["95% low"], first["95% high"], first["seeds"]) == (
        "-0.1500",
        "-0.2000",
        "-0.1000",
        "2",
    )
    assert [row["verdict"].mark for row in table.rows] == ["bad", ""]
    data = evidence_figures.forest([CLAIM, FINDING]).data.splitlines()
    assert data[1].startswith("A beats B <b>,A above B,-0.15")
    assert evidence_figures.forest([NOT_RUN]) is None


def test_a_claim_without_result_names_the_command_that_makes_it():
    assert "python -m benchmarks two_stage" in shown(evidence.claims_table([NOT_RUN])).values()


def test_summary_counts_per_paper_and_leaves_out_what_is_unknown():
    run = Run("r", None, config={"method": "s2ver"})
    table = evidence.summary_table(ROWS, PARITY, [FINDING], [run])
    rows = {row["package"].text: shown(table, number) for number, row in enumerate(table.rows)}
    assert list(rows) == ["s2ver", "adacm", "ssfer", "webemotion", "dimva"]
    first = rows["s2ver"]
    assert (first["reported"], first["blocked by data"], first["untested"]) == ("1", "1", "0")
    assert (first["parity passed"], first["parity failed"]) == ("1", "1")
    assert (first["claims hold"], first["runs"]) == ("1", "1")
    assert rows["adacm"]["parity passed"] == "–"
    table = evidence.summary_table([], None, [], [])
    assert shown(table)["reported"] == shown(table)["parity passed"] == "–"


def test_failures_come_first_and_text_is_escaped(tmp_path):
    page = write(build([], PARITY, [CLAIM], ROWS), tmp_path / "out")
    html = page.read_text()
    alert = html[html.index('class="alert"') : html.index("<nav")]
    assert "2 failures" in alert
    assert "Parity fails: s2ver/step, 1 of 2 cases" in alert
    assert "Claim fails: A beats B &lt;b&gt;: A above B" in alert
    assert "<b>" not in html and html.count("<script") == 2
    assert html.index('class="alert"') < html.index('id="summary"')
    assert "No run was given." in html and "python -m benchmarks demo" in html
    markdown = (tmp_path / "out" / "report.md").read_text()
    assert markdown.index("Parity fails: s2ver/step") < markdown.index("## Papers")


def test_junit_says_what_failed_and_what_was_skipped(tmp_path):
    bell = Finding("x", "s2ver", "bell \a", "last", Verdict.UNDECIDED)
    claims = [CLAIM, FINDING, bell]
    write(build([], PARITY, claims, ROWS), tmp_path)
    root = ElementTree.parse(tmp_path / "report.xml").getroot()
    suites = {suite.get("name"): suite for suite in root}
    counts = {n: (s.get("tests"), s.get("failures"), s.get("skipped")) for n, s in suites.items()}
    assert counts == {
        "parity": ("3", "1", "1"),
        "claims": ("3", "1", "1"),
        "ledger": ("3", "1", "2"),
        "runs": ("0", "0", "0"),
    }
    failed = suites["parity"].find("testcase[failure]")
    assert (failed.get("classname"), failed.get("name")) == ("parity.s2ver.step", "b")
    assert failed.find("failure").get("message") == "off"
    assert "-0.1500 (-0.2000 to -0.1000)" in suites["claims"].find(".//failure").get("message")


def test_json_holds_the_evidence_and_no_nan(tmp_path):
    write(build([], PARITY, [dataclasses.replace(FINDING, mean=float("nan"))], ROWS), tmp_path)
    content = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert content["failures"] == ["Parity fails: s2ver/step, 1 of 2 cases"]
    assert content["claims"][0]["interval_95"] == [0.1, 0.3]
    assert content["claims"][0]["mean"] is None and content["claims"][0]["verdict"] == "holds"
    assert [row["id"] for row in content["ledger"]] == [row["id"] for row in ROWS]
    assert content["papers"][0]["reported"] == 1


def test_history_grows_by_a_line_a_measurement(tmp_path):
    past = {"c/a": [Point("abc", "2024-01-01", 0.1)], "m/old": [Point("abc", "2024-01-01", 1.0)]}
    rows = [
        {"id": "c/a", "kind": "claim", "value": 0.2, "commit": "def", "date": "2024-02-01"},
        {"id": "c/b", "kind": "claim", "value": 0.3, "commit": "def", "date": "2024-02-01"},
        {"id": "m/old", "kind": "measured", "value": 1.0, "commit": "def", "date": "2024-02-01"},
        {"id": "m/new", "kind": "measured", "value": 2.0, "commit": "def", "date": "2024-02-01"},
        {"id": "c/none", "kind": "claim", "value": None},
    ]
    found = history.extended(past, rows)
    assert [p.value for p in found["c/a"]] == [0.1, 0.2] and found["m/old"] == past["m/old"]
    assert found.keys() == {"c/a", "c/b", "m/old"}
    assert history.extended(found, rows) == found
    file = tmp_path / "history.csv"
    history.save(found, file)
    assert history.read(file) == found
    assert file.read_text().splitlines()[1:3] == [
        "2024-01-01,abc,c/a,0.1",
        "2024-01-01,abc,m/old,1.0",
    ]
    assert history.read(tmp_path / "none") == {}
    file.write_text("date,row\n1,2\n")
    with pytest.raises(UserError, match="holds no history"):
        history.read(file)


def test_committed_history_names_rows_that_exist():
    assert history.read().keys() <= {row.id for row in all_rows()}


def test_spark_says_its_commits_in_words():
    points = [history.Point("abcdef1234", "2024-01-01", 0.1), history.Point("0123456", "", 0.2)]
    assert spark(points)["label"] == "abcdef1 0.1, 0123456 0.2"
    assert spark(points)["line"].startswith("3.0,15.0 ")
    assert evidence.trend(points).text == "0.1 → 0.2 (2)"


def test_report_of_the_repository_shows_all_papers_and_every_row(tmp_path, capsys):
    assert main(["report", "--out", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "report.json").read_text())
    assert {row["package"] for row in content["papers"]} == set(evidence.PAPERS)
    assert all(row["reported"] > 0 for row in content["papers"])
    assert f"{len(content['ledger'])} ledger rows" in capsys.readouterr().out
    html = (tmp_path / "report.html").read_text()
    assert html.count('class="open-row"') == len(content["ledger"])
    assert content["speed"] and (tmp_path / "figures" / "speed.csv").exists()


def test_damaged_tables_are_problems_of_the_run(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text("{}")
    (run / "pseudo_labels.csv").write_text("epoch,class\n1,awe\n")
    (run / "test_va_predictions.csv").write_text("")
    (found,) = collect.find_runs([run])
    assert "pseudo_labels.csv has no column images" in found.problems
    assert any("test_va_predictions.csv cannot be read" in text for text in found.problems)


def test_scatter_and_diagnostics_carry_their_data(tmp_path):
    run = tmp_path / "runs" / "r"
    run.mkdir(parents=True)
    (run / "config.json").write_text("{}")
    table = "epoch,class,images,mask_rate,precision,threshold,confidence\n"
    (run / "pseudo_labels.csv").write_text(table + "1,awe,4,0.5,,0.9,0.7\n2,awe,4,0.75,1,0.9,0.8\n")
    header = "path,valence,true_valence,arousal,true_arousal\n"
    (run / "test_va_predictions.csv").write_text(header + "/home/me/a.png,5,6,4,4\nb.png,1,2,3,4\n")
    html = write(build(collect.find_runs([run])), tmp_path / "out").read_text()
    assert "Pseudo-labels of r by class" in html and "Valence and arousal of r" in html
    data = (tmp_path / "out" / "figures" / "va_r.csv").read_text()
    assert data.startswith("valence,true_valence,arousal,true_arousal\n5,6,4,4\n")
    assert "/home/me" not in html
    assert "1,awe,4,0.5,," in (tmp_path / "out" / "figures" / "classes_r.csv").read_text()


def test_a_results_file_in_the_way_is_one_sentence(tmp_path, capsys):
    results = tmp_path / "results"
    results.mkdir()
    (results / "x.json").write_text("{")
    flags = ["--results", str(results), "--no_ledger", "--out", str(tmp_path / "out")]
    assert main(["report", *flags]) == 2
    assert "not valid JSON" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
