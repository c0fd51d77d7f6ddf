import math
from itertools import pairwise

import pytest
import torch

from common.nn.schedule import cosine_multiplier, cosine_schedule


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 1.0), (50, math.cos(7 * math.pi / 32)), (100, math.cos(7 * math.pi / 16))],
)
def test_seven_sixteenths_of_a_cosine(step, expected):
    assert cosine_multiplier(step, 100) == pytest.approx(expected)


def test_warmup_is_a_line_and_then_the_cosine_starts_at_one():
    values = [cosine_multiplier(step, 110, warmup=10) for step in range(111)]
    assert values[0] == 0
    assert values[5] == pytest.approx(0.5)
    assert values[10] == 1
    assert values[60] == pytest.approx(math.cos(7 * math.pi / 32))
    assert all(a > b for a, b in pairwise(values[10:]))


def test_never_below_zero():
    assert cosine_multiplier(75, 100, cycles=1.0) == 0.0
    assert cosine_multiplier(130, 100) == 0.0


def test_scheduler_multiplies_every_groups_rate():
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": [weights[0]], "lr": 0.1}, {"params": [weights[1]], "lr": 0.4}]
    optimizer = torch.optim.SGD(groups)
    scheduler = cosine_schedule(optimizer, 4)
    for step in range(5):
        factor = math.cos(7 * math.pi / 16 * step / 4)
        rates = [group["lr"] for group in optimizer.param_groups]
        assert rates == pytest.approx([0.1 * factor, 0.4 * factor])
        optimizer.step()
        scheduler.step()
