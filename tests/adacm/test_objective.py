import math

import pytest
import torch

from adacm import objective


def logits_of(*rows):
    """Logits whose softmax is the given rows."""
    return torch.tensor(rows).log()


def test_pseudo_label_is_the_largest_mean_probability():
    weak0 = logits_of([0.6, 0.4], [0.9, 0.1])
    weak1 = logits_of([0.1, 0.9], [0.5, 0.5])
    confidence, label = objective.pseudo_labels(weak0, weak1)
    assert label.tolist() == [1, 0]
    assert confidence.tolist() == pytest.approx([0.65, 0.7])


def test_pseudo_labels_are_constants():
    weak = torch.randn(2, 3, requires_grad=True)
    confidence, _ = objective.pseudo_labels(weak, weak)
    assert not confidence.requires_grad


def test_margin_is_the_scaled_mean_confidence_of_correct_predictions():
    logits = logits_of(
        [0.98, 0.01, 0.01], [0.96, 0.02, 0.02], [0.9, 0.05, 0.05], [0.01, 0.98, 0.01]
    )
    labels = torch.tensor([0, 0, 1, 1])  # the third is wrong and does not count
    margins = objective.adaptive_margins(logits, labels, epoch=5)
    ramp = 0.97 / (1 + math.exp(-5))
    assert margins.tolist() == pytest.approx([ramp * 0.97, ramp * 0.98, 0.8], abs=1e-6)


def test_margin_never_falls_below_the_floor():
    logits = logits_of([0.98, 0.02])
    margins = objective.adaptive_margins(logits, torch.tensor([0]), epoch=1)
    assert 0.97 / (1 + math.exp(-1)) * 0.98 < 0.8
    assert margins.tolist() == pytest.approx([0.8, 0.8])


def test_consistency_loss_divides_by_all_images():
    strong = logits_of([0.5, 0.5], [0.25, 0.75])
    mask = torch.tensor([True, False])
    loss = objective.consistency_loss(strong, torch.tensor([0, 0]), mask)
    assert loss.item() == pytest.approx(math.log(2) / 2)


def test_contrastive_loss_of_two_orthogonal_images():
    # Of each vector: its positive at similarity 1/t, the two others at 0.
    features = torch.eye(2)[:, None].repeat(1, 2, 1)
    loss = objective.contrastive_loss(features, temperature=0.5, base_temperature=0.5)
    assert loss.item() == pytest.approx(math.log(1 + 2 * math.exp(-2)))
    halved = objective.contrastive_loss(features, temperature=0.5, base_temperature=1.0)
    assert halved.item() == pytest.approx(loss.item() / 2)


def test_labels_make_images_of_a_class_positives():
    features = torch.nn.functional.normalize(torch.randn(4, 2, 8), dim=2)
    labels = torch.tensor([0, 1, 0, 1])
    by_label = objective.contrastive_loss(features, labels=labels)
    by_mask = objective.contrastive_loss(features, mask=(labels[:, None] == labels).float())
    assert by_label.item() == pytest.approx(by_mask.item())
    assert by_label.item() != pytest.approx(objective.contrastive_loss(features).item())


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ({"labels": torch.zeros(3), "mask": torch.eye(3)}, "exclude"),
        ({"labels": torch.zeros(2)}, "2 labels for 3 images"),
        ({"contrast_mode": "two"}, "contrast mode 'two'"),
    ],
)
def test_contrastive_loss_refuses(arguments, fact):
    with pytest.raises(ValueError, match=fact):
        objective.contrastive_loss(torch.rand(3, 2, 4), **arguments)


def test_features_without_views_are_refused():
    with pytest.raises(ValueError, match="views"):
        objective.contrastive_loss(torch.rand(3, 4))


def test_only_images_below_their_margin_are_contrasted():
    features = torch.nn.functional.normalize(torch.randn(2, 5, 8), dim=2)
    mask = torch.tensor([True, False, True, False, False])
    loss = objective.low_confidence_loss(features[0], features[1], mask)
    pairs = torch.stack([features[0][~mask], features[1][~mask]], dim=1)
    assert loss.item() == pytest.approx(objective.contrastive_loss(pairs).item())


def test_no_image_below_its_margin_means_no_contrast():
    features = torch.rand(2, 3, requires_grad=True)
    loss = objective.low_confidence_loss(features, features, torch.tensor([True, True]))
    assert loss.item() == 0
    assert not loss.requires_grad
