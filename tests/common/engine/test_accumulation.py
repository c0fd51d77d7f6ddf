"""Gradients of several steps, added up or averaged, before the optimiser moves."""

import pytest
import torch
from torch import nn

from common.data.streams import GivenStream
from common.engine.method import Method, StepOutput
from common.engine.trainer import Callback, Recipe, Trainer


class Slope(Method):
    """A weight whose gradient is the number in the batch."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1))

    def training_step(self, batches, progress) -> StepOutput:
        return StepOutput((self.w * batches["given"]["slope"]).sum())


class Weights(Callback):
    def __init__(self):
        self.seen: list[float] = []

    def on_step_end(self, trainer, output) -> None:
        self.seen.append(trainer.method.w.item())


def trainer(epochs: list[list[float]], accumulate: int, mean: bool, stop: int = 0) -> Trainer:
    method = Slope()
    given = [[{"slope": torch.tensor(slope)} for slope in epoch] for epoch in epochs]
    optimizer = torch.optim.SGD(method.parameters(), lr=1.0)
    return Trainer(
        method,
        optimizer,
        torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5),
        {"given": GivenStream(given)},
        Recipe(
            len(epochs),
            len(epochs[0]),
            accumulate=accumulate,
            mean_gradients=mean,
            schedule_per="step",
            stop_after_epoch=stop,
        ),
        torch.device("cpu"),
        callbacks=(Weights(),),
    )


@pytest.mark.parametrize(("mean", "share"), [(False, 1), (True, 2)])
def test_count_runs_on_through_epochs_and_the_schedule_moves_with_the_updates(mean, share):
    training = trainer([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]], 2, mean)
    rows = training.fit()
    first, second, third = -3 / share, -12 / share / 2, -48 / share / 4
    weights = [0, first, first, first + second, first + second, first + second + third]
    assert training.callbacks[0].seen == weights
    assert [row["lr"] for row in rows] == [0.5, 0.25]  # in force at the epochs' last steps


def test_waiting_gradients_survive_a_stop(assert_same):
    epochs = [[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]]
    straight, first, rest = (trainer(epochs, 2, False, stop) for stop in (0, 1, 0))
    straight.fit()
    first.fit()
    state = first.state_dict()
    assert state["gradients"]["w"].item() == 4
    rest.load_state_dict(state)
    rest.fit()
    assert_same(straight.state_dict(), rest.state_dict())


def test_what_is_left_at_the_end_is_not_used():
    training = trainer([[1.0, 2.0, 4.0]], 2, False)
    training.fit()
    assert training.method.w.item() == -3
