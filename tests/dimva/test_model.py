"""Keys, freezing and checkpoints of the network."""

import pytest
import torch
import torchvision

from common.cli import UserError
from common.predict import load
from dimva.model import DimensionalResNet, freeze, start_from_imagenet


@pytest.mark.parametrize("classes", [None, 3])
def test_outputs_and_keys(classes):
    model = DimensionalResNet("resnet18", classes).eval()
    logits, va = model(torch.zeros(2, 3, 32, 32))
    assert va.shape == (2, 2)
    assert logits is None if classes is None else logits.shape == (2, 3)
    heads = [key for key in model.state_dict() if not key.startswith("resnet.")]
    assert heads == (["FC_cat.weight", "FC_cat.bias"] if classes else []) + [
        "FC_va.weight",
        "FC_va.bias",
    ]


def test_second_stage_trains_the_last_stage_and_the_heads():
    model = DimensionalResNet("resnet18", 8)
    trained = freeze(model, 4)
    assert {name.split(".")[0] for name in trained} == {"resnet", "FC_cat", "FC_va"}
    assert all(n.startswith(("resnet.7.", "FC_")) for n in trained)
    assert freeze(model, 5) == []
    assert len(freeze(model, 0)) == len(list(model.parameters()))


def test_torchvision_weights_are_taken_by_their_names(tmp_path):
    trunk = torchvision.models.resnet18(weights=None)
    torch.save(trunk.state_dict(), tmp_path / "resnet18.pth")
    model = DimensionalResNet("resnet18", 8)
    start_from_imagenet(model, "resnet18", str(tmp_path / "resnet18.pth"))
    own, theirs = model.state_dict(), trunk.state_dict()
    assert torch.equal(own["resnet.7.0.conv1.weight"], theirs["layer4.0.conv1.weight"])
    assert torch.equal(own["resnet.0.weight"], theirs["conv1.weight"])


@pytest.mark.parametrize(("backbone", "classes"), [("resnet18", 8), ("resnet50", None)])
def test_checkpoint_says_what_network_it_is_of(tmp_path, backbone, classes):
    model = DimensionalResNet(backbone, classes)
    torch.save(model.state_dict(), tmp_path / "a.pt")
    named = () if classes is None else None  # the eight are Mikels', as the file's form says
    loaded = load(tmp_path / "a.pt", "dimva", named).network.network
    assert loaded.state_dict().keys() == model.state_dict().keys()
    assert torch.equal(loaded.FC_va.weight, model.FC_va.weight)


def test_foreign_checkpoint_is_refused(tmp_path):
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "a.pt")
    with pytest.raises(UserError, match="has not the tensors of dimva's network"):
        load(tmp_path / "a.pt", "dimva")


def test_missing_imagenet_weights_are_refused_and_nothing_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match=r"there is no .*; give --pretrained download"):
        start_from_imagenet(DimensionalResNet("resnet18"), "resnet18", "imagenet")
    assert not list(tmp_path.iterdir())
