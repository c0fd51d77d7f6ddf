"""The report's evidence: claims, ledger, history over commits, parity, and what machines read."""

import json
import subprocess
from xml.etree import ElementTree

import pytest

from benchmarks.__main__ import main
from benchmarks.report import collect, effects, evidence_tables, history, write_report
from benchmarks.report.collect import Run
from benchmarks.report.html_parts import spark
from common.cli import UserError
from common.engine.launch import DRAWN

CLAIM = {
    "claim": "A beats B <b>",
    "verdict": "fails",
    "judged_on": "last",
    "data": DRAWN,
    "differences": {
        "B": {
            "last": {
                "differences": [-0.1, -0.2],
                "mean": -0.15,
                "interval_95": [-0.2, -0.1],
                "verdict": "fails",
            },
            "best": {"differences": [0.1, 0.2], "mean": 0.15, "interval_95": [0.1, 0.2]},
        }
    },
}
FINDING = {
    "claim": "s2ver-above",
    "paper": "s2ver",
    "statement": "S2-VER beats B",
    "metric": "last",
    "verdict": "holds",
    "differences": (0.1, 0.3),
    "mean": 0.2,
    "interval_95": (0.1, 0.3),
}
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
    return {c: cell.text for c, cell in zip(table.columns, table.rows[row], strict=True)}


def test_only_comparisons_on_the_judged_metric_are_effects():
    (effect,) = effects.effects(CLAIM)
    assert (effect.against, effect.mean, effect.low, effect.high) == ("B", -0.15, -0.2, -0.1)
    assert (effect.seeds, effect.verdict) == (2, "fails")
    (effect,) = effects.effects(FINDING)
    assert (effect.claim, effect.against, effect.mean) == ("S2-VER beats B", "", 0.2)


def test_claims_table_shows_the_interval_and_marks_what_fails():
    table = effects.claims_table([CLAIM, FINDING])
    first = shown(table)
    assert (first["effect"], first["95% low"], first["95% high"]) == (
        "-0.1500",
        "-0.2000",
        "-0.1000",
    )
    assert [row[1].marked for row in table.rows] == [True, False]
    assert effects.forest([CLAIM, FINDING]).data.splitlines()[1].startswith("A beats B <b>,B,-0.15")
    assert effects.forest([{"claim": "x", "verdict": "not run"}]) is None


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [("holds", "good"), ("fails", "bad"), ("undecided: one seed", "open"), ("not run", "open")],
)
def test_verdicts_in_words(verdict, kind):
    assert effects.verdict_class(verdict) == kind


def test_a_claim_without_result_names_the_command_that_makes_it():
    claim = {"claim": "x", "verdict": "not run", "command": "python -m benchmarks two_stage"}
    assert "python -m benchmarks two_stage" in shown(effects.claims_table([claim])).values()


def test_summary_counts_per_paper_and_leaves_out_what_is_unknown():
    run = Run("r", None, config={"method": "s2ver"})
    table = evidence_tables.summary_table(ROWS, PARITY, [FINDING], [run])
    rows = {row[1].text: shown(table, number) for number, row in enumerate(table.rows)}
    assert list(rows) == ["s2ver", "adacm", "ssfer", "webemotion", "dimva"]
    first = rows["s2ver"]
    assert (first["reported"], first["blocked by data"], first["untested"]) == ("1", "1", "0")
    assert (first["parity passed"], first["parity failed"]) == ("1", "1")
    assert (first["claims hold"], first["runs"]) == ("1", "1")
    assert rows["adacm"]["parity passed"] == "–"
    table = evidence_tables.summary_table([], None, [], [])
    assert shown(table)["reported"] == shown(table)["parity passed"] == "–"


