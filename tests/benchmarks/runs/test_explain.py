"""Differences between a run and a recipe."""

import dataclasses
import json

import pytest

from benchmarks.ground.results_file import ROOT
from benchmarks.ledger import rows as ledger
from benchmarks.runs import explain, programs
from common import quirks
from common.cli import UserError
from common.flags import plain

ROWS = ledger.load()


def write_run(folder, row, data=None, versions=None, **changes):
    """A run folder as the row's command would leave it, with some arguments changed."""
    args = programs.parse(row.command)
    for name, value in changes.items():
        assert hasattr(args, name)
        setattr(args, name, value)
    register = quirks.load(ROOT / row.paper / "quirks.yaml")
    config = {
        "method": explain.method_of(row.command),
        "arguments": {name: plain(value) for name, value in vars(args).items()},
        "quirks_in_force": [q.name for q in quirks.in_force(register, args)],
        "data": {"name": row.dataset, "drawn": False, **(data or {})},
    }
    environment = {"device": "CPU", "device_type": "cpu", "versions": versions or {}}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "environment.json").write_text(json.dumps(environment))
    return folder


@pytest.fixture
def adacm():
    return ledger.find("adacm/main/rafdb-4000", ROWS)


def test_the_recipe_itself_differs_in_machine_alone(tmp_path, adacm):
    run = write_run(tmp_path / "run", adacm, {"train": {"a": 12271}, "test": {"a": 3068}})
    topics = {difference.topic for difference in explain.explain(run, adacm)}
    assert topics <= {"GPUs", "libraries"}


def test_every_kind_of_difference_is_listed(tmp_path, adacm):
    run = write_run(
        tmp_path / "run",
        adacm,
        {"train": {"a": 100}, "drawn": True},
        {"torch": "0.1"},
        batch_size=256,
        num_labelled=400,
        pretrained=None,
        image_size=48,
        precision="bf16",
        channel_order="rgb",
    )
    found = {difference.name: difference for difference in explain.explain(run, adacm)}
    assert (found["batch_size"].recipe, found["batch_size"].here) == ("16", "256")
    assert found["batch_size"].topic == "batch size"
    for name in ("num_labelled", "pretrained", "image_size", "precision", "train images", "torch"):
        assert name in found
    assert found["colours in blue-green-red order"].here == "not in force"
    assert found["images"].here == "a drawn stand-in"


def test_what_it_matters_is_in_the_register_or_not_measured(tmp_path, adacm):
    run = write_run(tmp_path / "run", adacm, batch_size=256)
    found = {difference.name: difference for difference in explain.explain(run, adacm)}
    assert found["batch_size"].matters == "not measured here"
    entries = [q for q in quirks.load(ROOT / "adacm/quirks.yaml") if q.corrected]
    quirk = dataclasses.replace(entries[0], effect="two points")
    (name,) = list(quirk.corrected)[:1]
    (told,) = explain._arguments({name: "other"}, {name: "one"}, [quirk])
    assert told.matters == "two points"
    assert "committed runs" in explain.protocol_gap("s2ver")
    assert "not measured here" in explain.protocol_gap("no-such-paper")


def test_nearest_row_is_found(tmp_path, in_process):
    row = ledger.find("s2ver/main/se30k8-400-fixmatch", ROWS)
    run = write_run(tmp_path / "run", row, lr=0.1)
    file = tmp_path / "differences.json"
    done = in_process(explain.main, [run, "--json", file], tmp_path)
    assert done.code == 0 and f"against {row.id}" in done.out and "lr: 0.03 -> 0.1" in done.out
    assert "lr" in {d["name"] for d in json.loads(file.read_text())["differences"]}


def test_no_run_is_told(tmp_path, in_process, adacm):
    refused = in_process(explain.main, [tmp_path / "nothing"], tmp_path)
    assert refused.code == 2 and "is no run folder" in refused.err
    run = write_run(tmp_path / "run", adacm)
    with pytest.raises(UserError, match="method not in this repository"):
        explain.explain(run, ledger.find("s2ver/main/fi-80-rca", ROWS))
