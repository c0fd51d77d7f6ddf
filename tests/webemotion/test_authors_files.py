"""Which epochs are written, and as what."""

import types

import pytest
import torch

from common.engine.method import StepOutput
from common.engine.trainer import Recipe
from webemotion.authors_files import HIGHEST_LOSS, AuthorsFiles, Lines, Plateau, run_path


@pytest.fixture
def trainer(tmp_path):
    model = torch.nn.Linear(1, 1)
    method = types.SimpleNamespace(model=model, head=torch.nn.Linear(1, 1))
    return types.SimpleNamespace(
        method=method,
        optimizer=torch.optim.SGD(model.parameters(), lr=1.0),
        recipe=Recipe(3, 2, metric="top1"),
        judged_on="test",
        run=types.SimpleNamespace(path=tmp_path),
        progress=types.SimpleNamespace(epoch=0, step=0, steps_per_epoch=2),
        rate_used=1.0,
    )


def end_epochs(trainer, files, values, key="top1"):
    for number, value in enumerate(values, start=1):
        files.on_epoch_end(trainer, {"epoch": number, "test": {key: value}, "train": {}})
    return {path.name.split(".")[0] for path in trainer.run.path.glob("*.pth.tar")}


def best(trainer):
    return torch.load(trainer.run.path / "model_best.pth.tar", weights_only=True)


def test_every_epoch_and_the_first_of_equal_bests(trainer):
    names = end_epochs(trainer, AuthorsFiles("every", "resnet50"), [0.5, 0.5, 0.25])
    assert names == {"checkpoint_0000", "checkpoint_0001", "checkpoint_0002", "model_best"}
    assert best(trainer)["epoch"] == 1
    assert best(trainer)["best_prec1"] == 50
    assert "text_state_dict" not in best(trainer)


def test_improvements_alone_over_an_earlier_training(trainer):
    names = end_epochs(trainer, AuthorsFiles("improvements", "resnet50", 40.0), [0.3, 0.5, 0.5])
    assert names == {"checkpoint_0001", "model_best"}


def test_one_branch_scripts_save_every_epoch_as_best(trainer):
    end_epochs(trainer, AuthorsFiles("all_best", "a"), [0.5, 0.25])
    assert best(trainer)["epoch"] == 2
    assert best(trainer)["best_prec1"] == HIGHEST_LOSS


def test_best_by_loss(trainer):
    trainer.recipe.metric, trainer.recipe.mode = "loss", "min"
    end_epochs(trainer, AuthorsFiles("every", "a", -HIGHEST_LOSS), [0.5, 0.25, 0.75], "loss")
    assert best(trainer)["epoch"] == 2
    assert best(trainer)["best_prec1"] == 0.25


def test_text_head_is_saved_where_the_script_does(trainer):
    end_epochs(trainer, AuthorsFiles("every", "a", text_head=True), [0.5])
    assert set(best(trainer)["text_state_dict"]) == {"weight", "bias"}


def test_plateau_cuts_after_patience_and_remembers(trainer):
    plateau = Plateau(trainer.optimizer, patience=1)
    rates = []
    for loss in (1.0, 1.0, 1.0, 1.0):
        plateau.on_epoch_end(trainer, {"test": {"loss": loss}})
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([1, 1, 0.1, 0.1])
    other = Plateau(trainer.optimizer, patience=1)
    other.load_state_dict(plateau.state_dict(), torch.device("cpu"))
    assert other.scheduler.best == 1
    assert other.scheduler.num_bad_epochs == plateau.scheduler.num_bad_epochs


def test_unreadable_images_are_counted_at_the_end_of_an_epoch(trainer, caplog):
    caplog.set_level("INFO")
    lines = Lines(1)
    lines.on_step_end(trainer, StepOutput(torch.tensor(2.0)))
    assert "step 0 of 2: loss 2.0000, lr 1" in caplog.text
    lines.on_epoch_end(trainer, {"train": {"unreadable": 1.5}})
    assert "3 training images could not be read" in caplog.text


def test_run_folder_has_the_published_name():
    config = types.SimpleNamespace(save_directory=None, name="N", ID="I")
    assert run_path(config).parent.as_posix() == "ckpts/N"
    assert run_path(config).name.startswith("I-20")
    config.save_directory = "here"
    assert run_path(config).as_posix() == "here"
