"""The baselines' losses by hand, what they keep and drop, and their command line."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from benchmarks.baselines import comatch, fixmatch, mean_teacher, pseudo_label
from benchmarks.baselines.__main__ import METHODS, main
from benchmarks.baselines.comatch import CoMatch, Settings
from benchmarks.baselines.fixmatch import FixMatch
from benchmarks.baselines.flexmatch import FlexMatch
from benchmarks.baselines.mean_teacher import MeanTeacher, sigmoid_rampup
from benchmarks.baselines.pseudo_label import PseudoLabel, ramp
from common.datasets.__main__ import main as data_command
from common.datasets.readers import rafdb
from common.engine.method import Progress

C = 3
START = Progress(0, 0, 2, 5)
LABELS, TRUE_LABELS = torch.tensor([0, 2]), torch.tensor([0, 1])


class Given(nn.Module):
    """A network whose images are its logits already."""

    def forward(self, images):
        return images, images


def logits_for(*rows: tuple[float, ...]) -> torch.Tensor:
    """Logits whose softmax is `rows`, leaves of the graph."""
    return torch.log(torch.tensor(rows)).requires_grad_()


def batches(**views):
    """Labelled images predicted with 0.5 and 0.25 for their labels, and the given views."""
    labelled = logits_for((0.5, 0.25, 0.25), (0.5, 0.25, 0.25))
    unlabelled = {**views, "label": TRUE_LABELS, "index": torch.arange(len(TRUE_LABELS))}
    return {"labelled": {"weak": labelled, "label": LABELS}, "unlabelled": unlabelled}


SUP = -(math.log(0.5) + math.log(0.25)) / 2
WEAK = ((0.96, 0.02, 0.02), (0.2, 0.2, 0.6))
STRONG = ((0.5, 0.3, 0.2), (0.1, 0.2, 0.7))


# --- Pseudo-Label --------------------------------------------------------------------------------


def test_pseudo_label_loss_by_hand_and_its_gradient():
    method, weak = PseudoLabel(Given(), pseudo_label.Settings(alpha_f=3.0)), logits_for(*WEAK)
    output = method.training_step(batches(weak=weak), Progress(1, 3, 2, 5))
    unsup = -(math.log(0.96) + math.log(0.6)) / 2
    assert output.logs["unsup_weight"] == 3.0
    assert output.loss.item() == pytest.approx(SUP + 3 * unsup, rel=1e-5)
    output.loss.backward()
    # d CE / d logits = softmax - one-hot: the target itself has no gradient
    expected = 1.5 * (torch.tensor(WEAK) - torch.tensor([[1.0, 0, 0], [0, 0, 1.0]]))
    assert torch.allclose(weak.grad, expected, atol=1e-6)


def test_pseudo_label_weight_rises_between_its_two_times():
    assert [ramp(t, 0.1, 0.5) for t in (0.0, 0.1, 0.3, 0.5, 1.0)] == pytest.approx(
        [0, 0, 0.5, 1, 1]
    )
    first = PseudoLabel(Given()).training_step(batches(weak=logits_for(*WEAK)), START)
    assert first.loss.item() == pytest.approx(SUP, rel=1e-5)


def test_pseudo_label_can_have_a_threshold():
    settings = pseudo_label.Settings(threshold=0.95, ramp_end=0.0, ramp_start=0.0)
    method = PseudoLabel(Given(), settings)
    output = method.training_step(batches(weak=logits_for(*WEAK)), START)
    assert output.details["mask"].tolist() == [True, False]
    assert output.logs["unsup_loss"].item() == pytest.approx(-math.log(0.96) / 2, rel=1e-4)


# --- Mean Teacher --------------------------------------------------------------------------------


def test_mean_teacher_loss_by_hand_and_no_gradient_for_the_teacher():
    weak, strong = logits_for(*WEAK), logits_for(*STRONG)
    method = MeanTeacher(Given(), mean_teacher.Settings(consistency=100.0))
    output = method.training_step(batches(weak=weak, strong0=strong), START)
    difference = (torch.tensor(WEAK) - torch.tensor(STRONG)).square().mean().item()
    assert output.logs["consistency_weight"] == pytest.approx(100 * math.exp(-5))
    assert output.loss.item() == pytest.approx(SUP + 100 * math.exp(-5) * difference, rel=1e-5)
    output.loss.backward()
    assert weak.grad is None and strong.grad.any()
    assert sigmoid_rampup(0.5) == pytest.approx(math.exp(-1.25)) and sigmoid_rampup(3) == 1


def test_mean_teacher_weights_after_two_steps():
    method = MeanTeacher(nn.Linear(1, 1, bias=False))
    student, teacher = method.model.weight, method.teacher.weight
    with torch.no_grad():
        student.fill_(1.0)
        teacher.fill_(0.0)
        method.on_step_end(Progress(0, 0, 1, 100))  # decay 1 - 1/2
        assert teacher.item() == pytest.approx(0.5)
        student.fill_(2.0)
        method.on_step_end(Progress(0, 1, 1, 100))  # decay 1 - 1/3
        assert teacher.item() == pytest.approx(0.5 * 2 / 3 + 2.0 / 3)
    assert not teacher.requires_grad and "teacher.weight" in method.state_dict()


def test_mean_teacher_decay_is_slower_after_the_ramp():
    settings = mean_teacher.Settings(
        consistency_rampup=0.5, teacher_decay_rampup=0.9, teacher_decay=0.99
    )
    method = MeanTeacher(nn.Linear(1, 1, bias=False), settings)
    for step, past in ((4000, 0.9), (6000, 0.99)):
        with torch.no_grad():
            method.model.weight.fill_(0.0)
            method.teacher.weight.fill_(1.0)
        method.on_step_end(Progress(0, step, 1, 10_000))
        assert method.teacher.weight.item() == pytest.approx(past)


# --- FixMatch and FlexMatch ----------------------------------------------------------------------


def test_fixmatch_loss_by_hand_its_mask_and_its_gradient():
    weak, strong = logits_for(*WEAK), logits_for(*STRONG)
    method = FixMatch(Given(), fixmatch.Settings(threshold=0.95, lambda_u=2.0))
    output = method.training_step(batches(weak=weak, strong0=strong), START)
    assert output.details["mask"].tolist() == [True, False]
    assert output.details["pseudo_label"].tolist() == [0, 2]
    assert torch.equal(output.details["true_label"], TRUE_LABELS)
    assert output.logs["mask_rate"].item() == 0.5
    assert output.logs["pseudo_true_ratio"].item() == pytest.approx(1.0)
    # the mean is over both images, the dropped one included
    assert output.loss.item() == pytest.approx(SUP + 2 * -math.log(0.5) / 2, rel=1e-5)
    output.loss.backward()
    assert not weak.grad.any() and strong.grad[0].any() and not strong.grad[1].any()


def test_a_score_at_the_threshold_is_kept():
    weak = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    output = FixMatch(Given(), fixmatch.Settings(threshold=1 / 3)).training_step(
        batches(weak=weak, strong0=weak.clone()), START
    )
    assert output.details["mask"].all()


def test_flexmatch_thresholds_follow_the_learning_status():
    method = FlexMatch(Given(), C, 10, fixmatch.Settings(threshold=0.9))
    assert method.class_thresholds().tolist() == [0, 0, 0]  # nothing learnt: everything passes
    method.confident[:4] = torch.tensor([0, 0, 1, 2])
    # 6 of 10 images have no confident prediction yet: beta = 2/6, 1/6, 1/6
    expected = [0.9 * b / (2 - b) for b in (2 / 6, 1 / 6, 1 / 6)]
    assert method.class_thresholds().tolist() == pytest.approx(expected)
    method.confident[:] = torch.tensor([0] * 6 + [1] * 3 + [2])
    expected = [0.9 * b / (2 - b) for b in (1.0, 0.5, 1 / 6)]
    assert method.class_thresholds().tolist() == pytest.approx(expected)


def test_flexmatch_remembers_confident_predictions_by_the_images_index():
    method = FlexMatch(Given(), C, 4, fixmatch.Settings(threshold=0.9))
    unlabelled = {"index": torch.tensor([3, 1, 3, 1]), "label": torch.zeros(4, dtype=torch.int64)}
    probabilities = torch.tensor(
        [[0.95, 0.05, 0.0], [0.0, 0.95, 0.05], [0.0, 0.0, 1.0], [0.5, 0.2, 0.3]]
    )
    chosen = method.select(probabilities, unlabelled)
    assert chosen.threshold.tolist() == [0, 0, 0, 0]
    # image 3 was drawn twice: the later prediction counts; image 1's second is not confident
    assert method.confident.tolist() == [-1, 1, -1, 2]
    again = method.select(probabilities, unlabelled)
    beta = 1 / 2  # one image of class 1, one of class 2, two without
    assert again.threshold.tolist() == pytest.approx([0, *[0.9 * beta / (2 - beta)] * 2, 0])
    assert "confident" in method.state_dict()


def test_flexmatch_loss_is_fixmatchs_under_its_thresholds():
    weak, strong = logits_for(*WEAK), logits_for(*STRONG)
    output = FlexMatch(Given(), C, 5).training_step(batches(weak=weak, strong0=strong), START)
    expected = SUP - (math.log(0.5) + math.log(0.7)) / 2  # both are kept in the first step
    assert output.loss.item() == pytest.approx(expected, rel=1e-5)
    output.loss.backward()
    assert not weak.grad.any()


# --- CoMatch -------------------------------------------------------------------------------------


def test_comatch_alignment_smoothing_and_graph_by_hand():
    aligned = comatch.align(torch.tensor([[0.6, 0.4]]), torch.tensor([0.75, 0.25]))
    assert aligned[0].tolist() == pytest.approx([0.8 / 2.4, 1.6 / 2.4])

    features, memory = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    soft = comatch.smooth(
        torch.tensor([[0.5, 0.5]]), features, memory, torch.eye(2), alpha=0.9, temperature=0.5
    )
    near = math.exp(2) / (math.exp(2) + 1)
    assert soft[0].tolist() == pytest.approx([0.45 + 0.1 * near, 0.45 + 0.1 * (1 - near)])

    labels = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.5, 0.5]])
    graph = comatch.label_graph(labels, threshold=0.8)  # only 0 and 1 are alike: 0.9
    expected = [[1 / 1.9, 0.9 / 1.9, 0], [0.9 / 1.9, 1 / 1.9, 0], [0, 0, 1]]
    assert torch.allclose(graph, torch.tensor(expected))


def test_comatch_graph_loss_by_hand():
    strong0, strong1 = torch.eye(2), torch.eye(2)
    loss = comatch.graph_loss(strong0, strong1, torch.tensor([[1.0, 0], [0.5, 0.5]]), 1.0)
    same, other = math.e / (math.e + 1), 1 / (math.e + 1)
    expected = -(math.log(same) + 0.5 * (math.log(same) + math.log(other))) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def comatch_inputs(seed: int = 0, sharpness: float = 6.0):
    torch.manual_seed(seed)
    logits = (sharpness * torch.randn(2 + 3 * 2, C)).requires_grad_()
    features = nn.functional.normalize(torch.randn(2 + 3 * 2, 4), dim=1).requires_grad_()
    return logits, features


def test_comatch_loss_is_the_sum_of_its_parts_and_weak_rows_get_no_gradient():
    method = CoMatch(Given(), C, 4, 4, Settings(threshold=0.0, lambda_u=0.5, lambda_c=2.0))
    logits, features = comatch_inputs()
    output = method.losses(logits, features, LABELS, TRUE_LABELS, step=0)
    parts = output.logs
    expected = parts["sup_loss"] + 0.5 * parts["unsup_loss"] + 2 * parts["contrast_loss"]
    assert output.loss.item() == pytest.approx(expected.item())
    output.loss.backward()
    assert not logits.grad[2:4].any() and not features.grad[:4].any()
    assert logits.grad[:2].any() and logits.grad[4:6].any() and features.grad[4:].any()
    assert not logits.grad[6:].any()


def test_comatch_memory_takes_each_step_in_and_smooths_once_it_is_full():
    method = CoMatch(Given(), C, 4, 4, Settings(queue_batch=2))
    for step in range(4):
        logits, features = comatch_inputs(step)
        details = method.losses(logits, features, LABELS, TRUE_LABELS, step).details
        slot = step % 2
        assert torch.equal(method.memory_features[slot], features[[2, 3, 0, 1]].detach())
        assert torch.equal(method.memory_labels[slot, 2:], torch.eye(C)[LABELS])
        aligned = method.memory_labels[slot, :2]
        smoothed = not torch.allclose(aligned.max(dim=1).values, details["score"])
        assert smoothed == (step > 2)
    assert {"memory_features", "memory_labels", "recent_means"} <= method.state_dict().keys()
    assert method.recent_means[:4].any(dim=1).all() and not method.recent_means[4:].any()


# --- through the command line --------------------------------------------------------------------

TINY = (
    *("-ds", "fi", "-nc", "2", "--num_labels", "4", "-bsz", "2", "--uratio", "2", "--lr", "0.01"),
    *("--image_size", "32", "--backbone", "resnet18", "--low_dim", "8", "--num_train_iter", "2"),
    *("--epoch", "2", "--num_workers", "0", "--device", "cpu"),
)
OWN = {
    "supervised": (),
    "pseudo_label": ("--ramp_start", "0", "--ramp_end", "0.1"),
    "mean_teacher": ("--consistency", "10"),
    "fixmatch": ("--threshold", "0.4"),
    "flexmatch": ("--threshold", "0.5"),
    "comatch": ("--threshold", "0.4", "--queue_batch", "1"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A working directory with two classes of tiny images at data/fi."""
    folder = tmp_path_factory.mktemp("baselines")
    generator = np.random.default_rng(0)
    for split, number in (("train", 8), ("test", 3)):
        for label, name in enumerate(("anger", "awe")):
            (folder / "data/fi" / split / name).mkdir(parents=True)
            for k in range(number):
                pixels = generator.integers(0, 256, (36, 40, 3), dtype=np.uint8)
                pixels[..., label] //= 3
                Image.fromarray(pixels).save(folder / "data/fi" / split / name / f"{k}.png")
    return folder


