"""The transfer comparison runs from the stand-ins to a verdict, and says what it compared."""

import json

import pytest

from benchmarks.claims import base, web_transfer
from benchmarks.ground import results_file


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    place = tmp_path_factory.mktemp("web_transfer")
    out = place / "result.json"
    words = ["--size", "smoke", "--seeds", "1", "--device", "cpu"]
    assert web_transfer.main([*words, "--work", str(place / "work"), "--out", str(out)]) == 0
    return place, json.loads(out.read_text(encoding="utf-8"))


def test_every_arm_has_its_figure(result):
    _, found = result
    arms = {"joint", "image", "frozen", "scratch", "zero_shot", "chance"}
    assert set(found["arms"]) == arms
    assert all(0 <= found["arms"][arm]["1"]["accuracy"] <= 1 for arm in arms)
    assert found["arms"]["chance"]["1"]["accuracy"] == pytest.approx(1 / 6)
    assert found["command"] == "python -m benchmarks web_transfer --size smoke --seeds 1"
    assert "DRAWN" in found["dataset"]["note"]


def test_one_seed_gives_no_verdict(result):
    _, found = result
    table, arms = base.table(results_file.parse(found, "result")), found["arms"]
    for claim, (text, better, worse) in zip(
        found["comparisons"], web_transfer.WebTransfer.statements, strict=True
    ):
        expected = arms[better]["1"]["accuracy"] - arms[worse]["1"]["accuracy"]
        assert claim["differences"] == [pytest.approx(expected)]
        assert claim["verdict"] == "undecided: one seed"
        assert claim["claim"] == text and text in table


def test_arms_differ_in_what_they_say_they_do(result):
    place, _ = result
    folder = place / "work/smoke/seed1"

    def config(name):
        return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))

    joint, image = config("joint"), config("image")
    assert {key for key in joint if joint[key] != image[key]} == {"alpha", "save_directory"}
    assert image["alpha"] == 0
    frozen, scratch = config("transfer_frozen"), config("transfer_scratch")
    assert {key for key in frozen if frozen[key] != scratch[key]} == {"freeze", "save_directory"}
    assert frozen["resume"] is None
    transfer = config("transfer_joint")
    assert {k for k in frozen if frozen[k] != transfer[k]} == {"resume", "save_directory"}


def test_a_finished_run_is_read_again(result, capsys, monkeypatch):
    place, found = result
    monkeypatch.setattr(web_transfer, "run_script", lambda *_: pytest.fail("trained again"))
    words = ["--size", "smoke", "--seeds", "1", "--device", "cpu", "--work", str(place / "work")]
    assert web_transfer.main([*words, "--out", str(place / "again.json")]) == 0
    again = json.loads((place / "again.json").read_text(encoding="utf-8"))
    assert again["arms"] == found["arms"]
