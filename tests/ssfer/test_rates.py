"""Rates by hand: warm-up, half a cosine, the lag of a step, and the schedule that never moves."""

import pytest
import torch

from ssfer.finetune import rates


def test_rate_of_published_updates():
    settings = rates.CosineSettings()
    assert settings.rate(0) == 5e-5
    assert settings.rate(1) == pytest.approx(7e-5)
    assert settings.rate(25) == pytest.approx((1.5e-4 + 1e-5) / 2)  # half of the 50 updates
    assert settings.rate(50) == settings.rate(99) == 1e-5


def test_first_step_of_an_epoch_lags():
    settings = rates.CosineSettings()
    used = [settings.rate_of_step(k, 3) for k in range(7)]
    assert used == [settings.rate(e) for e in (0, 0, 0, 0, 1, 1, 1)]


def test_without_warm_up_training_begins_at_the_full_rate():
    assert rates.CosineSettings(warmup_epoch=0).rate(0) == pytest.approx(1.5e-4)


def test_one_epoch_leaves_no_half():
    with pytest.raises(ValueError, match="half the epochs"):
        rates.CosineSettings(num_epochs=1)


def test_milestones_move_under_the_official_protocol_only():
    assert rates.semi_schedule("kfold") is None
    optimizer = rates.build_optimizer([torch.nn.Parameter(torch.zeros(1))], 1.0, 0.0)
    scheduler = rates.semi_schedule("official")(optimizer)
    seen = []
    for _ in range(45):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert [seen[e] for e in (0, 19, 20, 40)] == pytest.approx([1, 1, 0.1, 0.01])
