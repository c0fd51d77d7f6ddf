"""Which epochs are written, and as what."""

import re
import types
from dataclasses import replace

import pytest
import torch

from common.engine.method import StepOutput
from common.engine.trainer import Recipe
from webemotion.authors_files import HIGHEST_LOSS, AuthorsFiles, Unreadable, run_path
from webemotion.authors_log import AuthorsLog
from webemotion.catalogue import SCRIPTS
from webemotion.config import Config
from webemotion.schedule import Plateau


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
        record=None,
    )


def end_epochs(trainer, files, values, key="top1"):
    for number, value in enumerate(values, start=1):
        files.on_epoch_end(trainer, {"epoch": number, "test": {key: value}, "train": {}})
    return {path.name.split(".")[0] for path in trainer.run.path.glob("*.pth.tar")}


class Told(list):
    """The lines that are told, and an average."""

    loss = 0.75
    write = list.append

    def average(self, name):
        """Of the embedding loss."""
        return {"Loss_ebd": self.loss}[name]


def best(trainer):
    return torch.load(trainer.run.path / "model_best.pth.tar", weights_only=True)


def test_every_epoch_and_the_first_of_equal_bests(trainer):
    names = end_epochs(trainer, AuthorsFiles("every", "resnet50"), [0.5, 0.5, 0.25])
    assert names == {"checkpoint_0000", "checkpoint_0001", "checkpoint_0002", "model_best"}
    assert best(trainer)["epoch"] == 1
    assert best(trainer)["best_prec1"] == 50
    assert "text_state_dict" not in best(trainer)


def test_improvements_alone_over_an_earlier_training(trainer):
    told = Told()
    files = AuthorsFiles("improvements", "resnet50", 40.0, told=told)
    names = end_epochs(trainer, files, [0.3, 0.5, 0.5])
    assert names == {"checkpoint_0001", "model_best"}
    assert told == [f" * BestPrec@1 {best}" for best in ("40.000", "50.000", "50.000")]
    assert isinstance(best(trainer)["best_prec1"], float)


def test_the_best_hit_accuracy_of_this_training_is_a_tensor(trainer):
    trainer.recipe.metric = "hits"
    end_epochs(trainer, AuthorsFiles("every", "resnet50", 40.0), [0.3, 0.5], "hits")
    first = torch.load(trainer.run.path / "checkpoint_0000.pth.tar", weights_only=True)
    assert first["best_prec1"] == 40 and isinstance(first["best_prec1"], float)
    assert best(trainer)["best_prec1"].shape == () and best(trainer)["best_prec1"] == 50


def test_one_branch_scripts_save_every_epoch_as_best(trainer):
    end_epochs(trainer, AuthorsFiles("all_best", "a", told=Told()), [0.5, 0.25])
    assert best(trainer)["epoch"] == 2
    assert best(trainer)["best_prec1"] == Told.loss  # the current one


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
    Unreadable().on_epoch_end(trainer, {"train": {"unreadable": 1.5}})
    assert "3 training images could not be read" in caplog.text


def test_run_folder_has_the_published_name():
    config = Config(path="c.json", name="N", ID="I", ckpts_dir="elsewhere")
    tags = SCRIPTS["mains/main_mclss_cross_entropy_v3"]
    newer = SCRIPTS["mains_finetuning/main_sclss_cross_entropy_finetune"]
    assert re.fullmatch(r"ckpts/N/I-\d{14}", run_path(config, tags).as_posix())
    assert run_path(config, newer).parent.as_posix() == "elsewhere/N"
    config = replace(config, save_directory="here")
    assert run_path(config, tags).as_posix() == "ckpts/here"
    assert run_path(config, newer).as_posix() == "elsewhere/here"
    config = replace(config, resume="old/checkpoint_0001.pth.tar")
    assert re.fullmatch(r"old/I-\d{14}", run_path(config, tags).as_posix())
    assert run_path(config, newer).as_posix() == "elsewhere/here"


def test_the_log_averages_over_images(trainer):
    log = AuthorsLog(None, Config(path="c.json", print_freq=2, given={"lr": 1}), "main_x", None)
    for step, (loss, images) in enumerate(((1.0, 3), (4.0, 1))):
        trainer.progress.step, trainer.method.seen = step, (0.0, images)
        parts = {"loss_ebd": torch.tensor(loss), "hits": 0.5}
        log.on_step_end(trainer, StepOutput(torch.tensor(loss), parts))
    assert log.average("Loss_ebd") == 1.75
    lines = [line[26:] for line in log.path.read_text().splitlines()]
    assert lines[0] == "lr             :\t1" and lines[1] == "script_name    :\tmain_x"
    assert "Total Parameters: 2\t Gradient Parameters: 2" in lines
    assert lines[-2] == "Epoch: [0], learning rate: 1.0"
    assert lines[-1].startswith("Epoch: [0][0/2]\tTime ") and lines[-1].endswith(
        "\tLoss_ebd 1.0000 (1.0000)\tPrec@1 50.000 (50.000)"
    )