def command(place: Path, name: str, *flags: str) -> tuple[int, str]:
    """Run the command in `place`; returns the exit code and what was said."""
    before, said = Path.cwd(), io.StringIO()
    os.chdir(place)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = main([name, *TINY, *OWN[name], *flags])
    finally:
        os.chdir(before)
        root = logging.getLogger()
        for handler in [h for h in root.handlers if getattr(h, "ours", False)]:
            root.removeHandler(handler)
            handler.close()
    return code, said.getvalue()


def same(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def test_every_baseline_of_the_papers_is_there():
    assert list(METHODS) == list(OWN)


@pytest.mark.parametrize("name", METHODS)
def test_two_epochs_in_one_go_and_in_two_are_the_same_run(place, name):
    whole, halves = place / "saved_models" / f"{name}_whole", place / "saved_models/halves"
    code, said = command(place, name, "-sn", whole.name)
    assert code == 0, said
    assert json.loads((whole / "config.json").read_text())["method"] == name
    rows = [json.loads(line) for line in (whole / "metrics.jsonl").open()]
    assert len(rows) == 2 and all(math.isfinite(row["train"]["loss"]) for row in rows)
    assert (whole / "pseudo_labels.csv").exists() == (name != "supervised")
    assert (whole / "pseudo_labels.png").exists() == (name != "supervised")

    code, said = command(place, name, "-sn", "halves", "--stop_after_epoch", "1", "--overwrite")
    assert code == 0 and f"python -m benchmarks.baselines {name}" in said, said
    code, said = command(
        place, name, "-sn", "halves", "--resume", "--load_path", str(halves), "--overwrite"
    )
    assert code == 0, said
    states = [torch.load(run / "last.ckpt", weights_only=True) for run in (whole, halves)]
    assert same(*states)
    for file in ("metrics.jsonl", "pseudo_labels.csv"):
        if (whole / file).exists():
            assert (whole / file).read_bytes() == (halves / file).read_bytes()
    for run in (whole, halves):  # large
        (run / "last.ckpt").unlink()
        (run / "model_best.pth").unlink()


def test_flags_of_other_methods_are_refused_or_told_to_have_no_effect(place, capsys):
    with pytest.raises(SystemExit):
        command(place, "fixmatch", "--queue_batch", "3")
    code, said = command(place, "fixmatch", "-sn", "warned", "--lam_c", "2", "--epoch", "1")
    assert code == 0
    assert "--lam_c is accepted and has no effect" in said


def test_official_trees_are_read_too(place):
    assert (
        data_command(["twin", "rafdb", "--out", str(place / "data/rafdb"), "--scale", "0.001"]) == 0
    )
    flags = ("-ds", "rafdb", "-nc", "7", "--num_labels", "7", "--epoch", "1", "-sn", "rafdb")
    code, said = command(place, "fixmatch", *flags)
    assert code == 0, said
    config = json.loads((place / "saved_models/rafdb/config.json").read_text())
    assert config["data"]["drawn"] is True
    assert config["data"]["train"] == dict.fromkeys(rafdb.CLASSES, 16)
    code, said = command(place, "fixmatch", *flags[:2], "-sn", "wrong")
    assert code == 2 and "give -nc 7" in said
