"""Starting weights: what is loaded, what is left, and what is refused."""

import json
import logging

import pytest
import torch

from common.cli import UserError
from webemotion.checkpoints import POLICIES, Report, loose_load, start_from
from webemotion.model import build_network


def network(arch="resnet50", classes=4):
    torch.manual_seed(0)
    return build_network(arch, classes, 6, trunk="resnet10", adaptive=True)


@pytest.fixture
def saved(tmp_path):
    def save(model, bare=False, ours=False):
        state = {f"module.{name}": value + 1 for name, value in model.state_dict().items()}
        torch.save(state if bare else {"state_dict": state}, tmp_path / "c.pth.tar")
        if ours:
            (tmp_path / "config.json").write_text(json.dumps({"method": "webemotion"}))
        return tmp_path / "c.pth.tar"

    return save


def test_shapes_are_not_compared_and_seven_characters_go():
    own = {"layer1.a": torch.zeros(2, 3), "b": torch.zeros(4)}
    report = loose_load(own, {"a": torch.arange(6.0), "b": torch.ones(5)})
    assert own["layer1.a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert report == Report(["layer1.a"], [], ["b"], [])


def test_fine_tuning_never_loads_fc(saved):
    model = network()
    before = model.fc.weight.clone()
    report = start_from(model, saved(network()), POLICIES["no_fc"])
    assert torch.equal(model.fc.weight, before)
    assert report.excluded == ["fc.weight", "fc.bias"]


@pytest.mark.parametrize(("bare", "loaded"), [(True, False), (False, True)])
def test_training_scripts_load_fc_from_a_training_alone(saved, bare, loaded):
    model = network()
    before = model.fc.weight.clone()
    start_from(model, saved(network(), bare), POLICIES["training"])
    assert torch.equal(model.fc.weight, before) != loaded


def test_heads_may_be_new_and_the_report_is_logged(saved, caplog):
    caplog.set_level(logging.INFO)
    start_from(network("resnet_2branch_50"), saved(network(classes=9), ours=True), POLICIES["all"])
    assert "size mismatch: fc.weight, fc.bias" in caplog.text
    assert "missing: proj.weight, proj.bias" in caplog.text


def test_our_own_trunk_must_fit_unless_loose(saved):
    other = build_network("resnet18", 4)
    path = saved(other, ours=True)
    with pytest.raises(UserError, match="another trunk"):
        start_from(build_network("resnet34", 4), path, POLICIES["all"])
    report = start_from(build_network("resnet34", 4), path, POLICIES["all"], loose=True)
    assert report.missing


def test_evaluation_takes_all_names_but_not_every_size(saved):
    path = saved(network("resnet_2branch_50", classes=9))  # proj is one name more
    report = start_from(network(), path, POLICIES["finetuning"], evaluate=True)
    assert report.size_mismatch == ["fc.weight", "fc.bias"] and not report.excluded
    path = saved(network("resnet_2branch_50"))
    assert "fc.weight" in start_from(network(), path, POLICIES["finetuning"], True).loaded
    with pytest.raises(UserError, match=r"lacks proj\.weight, proj\.bias"):
        model = network("resnet_2branch_50")
        start_from(model, saved(network()), POLICIES["finetuning"], evaluate=True)


def test_a_file_without_tensors_is_no_checkpoint(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "c.pth")
    with pytest.raises(UserError, match="no checkpoint"):
        start_from(network(), tmp_path / "c.pth", POLICIES["all"])
