"""torchvision's ImageNet weights in a trunk, with nothing downloaded."""

import socket

import pytest
import torch
from torchvision.models import ResNet18_Weights, resnet18

from common.cli import UserError
from common.nn.backbones import load_imagenet


def test_the_trunk_is_taken_and_the_head_is_left(monkeypatch):
    source, model = resnet18(weights=None), resnet18(weights=None, num_classes=3)
    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", lambda *_, **__: source.state_dict())
    head = model.fc.weight.clone()
    assert "IMAGENET1K_V1" in load_imagenet(model, "resnet18", ("fc",), "do this")
    assert torch.equal(model.conv1.weight, source.conv1.weight)
    assert torch.equal(model.fc.weight, head)
    with pytest.raises(UserError, match=r"lack layer1\.0\.conv1\.weight"):
        wrong = {"layer1.0.conv1.weight": "other"}
        load_imagenet(model, "resnet18", ("fc",), "do this", lambda key: wrong.get(key, key))


def test_without_a_network_the_way_out_is_told(monkeypatch):
    def offline(*_, **__):
        assert socket.getdefaulttimeout()
        raise OSError("no route to host")

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", offline)
    with pytest.raises(UserError, match=r"\(no route to host\); do this\."):
        load_imagenet(resnet18(weights=None), "resnet18", ("fc",), "do this")
    assert socket.getdefaulttimeout() is None
