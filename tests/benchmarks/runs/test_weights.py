"""Published checkpoints against their rows."""

import dataclasses
import json

import pytest
import torch

from adacm.model import UnitNormResNet
from benchmarks.ledger import rows as ledger
from benchmarks.runs import weights
from benchmarks.runs.weights import Measured
from common.cli import UserError
from common.datasets.standins.twin import make_twin
from s2ver.model import build_model
from ssfer.vit import build_vit

ROWS = ledger.load()
ADACM = ledger.find("adacm/main/rafdb-4000", ROWS)
SSFER = ledger.find("ssfer/notebook/rafdb-5", ROWS)


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "rafdb"
    make_twin("rafdb", folder, 0.002, 0, 32)
    return folder


def test_authors_form_of_ada_cm(faces, tmp_path, in_process):
    torch.manual_seed(0)
    live, average = UnitNormResNet(7), UnitNormResNet(7)
    with torch.no_grad():  # the average is the one that counts: it answers "happiness" always
        average.classifier.weight.zero_()
        average.classifier.bias.copy_(torch.eye(7)[3])
    parts = {"state_dict": live, "ema_state_dict": average}
    state = {
        name: {f"module.{k}": v for k, v in net.state_dict().items()} for name, net in parts.items()
    }
    file, told = tmp_path / "model_best.pth.tar", tmp_path / "outcome.json"
    torch.save({**state, "epoch": 8, "acc": 80.0, "best_acc": 84.4}, file)
    words = ["--checkpoint", file, "--row", ADACM.id, "--data", faces, "--json", told]
    done = in_process(weights.main, [*words, "--device", "cpu"], tmp_path)
    outcome = json.loads(told.read_text())
    assert done.code == 1 and outcome["outcome"] == "not comparable" and outcome["drawn"]
    happy = sum(outcome["report"]["confusion"][3])
    assert outcome["value"] == pytest.approx(100 * happy / outcome["images"])
    assert len(outcome["checkpoint"]["sha256"]) == 64


def test_weights_that_do_not_fit_are_refused(faces, tmp_path, in_process):
    file = tmp_path / "other.pth"
    torch.save({"state_dict": {"conv.weight": torch.zeros(3)}}, file)
    words = ["--checkpoint", file, "--row", ADACM.id, "--data", faces]
    refused = in_process(weights.main, words, tmp_path)
    assert refused.code == 2 and "does not fit this network" in refused.err


def test_plain_state_dict_of_ssfer(tmp_path):
    folder = tmp_path / "faces"
    make_twin("rafdb_folders", folder, 0.002, 0, 32)
    file = tmp_path / "SSFER_RAFDB_0.05_model.pth"
    torch.save(build_vit("tiny", num_classes=7, img_size=32).state_dict(), file)
    small = dataclasses.replace(SSFER, command=SSFER.command + " --model tiny --input_size 32")
    found = weights.evaluate(small, file, folder, "cpu")
    assert found.drawn and found.images > 0 and 0 <= found.value <= 100
    assert "Happiness" in found.report["recall"]


def test_averaged_weights_of_s2ver(tmp_path):
    folder = tmp_path / "fi"
    make_twin("fi", folder, 0.002, 0, 32)
    row = ledger.find("s2ver/main/fi-80-s2-ver", ROWS)
    small = dataclasses.replace(row, command=row.command + " --backbone resnet18 --image_size 32")
    model = build_model("resnet18", 8, 64)
    file = tmp_path / "model_best.pth"
    torch.save({"model": {}, "ema_model": model.state_dict(), "it": 0}, file)
    assert weights.evaluate(small, file, folder, "cpu").drawn


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        (Measured(81.30, 3068, False), "weights verified"),
        (Measured(80.96, 3068, False), "differs"),
        (Measured(81.29, 3000, False), "not comparable"),
        (Measured(81.29, 3068, True), "not comparable"),
    ],
)
def test_outcomes(found, outcome):
    assert weights.judge(SSFER, found)[0] == outcome


def test_unknown_value_is_not_comparable():
    row = dataclasses.replace(SSFER, value=None, note="not found")
    assert weights.judge(row, Measured(81.29, 3068, False))[0] == "not comparable"


def test_rows_that_have_no_checkpoint_say_so(tmp_path):
    for row_id, told in (
        ("s2ver/main/fi-80-rca", "method not in this repository"),
        ("dimva/fi-single/valence", "no checkpoint was published"),
    ):
        with pytest.raises(UserError, match=told):
            weights.evaluate(ledger.find(row_id, ROWS), tmp_path / "f", tmp_path, "cpu")
