"""The rate by steps and by plateau, and what a training that goes on takes over."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from common.cli import UserError
from webemotion.config import Config
from webemotion.schedule import build_optimizer, go_on_with, milestones_of, scheduling


def optimizer_at(lr: float, width: int = 2) -> torch.optim.SGD:
    """An optimiser that has made a step at this rate."""
    layer = nn.Linear(width, 1)
    optimizer = build_optimizer(layer.parameters(), lr, 0.9, 0.0)
    layer(torch.ones(1, width)).sum().backward()
    optimizer.step()
    return optimizer


def config(schedule: str | None) -> Config:
    return Config(path="c.json", lr=0.1, lr_schedule=schedule, lr_patience=0, start_epoch=2)


@pytest.mark.parametrize(("schedule", "rate"), [("1", 0.1), (None, 0.003), (" ", 0.003)])
def test_an_earlier_rate_lives_on_under_a_plateau_alone(schedule, rate):
    earlier, optimizer = optimizer_at(0.003), optimizer_at(0.1)
    go_on_with(optimizer, earlier.state_dict(), config(schedule))
    assert optimizer.param_groups[0]["lr"] == rate
    held = [s["momentum_buffer"] for s in earlier.state.values()]
    taken = [s["momentum_buffer"] for s in optimizer.state.values()]
    assert all(torch.equal(a, b) for a, b in zip(held, taken, strict=True))
    scheduler, callbacks = scheduling(optimizer, config(schedule))
    assert optimizer.param_groups[0]["lr"] == rate
    assert (scheduler is None) == bool(callbacks) == (rate != 0.1)


def test_a_schedule_that_is_kept_is_part_of_the_checkpoint():
    first, second = optimizer_at(0.1), optimizer_at(0.1)
    kept, _ = scheduling(first, config("3, 9"), entered=2)
    assert first.param_groups[0]["lr"] == 0.1
    again, _ = scheduling(second, config("3, 9"))
    again.load_state_dict(kept.state_dict())
    second.step(), again.step()
    assert again.get_last_lr() == pytest.approx([0.01])


def test_another_networks_optimiser_is_refused():
    two = build_optimizer(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)).parameters(), 0.1, 0, 0)
    with pytest.raises(UserError, match="another network"):
        go_on_with(optimizer_at(0.1), two.state_dict(), config("1"))


@pytest.mark.parametrize("text", ["ten", "20, 10", "-1"])
def test_schedules_that_are_none(text):
    with pytest.raises(UserError, match="lr_schedule"):
        milestones_of(text)


def test_a_schedule_may_hold_blanks_and_repeat_itself():
    assert milestones_of(" 2,2 ,4,") == [2, 2, 4]


def test_the_average_word2vec_script_follows_its_training_loss():
    training, optimizer = iter([2.0, 2.0]), optimizer_at(0.1)
    _, (plateau,) = scheduling(optimizer, config(None), loss=lambda: next(training))
    for validation in (0.9, 0.5):  # falls, while the training's stands still
        row = {"test": {"loss": validation}}
        plateau.on_epoch_end(SimpleNamespace(judged_on="test"), row)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)
