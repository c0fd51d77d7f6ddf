"""Schedules per step or epoch, and trainings that end early."""

import pytest
import torch
from torch import nn

from common.engine.method import Method, StepOutput
from common.engine.run_folder import RunFolder
from common.engine.trainer import Callback, Recipe, Trainer


class Line(Method):
    """A single weight pulled towards 0."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(1))

    def training_step(self, batches, progress) -> StepOutput:
        return StepOutput((self.w**2).sum())


class EndAt(Callback):
    def __init__(self, epoch: int):
        self.epoch = epoch

    def on_evaluated(self, trainer, results, is_best) -> None:
        if trainer.progress.epoch == self.epoch:
            trainer.end_early()


def trainer(schedule_per="step", callbacks=(), run=None) -> Trainer:
    method = Line()
    optimizer = torch.optim.SGD(method.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    return Trainer(
        method,
        optimizer,
        schedule,
        {},
        Recipe(4, 3, schedule_per=schedule_per),
        torch.device("cpu"),
        {"test": lambda method, progress: {"top1": 0.5}},
        run=run,
        callbacks=callbacks,
    )


@pytest.mark.parametrize(
    ("per", "rates"),
    [("step", [0.5 ** (3 * e + 2) for e in range(4)]), ("epoch", [0.5**e for e in range(4)])],
)
def test_rate_of_each_epochs_last_step(per, rates):
    assert [row["lr"] for row in trainer(per).fit()] == rates


def test_callback_ends_the_training_and_a_resume_knows(tmp_path):
    run = RunFolder(tmp_path)
    first = trainer(callbacks=(EndAt(1),), run=run)
    assert len(first.fit()) == 2 and first.finished
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    again = trainer()
    again.load_state_dict(state)
    assert again.finished and len(again.fit()) == 2


def test_training_that_ran_through_is_finished():
    whole = trainer()
    whole.fit()
    assert whole.finished and not whole.ended_early
