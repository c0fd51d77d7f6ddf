"""FaceMix's losses and boxes against values computed by hand."""

import math

import numpy as np
import pytest
import torch

from ssfer.finetune import objective
from ssfer.finetune.faces import FALLBACK, box_of


def test_overlap_of_hand_made_boxes():
    first = np.array([[0, 0, 10, 10], [0, 0, 4, 4], [1, 2, 8, 9], [3, 3, 3, 3]])
    second = np.array([[5, 5, 15, 15], [6, 6, 9, 9], [1, 2, 8, 9], [3, 3, 3, 3]])
    iou = objective.box_iou(first, second)
    assert iou[:3].tolist() == [25 / 175, 0, 1]
    assert math.isnan(iou[3])


def test_pairs_are_mirrored_and_the_middle_of_an_odd_batch_has_no_value():
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 5, 5], [5, 0, 15, 10]])
    assert objective.pair_iou(boxes).tolist() == pytest.approx([1 / 3, 1 / 3])


def test_box_is_rounded_half_up_and_several_faces_are_none():
    one = np.array([[0.5, 1.49, 99.5, -0.7, 0.9, 0]], np.float32)
    assert box_of(one).tolist() == [1, 1, 100, 0]
    assert box_of(np.vstack([one, one])).tolist() == list(FALLBACK)
    assert box_of(np.empty((0, 6), np.float32)).tolist() == list(FALLBACK)


def test_facemix_loss_of_a_pair_by_hand():
    """Equal logits over 2 classes: every cross-entropy is ln 2, whatever the targets."""
    logits = torch.zeros(2, 2)
    targets = torch.tensor([[0.7, 0.3], [0.7, 0.3]])
    iou = torch.tensor([0.25, 0.25])
    parts = objective.facemix_loss(logits, logits, torch.tensor([0, 1]), targets, iou)
    # 2 mixed + 0.75 · 2 originals for each of the two images, over 2 images.
    assert parts.loss.item() == pytest.approx((2 + 2 * 0.75 * 2) * math.log(2) / 2)


def test_originals_count_less_the_more_the_faces_overlap():
    logits = torch.randn(4, 7, generator=torch.Generator().manual_seed(0))
    labels, targets = torch.tensor([0, 1, 2, 3]), torch.full((4, 7), 1 / 7)
    apart, same = torch.zeros(4), torch.ones(4)
    losses = [objective.facemix_loss(logits, logits, labels, targets, i) for i in (apart, same)]
    assert losses[1].loss.item() == pytest.approx(losses[1].mixed.mean().item())
    expected = 2 * losses[0].origin.mean().item() + losses[0].mixed.mean().item()
    assert losses[0].loss.item() == pytest.approx(expected)


def test_mixing_overwrites_and_remembers_its_share():
    np.random.seed(3)
    lam = np.random.rand() and np.random.beta(1.0, 1.0)
    np.random.seed(3)
    mix = objective.BatchMixup(mixup_alpha=1.0, label_smoothing=0.0, num_classes=2)
    x = torch.tensor([[[[1.0]]], [[[0.0]]]])
    mixed, targets = mix(x, torch.tensor([0, 1]))
    assert mixed is x and mix.lam == pytest.approx(lam)
    assert mixed.flatten().tolist() == pytest.approx([lam, 1 - lam])
    assert targets[0].tolist() == pytest.approx([lam, 1 - lam])


@pytest.mark.parametrize("mode", ["elem", "pair"])
def test_other_modes_of_mixup_are_refused(mode):
    with pytest.raises(ValueError, match=mode):
        objective.BatchMixup(mode=mode)


def test_odd_batch_cannot_be_mixed():
    with pytest.raises(ValueError, match="3 images"):
        objective.BatchMixup()(torch.zeros(3, 3, 2, 2), torch.zeros(3).long())


def test_pseudo_labels_pass_no_gradient_and_count_only_the_sure():
    logits = torch.tensor([[4.0, 0.0], [0.1, 0.0]], requires_grad=True)
    probability, label, mask = objective.pseudo_labels(logits, 0.7)
    assert not probability.requires_grad
    assert label.tolist() == [0, 0] and mask.tolist() == [True, False]
    strong = torch.zeros(2, 2)
    loss = objective.consistency_loss(strong, label, mask)
    assert loss.item() == pytest.approx(math.log(2) / 2)  # the mean is over both images
    assert objective.pseudo_accuracy(label, torch.tensor([1, 0]), mask).item() == 0
    assert objective.pseudo_accuracy(label, torch.tensor([0, 0]), ~(mask | True)).item() == 0
