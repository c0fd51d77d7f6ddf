import pytest
import torch
from torchvision.models import resnet18

from adacm.model import UnitNormResNet, load_weights
from common.cli import UserError


@pytest.fixture(scope="module")
def model():
    return UnitNormResNet(7)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("part", [None, "state_dict", "ema_state_dict"])
def test_torchvision_names_fill_the_trunk(tmp_path, model, prefix, part):
    weights = resnet18(weights=None).state_dict()
    weights.pop("bn1.num_batches_tracked")  # old files lack it
    content = {prefix + name: value for name, value in weights.items()}
    torch.save({part: content} if part else content, tmp_path / "w.pth")
    assert load_weights(model, tmp_path / "w.pth") == tmp_path / "w.pth"
    state = model.state_dict()
    assert torch.equal(state["base.1.running_mean"], weights["bn1.running_mean"])
    assert torch.equal(
        state["base.5.0.downsample.0.weight"], weights["layer2.0.downsample.0.weight"]
    )


def test_own_names_fill_the_classifier_too(tmp_path, model):
    other = UnitNormResNet(7)
    torch.save(other.state_dict(), tmp_path / "w.pth")
    load_weights(model, tmp_path / "w.pth")
    assert torch.equal(model.classifier.weight, other.classifier.weight)


def test_missing_and_unexpected_names_are_listed(tmp_path, model):
    weights = resnet18(weights=None).state_dict()
    weights["layer1.9.weight"] = weights.pop("layer1.0.conv1.weight")
    weights["conv1.weight"] = torch.zeros(1)
    torch.save(weights, tmp_path / "w.pth")
    with pytest.raises(UserError) as error:
        load_weights(model, tmp_path / "w.pth")
    told = str(error.value)
    assert "missing: base.4.0.conv1.weight;" in told
    assert "of another shape: base.0.weight;" in told
    assert "unexpected: base.4.9.weight)" in told


def test_features_have_unit_length(model):
    model.eval()
    with torch.no_grad():
        logits, features = model(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 7)
    assert features.norm(dim=1).tolist() == pytest.approx([1.0, 1.0])