def test_failures_come_first_and_text_is_escaped(tmp_path):
    page = write_report(tmp_path / "out", PARITY, [CLAIM], rows=ROWS)
    html = page.read_text()
    alert = html[html.index('class="alert"') : html.index("<nav")]
    assert "2 failures" in alert
    assert "Parity fails: s2ver/step, 1 of 2 cases" in alert
    assert "Claim fails: A beats B &lt;b&gt;" in alert
    assert "<b>" not in html and html.count("<script") == 2
    assert html.index('class="alert"') < html.index('id="summary"')
    assert "No run was given." in html and "python -m benchmarks demo" in html
    markdown = (tmp_path / "out" / "report.md").read_text()
    assert markdown.index("Parity fails: s2ver/step") < markdown.index("## Papers")


def test_junit_says_what_failed_and_what_was_skipped(tmp_path):
    claims = [CLAIM, FINDING, {"claim": "bell \a", "verdict": "undecided"}]
    write_report(tmp_path, PARITY, claims, rows=ROWS)
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
    write_report(tmp_path, PARITY, [{**FINDING, "odd": float("nan")}], rows=ROWS)
    content = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert content["failures"] == ["Parity fails: s2ver/step, 1 of 2 cases"]
    assert content["claims"][0]["effects"][0]["mean"] == 0.2
    assert content["claims"][0]["odd"] is None
    assert [row["id"] for row in content["ledger"]] == [row["id"] for row in ROWS]
    assert content["papers"][0]["reported"] == 1


def git(folder, *words):
    given = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@e", *words]
    subprocess.run(given, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path):
    """Three commits of a results file, the middle one of another shape, and a change after them."""
    file = tmp_path / "results" / "x.json"
    file.parent.mkdir()
    git(tmp_path, "init", "-q")
    for content in ({"gain": 0.125, "other": 0.5}, {"other": 0.5}, {"gain": 0.25, "other": 0.5}):
        file.write_text(json.dumps(content))
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "-qm", "results")
    file.write_text(json.dumps({"gain": 0.375, "other": 0.5, "same": 0.5}))
    return tmp_path


def test_history_follows_a_value_over_the_commits(repository, tmp_path):
    rows = [
        {"id": "by value", "value": 37.5, "evidence": "results/x.json"},
        {"id": "m/x/gain", "value": 0.375, "evidence": "results/x.json"},
        {"id": "ambiguous", "value": 0.5, "evidence": "results/x.json"},
        {"id": "nowhere", "value": 0.7, "evidence": "results/x.json"},
        {"id": "no evidence", "value": 0.375},
    ]
    found = history.read(rows, root=repository)
    assert found.keys() == {"by value", "m/x/gain"}
    assert [point.value for point in found["m/x/gain"]] == [0.125, 0.25, 0.375]
    assert found["by value"] == found["m/x/gain"]
    assert found["m/x/gain"][-1].commit == history.NOT_COMMITTED

    file = tmp_path / "history.json"
    history.save(found, file)
    (bare := tmp_path / "bare").mkdir()
    points = history.read(rows, root=bare, fallback=file)["m/x/gain"]
    assert [point.value for point in points] == [0.125, 0.25]
    assert history.read(rows, root=bare, fallback=tmp_path / "none") == {}
    file.write_text("[1]")
    with pytest.raises(UserError, match="write_history"):
        history.read(rows, root=bare, fallback=file)


def test_spark_says_its_commits_in_words():
    points = [history.Point("abcdef1234", "2024-01-01", 0.1), history.Point("0123456", "", 0.2)]
    drawn = spark(points, "0.1 → 0.2 (2)")
    assert 'aria-label="abcdef1 0.1, 0123456 0.2"' in drawn and "0.1 → 0.2 (2)" in drawn
    assert evidence_tables.trend(points).text == "0.1 → 0.2 (2)"


def test_report_of_the_repository_shows_all_papers_and_every_row(tmp_path, capsys):
    assert main(["report", "--out", str(tmp_path)]) == 0
    content = json.loads((tmp_path / "report.json").read_text())
    assert {row["package"] for row in content["papers"]} == set(evidence_tables.PAPERS)
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
    html = write_report(tmp_path / "out", runs=[run]).read_text()
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
