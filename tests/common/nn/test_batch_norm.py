"""Batch norms that see the batch in parts."""

import copy

import torch
import torchvision
from torch import nn

from common.nn.batch_norm import group_batch_norms


def test_parts_are_normalised_on_their_own_and_the_first_one_is_remembered():
    torch.manual_seed(0)
    whole = torchvision.models.resnet18(num_classes=3).train()
    parts, images = copy.deepcopy(whole), torch.randn(5, 3, 32, 32)
    alone = [copy.deepcopy(whole) for _ in range(2)]
    group_batch_norms(parts, 2)
    # DataParallel gives the first GPU three of five images and keeps its buffers.
    expected = torch.cat([alone[0](images[:3]), alone[1](images[3:])])
    torch.testing.assert_close(parts(images), expected)
    for name, value in parts.state_dict().items():
        torch.testing.assert_close(value, alone[0].state_dict()[name])
    assert not torch.allclose(whole(images), expected)


def test_one_group_and_evaluation_are_plain():
    plain, grouped = nn.BatchNorm2d(2), nn.Sequential(nn.BatchNorm2d(2))
    group_batch_norms(grouped, 4)
    images = torch.randn(8, 2, 3, 3)
    torch.testing.assert_close(grouped.eval()(images), plain.eval()(images))
    assert list(grouped.state_dict()) == [f"0.{name}" for name in plain.state_dict()]
