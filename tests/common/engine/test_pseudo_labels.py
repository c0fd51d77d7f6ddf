"""Pseudo-label diagnostics: the table by hand, exact resume, and no effect on the training."""

from __future__ import annotations

import math

import pandas as pd
import pytest
import torch
from torch import nn

from common.cli import Interrupted
from common.data.streams import GivenStream
from common.engine import checkpoint
from common.engine.method import Method, StepOutput
from common.engine.pseudo_labels import COLUMNS, FIGURE, TABLE, PseudoLabelDiagnostics
from common.engine.run_folder import LAST, METRICS, RunFolder
from common.engine.trainer import Callback, Recipe, Trainer

CLASSES = ("calm", "joy", "fear")
NO_ROW: dict = {"epoch": 1}


def step(label, mask, score, true_label=None, threshold=None) -> StepOutput:
    details = {
        "pseudo_label": torch.tensor(label),
        "mask": torch.tensor(mask),
        "score": torch.tensor(score),
    }
    if true_label is not None:
        details["true_label"] = torch.tensor(true_label)
    if threshold is not None:
        details["threshold"] = torch.tensor(threshold)
    return StepOutput(torch.tensor(0.0), {}, details)


class Linear(Method):
    """Classifies vectors; its pseudo-labels depend on its weights."""

    stream_names = ("unlabelled",)

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, len(CLASSES))

    def training_step(self, batches, progress) -> StepOutput:
        batch = batches["unlabelled"]
        logits = self.layer(batch["weak"])
        score, label = torch.softmax(logits, dim=1).max(dim=1)
        details = {"pseudo_label": label, "mask": score > 0.4, "score": score.detach()}
        loss = nn.functional.cross_entropy(logits, batch["label"])
        return StepOutput(loss, {}, {**details, "true_label": batch["label"]})

    def predict(self, images):
        return self.layer(images)


class StopAt(Callback):
    """Asks the training to stop after a step, as a signal would."""

    def __init__(self, epoch: int, step: int):
        self.place = (epoch, step)

    def on_step_end(self, trainer, output) -> None:
        if (trainer.progress.epoch, trainer.progress.step) == self.place:
            trainer._stop.number = 15


def trainer(folder, *callbacks) -> Trainer:
    generator = torch.Generator().manual_seed(1)
    batches = [
        [
            {
                "weak": torch.randn(5, 4, generator=generator),
                "label": torch.randint(3, (5,), generator=generator),
            }
            for _ in range(4)
        ]
        for _ in range(3)
    ]
    method = Linear()
    folder.mkdir(exist_ok=True)
    return Trainer(
        method,
        torch.optim.SGD(method.parameters(), lr=0.5),
        None,
        {"unlabelled": GivenStream(batches)},
        Recipe(3, 4),
        torch.device("cpu"),
        run=RunFolder(folder),
        callbacks=callbacks,
    )


def test_two_steps_by_hand():
    diagnostics = PseudoLabelDiagnostics(CLASSES)
    diagnostics.on_step_end(
        None, step([0, 0, 1], [True, False, True], [0.9, 0.5, 0.75], [0, 0, 2], [0.8, 0.7, 0.6])
    )
    diagnostics.on_step_end(
        None, step([0, 1, 0], [True, True, False], [0.7, 0.25, 0.3], [1, -1, 0], [0.6, 0.2, 0.5])
    )

    class Silent:
        run = None

    diagnostics.on_epoch_end(Silent(), {"epoch": 7})
    calm, joy, fear = diagnostics.table().to_dict("records")
    assert tuple(calm) == COLUMNS
    assert (calm["epoch"], calm["class"], calm["images"]) == (7, "calm", 4)
    assert calm["mask_rate"] == 0.5  # 2 of 4
    assert calm["precision"] == 0.5  # right in the first step, wrong in the second
    assert calm["threshold"] == pytest.approx((0.8 + 0.7 + 0.6 + 0.5) / 4)
    assert calm["confidence"] == pytest.approx((0.9 + 0.5 + 0.7 + 0.3) / 4)
    assert joy["mask_rate"] == 1.0
    assert joy["precision"] == 0.0  # one wrong, one whose label nobody knows
    assert fear["images"] == 0 and math.isnan(fear["mask_rate"]) and math.isnan(fear["precision"])


def test_what_a_method_does_not_tell_stays_empty():
    diagnostics = PseudoLabelDiagnostics(CLASSES)
    diagnostics.on_step_end(None, step([0, 1, 2], [True] * 3, [0.5] * 3))
    diagnostics.on_epoch_end(type("Silent", (), {"run": None})(), NO_ROW)
    table = diagnostics.table()
    assert table["precision"].isna().all() and table["threshold"].isna().all()
    assert (table["mask_rate"] == 1).all()


def test_files_of_a_run(tmp_path):
    trainer(tmp_path / "run", PseudoLabelDiagnostics(CLASSES)).fit()
    table = pd.read_csv(tmp_path / "run" / TABLE)
    assert tuple(table.columns) == COLUMNS
    assert table["epoch"].tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert table.groupby("epoch")["images"].sum().tolist() == [20, 20, 20]
    assert (tmp_path / "run" / FIGURE).read_bytes().startswith(b"\x89PNG")


def test_a_method_without_pseudo_labels_leaves_no_file(tmp_path):
    diagnostics = PseudoLabelDiagnostics(CLASSES)
    plain = trainer(tmp_path / "run", diagnostics)
    plain.method.training_step = lambda batches, progress: StepOutput(
        plain.method.layer(batches["unlabelled"]["weak"]).sum()
    )
    plain.fit()
    assert not (tmp_path / "run" / TABLE).exists() and not (tmp_path / "run" / FIGURE).exists()


@pytest.mark.parametrize("place", [(0, 2), (1, 0), (1, 3)])
def test_a_run_stopped_in_mid_epoch_gives_the_same_table(tmp_path, place):
    straight = trainer(tmp_path / "straight", PseudoLabelDiagnostics(CLASSES))
    straight.fit()
    with pytest.raises(Interrupted):
        trainer(tmp_path / "stopped", PseudoLabelDiagnostics(CLASSES), StopAt(*place)).fit()
    second = trainer(tmp_path / "stopped", PseudoLabelDiagnostics(CLASSES))
    second.load_state_dict(checkpoint.load(tmp_path / "stopped" / LAST))
    second.fit()
    for name in (TABLE, METRICS):
        files = [tmp_path / run / name for run in ("straight", "stopped")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_no_effect_on_the_training(tmp_path):
    runs = (
        trainer(tmp_path / "with", PseudoLabelDiagnostics(CLASSES)),
        trainer(tmp_path / "without"),
    )
    for run in runs:
        run.fit()
    files = [(tmp_path / name / METRICS).read_bytes() for name in ("with", "without")]
    assert files[0] == files[1]
    for one, other in zip(*(run.method.state_dict().values() for run in runs), strict=True):
        assert torch.equal(one, other)
