"""What a step of either stage does to images, teacher and losses."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from common.engine.method import Progress
from ssfer.finetune.method import EMATeacher, FaceMix, MixSettings, TeacherSettings, move_teacher

PROGRESS = Progress(0, 0, 1, 1)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 3))


def batch() -> dict:
    images = torch.randn(4, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    boxes = torch.tensor([[0, 0, 10, 10], [0, 0, 8, 8], [4, 4, 12, 12], [5, 5, 15, 15]])
    return {"image": images, "label": torch.tensor([0, 1, 2, 0]), "box": boxes}


def step(settings: MixSettings) -> tuple[dict, object]:
    given = batch()
    np.random.seed(7)
    output = FaceMix(network(), 3, settings).training_step({"labelled": given}, PROGRESS)
    return given, output


def test_originals_are_overwritten_unless_spared():
    before = batch()["image"]
    changed, output = step(MixSettings())
    spared, other = step(MixSettings(spare_originals=True))
    assert not torch.equal(changed["image"], before)
    assert torch.equal(spared["image"], changed["image"])  # mixing itself is in place either way
    assert torch.equal(output.details["mixed_loss"], other.details["mixed_loss"])
    assert not torch.equal(output.details["origin_loss"], other.details["origin_loss"])
    clean = nn.functional.cross_entropy(network()(before), batch()["label"], reduction="none")
    assert torch.allclose(other.details["origin_loss"], clean)


def test_one_forward_is_the_same_loss():
    twice, once = step(MixSettings())[1].loss, step(MixSettings(one_forward=True))[1].loss
    assert once.item() == pytest.approx(twice.item(), rel=1e-6)


@pytest.mark.parametrize("mixup", [True, False])
def test_stage_runs_without_facemix(mixup):
    given, output = step(MixSettings(facemix=False, mixup=mixup))
    assert output.loss.isfinite()
    assert torch.equal(given["image"], batch()["image"]) != mixup


def test_teacher_averages_everything_and_cuts_integers():
    model = nn.BatchNorm1d(2)
    teacher = copy.deepcopy(model)
    with torch.no_grad():
        model.weight.fill_(3.0)
        model.running_mean.fill_(1.0)
        model.num_batches_tracked.fill_(9)
    move_teacher(teacher, model, 0.9)
    assert teacher.weight.tolist() == pytest.approx([1.2, 1.2])
    assert teacher.running_mean.tolist() == pytest.approx([0.1, 0.1])
    assert teacher.num_batches_tracked.item() == 0  # 0.9 cut to 0


def unlabelled() -> dict:
    generator = torch.Generator().manual_seed(2)
    views = {name: torch.randn(4, 3, 2, 2, generator=generator) for name in ("weak", "strong")}
    return {**views, "label": torch.full((4,), -1), "true_label": torch.tensor([0, 1, 2, 0])}


def semi(settings: TeacherSettings, epoch: int = 0):
    method = EMATeacher(network(), settings)
    method.train()
    batches = {"labelled": batch(), "unlabelled": unlabelled()}
    return method, method.training_step(batches, Progress(epoch, 0, 2, 1))


def test_teacher_stays_in_eval_mode_without_gradient():
    method, output = semi(TeacherSettings(threshold=0.0))
    output.loss.backward()
    assert method.model.training and not method.teacher.training
    assert all(p.grad is None for p in method.teacher.parameters())
    assert output.logs["mask_rate"].item() == 1


def test_loss_is_labelled_plus_weighted_unlabelled():
    _, output = semi(TeacherSettings(threshold=0.0, coefficient_u=5.0))
    loss_x, loss_u = (output.logs[name].item() for name in ("loss_x", "loss_u"))
    assert output.loss.item() == pytest.approx(loss_x + 5 * loss_u) and loss_u > 0


def test_no_pseudo_label_before_the_burn_in_has_ended():
    settings = TeacherSettings(threshold=0.0, burnin_epochs=1)
    _, before = semi(settings, 0)
    _, after = semi(settings, 1)
    assert before.loss.item() == before.logs["loss_x"].item() and "mask" not in before.details
    assert after.loss.item() > after.logs["loss_x"].item()


def test_live_model_can_be_the_teacher_and_prediction_is_the_average():
    method, _ = semi(TeacherSettings(ema_teacher=False, threshold=0.0))
    with torch.no_grad():
        for p in method.model.parameters():
            p.add_(1.0)
    images = batch()["image"]
    assert torch.equal(method.predict(images), method.teacher(images))
    method.on_step_end(PROGRESS)
    moved = method.teacher[1].bias - network()[1].bias
    assert moved.tolist() == pytest.approx([0.001] * 3, rel=1e-3)
