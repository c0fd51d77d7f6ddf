import pytest
import torch
from torch import nn

from common.engine.method import Progress
from s2ver.method import S2VER, S2VERConfig
from s2ver.model import build_model, decay_groups

L, U, C, D = 3, 4, 8, 5
POLARITY = [1, 0, 1, 1, 0, 1, 0, 0]
ROWS = {"labelled": slice(0, L), "weak": slice(L, L + U)}
ROWS |= {"strong0": slice(L + U, L + 2 * U), "strong1": slice(L + 2 * U, L + 3 * U)}


class Recorder(nn.Module):
    """A network that remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.shown = None
        self.heads = nn.Linear(3 * 4 * 4, C + D)

    def forward(self, images):
        self.shown = images
        out = self.heads(images.flatten(1))
        return out[:, :C], nn.functional.normalize(out[:, C:], dim=1)


def outputs(seed=0, sharpness=1.0):
    """Random (logits, unit features), leaves of the graph."""
    torch.manual_seed(seed)
    logits = (sharpness * torch.randn(L + 3 * U, C)).requires_grad_()
    features = nn.functional.normalize(torch.randn(L + 3 * U, D), dim=1).requires_grad_()
    return logits, features


def method(**weights):
    return S2VER(nn.Identity(), C, D, POLARITY, S2VERConfig(**weights))


LABELS, HIDDEN = torch.tensor([0, 3, 5]), torch.tensor([1, 2, 3, 4])


def test_one_forward_over_labelled_weak_and_both_strong_views():
    torch.manual_seed(0)
    views = {name: torch.randn(U, 3, 4, 4) for name in ("weak", "strong0", "strong1")}
    labelled = {"weak": torch.randn(L, 3, 4, 4), "label": LABELS}
    network = Recorder()
    s2ver = S2VER(network, C, D, POLARITY)
    batches = {"labelled": labelled, "unlabelled": {**views, "label": HIDDEN}}
    output = s2ver.training_step(batches, Progress(0, 0, 1, 1))

    assert torch.equal(network.shown[ROWS["labelled"]], labelled["weak"])
    for name, images in views.items():
        assert torch.equal(network.shown[ROWS[name]], images)
    output.loss.backward()
    assert network.heads.weight.grad.any()


def test_weak_rows_get_no_gradient_and_the_others_do():
    logits, features = outputs(sharpness=20)  # sharp enough for some to be kept
    output = method(dynamic_th=0, p_cutoff=0.5).losses(logits, features, LABELS, HIDDEN)
    assert output.details["mask"].any()
    output.loss.backward()

    assert not logits.grad[ROWS["weak"]].any()
    assert not features.grad[ROWS["weak"]].any()
    assert not features.grad[ROWS["labelled"]].any()
    for name in ("labelled", "strong0", "strong1"):
        assert logits.grad[ROWS[name]].any()
    for name in ("strong0", "strong1"):
        assert features.grad[ROWS[name]].any()


def test_loss_is_the_weighted_sum_of_its_parts():
    logits, features = outputs(sharpness=20)
    settings = {"ulb_loss_ratio": 0.5, "lam_c": 2.0, "lam_d": 4.0}
    output = method(**settings, dynamic_th=0.1).losses(logits, features, LABELS, HIDDEN)
    parts = output.logs
    expected = parts["sup_loss"] + 0.5 * parts["unsup_loss"]
    expected = expected + 2 * parts["contrast_loss"] + 4 * parts["distribution_loss"]
    assert output.loss.item() == pytest.approx(expected.item())
    assert parts["unsup_loss"].item() > 0 and parts["distribution_loss"].item() > 0


def test_fixed_threshold_only_without_the_dynamic_one():
    logits, features = outputs()
    fixed = method(dynamic_th=0, p_cutoff=0.3).losses(logits, features, LABELS, HIDDEN).details
    assert fixed["threshold"].tolist() == pytest.approx([0.3] * U)
    assert torch.equal(fixed["mask"], fixed["score"] >= 0.3)
    dynamic = method(dynamic_th=0.7, p_cutoff=0.3).losses(logits, features, LABELS, HIDDEN).details
    assert (dynamic["threshold"] > 0.7).all()


def test_statistics_compare_kept_pseudo_labels_with_the_truth():
    logits, features = outputs()
    with torch.no_grad():
        logits[ROWS["weak"]] = 50 * torch.eye(C)[[1, 2, 6, 7]]  # the first two are right
    logs = method().losses(logits, features, LABELS, HIDDEN).logs
    assert logs["mask_rate"].item() == 1
    assert logs["pseudo_true_ratio"].item() == pytest.approx(0.5)


def test_memory_is_in_the_state_dict_and_moves():
    s2ver = method()
    logits, features = outputs()
    with torch.no_grad():
        logits[ROWS["labelled"]] = torch.eye(C)[LABELS]  # all labelled images are right
    before = {name: value.clone() for name, value in s2ver.state_dict().items()}
    s2ver.losses(logits, features, LABELS, HIDDEN)
    after = s2ver.state_dict()

    assert set(after) == {"prototypes", "relation", "polarity"}
    for row, label in enumerate(LABELS):
        assert torch.allclose(after["prototypes"][label], 0.1 * features[row].detach())
    assert not torch.equal(after["relation"], before["relation"])
    assert torch.allclose(after["relation"].sum(dim=1), torch.ones(C))


def test_objective_is_computed_in_full_precision_under_autocast():
    logits, features = outputs()
    plain = method().losses(logits, features, LABELS, HIDDEN)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = method().losses(logits, features, LABELS, HIDDEN)
    assert mixed.loss.dtype == torch.float32
    assert mixed.loss.item() == plain.loss.item()


# --- model ---------------------------------------------------------------------------------------


def test_model_gives_logits_and_unit_features():
    model = build_model("resnet18", 6, low_dim=16).eval()
    logits, features = model(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 6)
    assert features.shape == (2, 16)
    assert torch.allclose(features.norm(dim=1), torch.ones(2), atol=1e-5)


def test_decay_goes_by_the_name_or_by_the_kind():
    model = build_model("resnet18", 6)
    decayed, spared = decay_groups(model)
    assert "layer2.0.downsample.1.weight" in decayed  # a batch norm that the name does not show
    assert {"bn1.weight", "fc.bias", "layer2.0.downsample.1.bias"} <= set(spared)
    assert "layer2.0.downsample.1.weight" in decay_groups(model, by_kind=True)[1]
    assert decay_groups(model, skip=False)[1] == []
    assert sorted(decayed + spared) == sorted(name for name, _ in model.named_parameters())
