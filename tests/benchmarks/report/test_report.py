"""The report: what is finished, what is not, what is drawn, and nothing that could run."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.ground import results_file
from benchmarks.ground.results_file import DRAWN, Results, compared, drawn
from benchmarks.ground.statistics import Verdict
from benchmarks.report import collect
from benchmarks.report.tables import runs as run_tables
from benchmarks.report.tables import table as tables
from common.metrics.protocols import four_protocols

CLASSES = ["awe", "<b>fear</b>"]


def epoch_row(epoch: int, top1: float) -> dict:
    test = {"top1": top1, "confusion": [[7, 1], [2, 6]]}
    train = {"loss": 3.0 / epoch, "sup_loss": 0.02, "mask_rate": 0.5, "pseudo_true_ratio": 0.75}
    return {"epoch": epoch, "step": 10 * epoch, "lr": 0.03, "train": train, "test": test}


def make_run(folder: Path, scores=(0.5, 0.75, 0.6), finished=True, drawn=False) -> Path:
    folder.mkdir(parents=True)
    rows = [epoch_row(number, top1) for number, top1 in enumerate(scores, start=1)]
    config = {
        "method": "s2ver",
        "arguments": {"num_labels": 40, "backbone": "resnet18", "image_size": 48, "epoch": 5},
        "quirks_in_force": ["average <i>restarted</i>"],
        "data": {"name": "fi", "classes": CLASSES, "drawn": drawn},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if finished:
        protocols = four_protocols(rows)
        head = {"protocol": "best_on_test", **protocols["best_on_test"]}
        summary = {
            "headline": head,
            "protocols": protocols,
            "metric": "top1",
            "at_headline": rows[head["epoch"] - 1],
            "drawn": drawn,
            "finished": True,
            "wall_s": 3723.0,
            "train_images_per_second": 123.4,
        }
        (folder / "summary.json").write_text(json.dumps(summary))
        environment = {"commit": "0123456789abcdef", "device": "A CPU", "versions": {"torch": "9"}}
        (folder / "environment.json").write_text(json.dumps(environment))
    return folder


def report(tmp_path: Path, *flags: str) -> tuple[str, str]:
    out, results = tmp_path / "report", tmp_path / "no results"
    results.mkdir(exist_ok=True)
    runs = [] if "--runs" in flags else ["--runs", str(tmp_path / "runs")]
    alone = ["--results", str(results), "--no_ledger"]
    assert main(["report", *runs, *alone, "--out", str(out), *flags]) == 0
    markdown = re.sub(" +", " ", (out / "report.md").read_text())  # columns are aligned
    return (out / "report.html").read_text(), markdown


class Elements(HTMLParser):
    """Every element of a page with its attributes, and whether all of them were closed."""

    def __init__(self, page: str):
        super().__init__()
        self.seen, self.open = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, name, attributes):
        self.seen.append((name, dict(attributes)))
        if name not in ("meta", "br", "input"):
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self.seen.append((name, dict(attributes)))

    def handle_endtag(self, name):
        assert self.open.pop() == name


def test_headline_row_shows_all_protocols_and_marks_the_headline(tmp_path):
    make_run(tmp_path / "runs" / "one")
    table = run_tables.headline_table(collect.find_runs([tmp_path / "runs"]))
    shown = {name: cell.text for name, cell in table.rows[0].items()}
    assert shown["best_on_test"] == "★ 75.00%"
    assert shown["last"] == "60.00%"
    assert shown["median_last_20"] == "60.00%"
    assert shown["val_selected"] == "–"
    assert (shown["images/s"], shown["wall time"]) == ("123", "1 h 2 min 3 s")
    assert (shown["method"], shown["dataset"], shown["labels"]) == ("s2ver", "fi", "40")
    assert "status" not in shown
    html, markdown = report(tmp_path)
    assert "★ 75.00%" in html and "**★ 75.00%**" in markdown
    assert "best epoch chosen on the test set itself; the headline number" in html


def test_stages_are_named_with_their_run(tmp_path):
    for name in ("one/stage2", "one/stage3", "two/fold0/stage2", "plain"):
        make_run(tmp_path / "runs" / name)
    file = tmp_path / "runs/one/stage2/config.json"
    settings = {"anno_percent": 0.05, "model": "tiny", "input_size": 64}
    file.write_text(json.dumps({"method": "ssfer", "arguments": settings, "data": {}}))
    table = run_tables.headline_table(collect.find_runs([tmp_path / "runs"]))
    shown = [{name: cell.text for name, cell in row.items()} for row in table.rows]
    names = {"one/stage2", "one/stage3", "two/fold0/stage2", "plain"}
    assert {row["run"] for row in shown} == names
    (stage,) = (row for row in shown if row["run"] == "one/stage2")
    found = [stage[name] for name in ("labels", "backbone", "image size")]
    assert found == ["5 %", "tiny", "64"]


def test_drawn_data_is_announced_only_where_it_was_used(tmp_path):
    make_run(tmp_path / "runs" / "real")
    for page in report(tmp_path):
        assert DRAWN not in page
    make_run(tmp_path / "runs" / "standin", drawn=True)
    html, markdown = report(tmp_path)
    banner = re.search(r'<div class="banner".*?</div>', html, re.DOTALL)[0]
    assert DRAWN in banner and "standin (fi)" in banner and "real (fi)" not in banner
    assert DRAWN in markdown and "fi (drawn)" in markdown


def test_unfinished_and_damaged_runs_are_listed(tmp_path):
    runs = tmp_path / "runs"
    make_run(runs / "done")
    make_run(runs / "killed", scores=(0.2, 0.3), finished=False)
    with open(runs / "killed" / "metrics.jsonl", "a") as file:
        file.write('{"epoch": 3, "te')
    (runs / "empty").mkdir()
    (runs / "empty" / "config.json").write_text('{"meth')
    (runs / "empty" / "summary.json").write_text("[]")
    flags = ["--runs", str(runs), str(tmp_path / "nowhere")]
    html, markdown = report(tmp_path, *flags)
    for page in (html, markdown):
        assert "unfinished: epoch 2 of 5" in page
        assert "unfinished: epoch 0" in page
        assert "unfinished: no such folder" in page
    assert "metrics.jsonl, line 3, is no whole row" in html
    assert "config.json cannot be read" in html and "summary.json holds no JSON object" in html


def test_files_with_unexpected_content_do_not_stop_the_report(tmp_path):
    run = make_run(tmp_path / "runs" / "odd")
    summary = {"headline": 3, "protocols": [], "at_headline": {"test": {"confusion": "none"}}}
    (run / "summary.json").write_text(json.dumps(summary))
    config = {"arguments": None, "quirks_in_force": "all", "data": {"classes": None}}
    (run / "config.json").write_text(json.dumps(config))
    (run / "environment.json").write_text('{"versions": 7, "command": ["a"]}')
    (run / "metrics.jsonl").write_text('{"epoch": 1, "train": 5, "test": null}\n[1]\n')
    html, _ = report(tmp_path)
    assert "metrics.jsonl, line 2, is no whole row" in html


def test_a_metric_that_is_no_fraction_is_not_shown_in_per_cent(tmp_path):
    run = make_run(tmp_path / "runs" / "one")
    summary = json.loads((run / "summary.json").read_text())
    (run / "summary.json").write_text(json.dumps(summary | {"percent": False}))
    _, markdown = report(tmp_path)
    assert "★ 0.7500" in markdown and "75.00%" not in markdown


def test_no_run_at_all_is_one_sentence_and_exit_2(tmp_path, capsys):
    code = main(["report", "--runs", str(tmp_path / "none"), "--out", str(tmp_path / "out")])
    assert code == 2
    assert "no run was found" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_page_is_whole_escaped_and_needs_no_other_file(tmp_path):
    make_run(tmp_path / "runs" / "a<script>alert(1)<")
    html, _ = report(tmp_path)
    page = Elements(html)
    assert page.open == []
    assert "alert(1)" in html and "<script>alert" not in html
    assert "<i>restarted" not in html and "<b>fear" not in html
    names = [name for name, _ in page.seen]
    assert names.count("script") == names.count("style") == 1
    assert not {"link", "img", "iframe"} & set(names)
    for name, attributes in page.seen:
        for key in ("href", "src", "xlink:href"):
            target = attributes.get(key, "#")
            assert target.startswith(("#", "data:text/csv")), (name, target)
    ids = [attributes["id"] for _, attributes in page.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    used = re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', html)
    assert used and set(used) <= set(ids)
    assert re.search(r'<th[^>]*class="n"[^>]*><button type="button">best_on_test', html)


def test_figures_have_data_files_and_equal_runs_give_equal_bytes(tmp_path):
    make_run(tmp_path / "runs" / "one")
    report(tmp_path)
    out = tmp_path / "report"
    first = {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    report(tmp_path)
    assert first == {p.relative_to(out): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    curve = (out / "figures" / "test_fi_top1.csv").read_text()
    assert curve == "epoch,one\n1,0.5\n2,0.75\n3,0.6\n"
    assert (
        (out / "figures" / "loss_one.csv").read_text().startswith("epoch,loss,sup_loss\n1,3.0,0.02")
    )
    pseudo = (out / "figures" / "pseudo_labels_one.csv").read_text()
    assert pseudo.startswith("epoch,mask rate,pseudo-label precision\n1,0.5,0.75")
    assert "awe,7,1\n" in (out / "figures" / "confusion_one.csv").read_text()
    html = (out / "report.html").read_text()
    for words in ("Test top1 on fi", "epoch</text>", "mask rate", "Confusion of one at epoch 2"):
        assert words in html
    for svg in re.findall(r"\]\((figures/[^)]+)\)", (out / "report.md").read_text()):
        assert "var(" not in (out / svg).read_text()


def test_parity_counts_and_failures(tmp_path):
    make_run(tmp_path / "runs" / "one")
    cases = [
        {"name": "a", "kind": "s2ver/ema", "status": "passed", "max_abs": 0.0, "message": ""},
        {"name": "b", "kind": "s2ver/lr", "status": "failed", "max_abs": 2.5, "message": "off | <"},
        {"name": "c", "kind": "dimva/lr", "status": "unsupported"},
    ]
    file = tmp_path / "parity.json"
    file.write_text(json.dumps({"passed": 1, "failed": 1, "unsupported": 1, "cases": cases}))
    html, markdown = report(tmp_path, "--parity", str(file))
    assert "| s2ver | 1 | **1** | 0 | 0 |" in markdown and "| dimva | 0 | 0 | 1 | 0 |" in markdown
    assert "| s2ver/lr | s2ver | 0 | **1** | 0 | 0 | 2.5 |" in markdown
    assert r"off \| \<" in markdown and "off | &lt;" in html
    alert = re.search(r'<section class="alert".*?</section>', html, re.DOTALL)[0]
    assert "Parity fails: s2ver/lr, 1 of 1 cases" in alert
    assert markdown.index("Parity fails") < markdown.index("## Papers")
    file.write_text("{}")
    flags = ["--runs", str(tmp_path / "runs"), "--parity", str(file), "--out", str(tmp_path)]
    assert main(["report", *flags]) == 2


def test_a_given_results_file_is_shown_in_full(tmp_path):
    make_run(tmp_path / "runs" / "one")
    arms = {"A": {"1": {"last": 0.5}}, "B": {"1": {"last": 0.25, "more": [1, 2]}}}
    claim = Results(
        kind="claim",
        paper="s2ver",
        claim="A beats B",
        metric="last",
        arms=arms,
        seeds=[1],
        dataset=drawn("fi"),
        command="python -m benchmarks x",
        commit="0123",
        date="2026-01-01",
        environment={"device": "A CPU"},
        comparisons=compared(arms, [("A beats B", "A", "B", "last")]),
        verdict=Verdict.ONE_SEED,
        details={"odd": "something"},
    )
    file = tmp_path / "claim.json"
    results_file.write(file, claim)
    html, markdown = report(tmp_path, "--claims", str(file))
    assert "| A beats B | undecided: one seed | A above B | +0.2500 |" in markdown
    assert "| B | 1 | 0.25 | \\[1, 2\\] |" in markdown and "- **odd**: something" in markdown
    assert "<dt>odd</dt><dd>something</dd>" in html
    assert "A beats B</li>" in re.search(r'<div class="banner".*?</div>', html, re.DOTALL)[0]
    file.write_text('{"claim": "A beats B"}')
    flags = ["--runs", str(tmp_path / "runs"), "--claims", str(file), "--out", str(tmp_path)]
    assert main(["report", *flags]) == 2


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.2, "0 s"), (61, "1 min 1 s"), (7200, "2 h"), (None, "–")]
)
def test_durations(seconds, shown):
    assert tables.duration(seconds).text == shown


def test_plain_table_aligns_numbers_to_the_right():
    rows = [
        {"name": "a", "n": tables.number(5)},
        {"name": "long", "n": tables.number(12.345, ".1f")},
    ]
    lines = tables.Table("t", rows).plain().splitlines()
    assert [line.split() for line in lines[::2]] == [["name", "n"], ["a", "5"]]
    assert lines[2].endswith("   5") and lines[3].endswith("12.3")
