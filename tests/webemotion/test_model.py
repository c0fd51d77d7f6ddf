"""The networks, their freezing and their starting weights."""

import pytest
import torch
from torchvision.models import ResNet18_Weights

from common.cli import UserError
from webemotion.method import EmotionMethod, Settings
from webemotion.model import (
    build_network,
    freeze_all_except_fc,
    start_as_configured,
    start_from_imagenet,
)


@pytest.mark.parametrize(
    ("arch", "shapes"),
    [
        ("resnet50", [(2, 5)]),
        ("resnet_2branch_50", [(2, 5), (2, 7)]),
        ("resnet_custom_50", [(2, 5), (2, 7)]),
        ("resnet_joint_50", [(2, 5), (2, 7)]),
        ("resnet_3branch_50", [(2, 5), (2, 7), (2, 3)]),
        ("resnet50_feature_extractor", [(2, 512)]),
    ],
)
def test_outputs(arch, shapes):
    model = build_network(arch, 5, 7, 3, trunk="resnet10", adaptive=True).eval()
    with torch.no_grad():
        outputs = model(torch.randn(2, 3, 32, 32))
    assert [tuple(output.shape) for output in outputs] == shapes


def test_published_pooling_fits_one_size_alone():
    model = build_network("resnet18", 5).eval()
    with pytest.raises(RuntimeError), torch.no_grad():
        model(torch.randn(1, 3, 256, 256))


def test_unknown_names_are_told():
    with pytest.raises(UserError, match="'resnet51' is unknown; known are resnet10"):
        build_network("resnet51", 5)
    with pytest.raises(UserError, match="depth 'x' is unknown"):
        build_network("resnet50", 5, trunk="x")


def test_frozen_trunk_keeps_counting_unless_told_not_to():
    images = torch.randn(4, 3, 32, 32)
    for freeze_norms in (False, True):
        model = build_network("resnet_2branch_50", 3, trunk="resnet10", adaptive=True)
        assert freeze_all_except_fc(model) == ["fc.weight", "fc.bias"]
        method = EmotionMethod(model, Settings(freeze_norms=freeze_norms)).train()
        before = model.bn1.running_mean.clone()
        method.model(images)
        assert torch.equal(model.bn1.running_mean, before) == freeze_norms


def test_imagenet_weights_go_into_the_trunk(tmp_path, monkeypatch):
    source = build_network("resnet18", 1000)
    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", lambda *_, **__: source.state_dict())
    model = build_network("resnet_2branch_50", 3, trunk="resnet18")
    assert "torchvision" in start_from_imagenet(model, "resnet18", None)
    assert torch.equal(model.conv1.weight, source.conv1.weight)
    torch.save(source.state_dict(), tmp_path / "w.pth")
    other = build_network("resnet18", 3)
    assert start_from_imagenet(other, "resnet18", str(tmp_path / "w.pth")).endswith("w.pth")
    assert torch.equal(other.layer4[1].conv2.weight, source.layer4[1].conv2.weight)


def test_without_a_network_the_way_out_is_told(monkeypatch):
    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", offline)
    with pytest.raises(UserError, match="give their file with --pretrained, or --set pretrained"):
        start_from_imagenet(build_network("resnet18", 3), "resnet18", None)
    with pytest.raises(UserError, match="no ImageNet weights of resnet10"):
        start_from_imagenet(build_network("resnet10", 3), "resnet10", None)


def test_nothing_is_fetched_unasked(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    source, fetched = build_network("resnet18", 1000), []

    def fetch(*_, **__):
        fetched.append(True)
        return source.state_dict()

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", fetch)
    model = build_network("resnet18", 3)
    with pytest.raises(UserError, match=r"there is no .*--pretrained download"):
        start_as_configured(model, "resnet18", True)
    assert not fetched
    start_as_configured(model, "resnet18", "download")
    assert fetched and torch.equal(model.conv1.weight, source.conv1.weight)


def test_the_three_branch_network_takes_its_published_keywords():
    model = build_network("resnet_3branch_50", 4, word_dim=7, basic_classes=3, trunk="resnet10")
    assert (model.proj.out_features, model.fc_aux.out_features) == (7, 3)
