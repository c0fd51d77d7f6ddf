"""What each training step trains, and what stays as it is."""

import types

import pytest
import torch

from common.cli import UserError
from common.engine.method import Progress
from webemotion.catalogue import SIDES
from webemotion.method import METHODS, Settings
from webemotion.model import build_network
from webemotion.text import checkpoint, models
from webemotion.text.models import TextTransformation
from webemotion.text_side import TextSide, load_side

HEADS = {"cosine": "2branch", "one_branch": "2branch", "attention": "2branch", "soft_ne": "2branch"}
HEADS |= {"joint": "joint", "joint_exp": "joint", "three_branch": "3branch"}
SIDE = {"cosine": "sentence", "attention": "sentence_words", "joint": "joint", "joint_exp": "joint"}
SIDE |= dict.fromkeys(("distill", "soft_ne", "three_branch"), "transformed")
WIDTH, CLASSES, WORDS = 6, 4, 9


def side(name):
    row = SIDES[name]
    torch.manual_seed(1)
    return TextSide(
        models.build(row.family, row.model, WORDS, 3, WIDTH, WIDTH, CLASSES), row, WORDS + 1
    )


def method_of(kind, **settings):
    torch.manual_seed(0)
    arch = {
        "2branch": "resnet_2branch_50",
        "joint": "resnet_joint_50",
        "3branch": "resnet_3branch_50",
    }
    arch = arch.get(HEADS.get(kind), "resnet50")
    model = build_network(arch, CLASSES, WIDTH, CLASSES, trunk="resnet10", adaptive=True)
    text = side(SIDE[kind]) if kind in SIDE else None
    head = TextTransformation(WIDTH, WIDTH, CLASSES) if "joint" in kind else None
    return METHODS[kind](model, Settings(**settings), text, head).train()


def step(method, kind):
    generator = torch.Generator().manual_seed(2)
    batch = {
        "image": torch.randn(2, 3, 32, 32, generator=generator),
        "target": torch.tensor([[1.0, 0, 0, 0], [0, 0.5, 0.5, 0]]),
        "tokens": torch.tensor([[0, 1, WORDS + 1], [2, 3, 4]]),
    }
    if kind == "single":
        batch["target"] = torch.tensor([0, 3])
    if kind in ("one_branch", "soft_ne"):
        batch["text_embedding"] = torch.randn(2, WIDTH, generator=generator)
    return method.training_step({"train": batch}, Progress(0, 0, 1, 1))


@pytest.mark.parametrize("kind", METHODS)
def test_text_stays_frozen_and_in_eval_mode(kind):
    method = method_of(kind)
    step(method, kind).loss.backward()
    assert method.model.conv1.weight.grad.abs().sum() > 0
    if method.text is not None:
        assert not method.text.model.training
        assert all(p.grad is None for p in method.text.parameters())


def test_loss_is_the_weighted_sum_of_its_parts():
    output = step(method_of("three_branch", alpha=0.5, beta=0.25), "three_branch")
    parts = output.logs
    expected = parts["loss_cls"] + 0.5 * parts["loss_ebd"] + 0.25 * parts["loss_cls_aux"]
    torch.testing.assert_close(output.loss, expected)


def test_one_branch_learns_no_classes():
    method = method_of("one_branch")
    output = step(method, "one_branch")
    output.loss.backward()
    torch.testing.assert_close(output.loss, output.logs["loss_ebd"])
    assert method.model.fc.weight.grad is None


def test_joint_scripts_read_alpha_only_when_asked():
    plain, other = (step(method_of("joint", alpha=alpha), "joint").loss for alpha in (1.0, 5.0))
    assert plain == other
    weighed = step(method_of("joint", alpha=5.0, weigh_joint=True), "joint")
    torch.testing.assert_close(weighed.loss - plain, 4 * weighed.logs["loss_ebd"])


def test_joint_targets_differ():
    labels = step(method_of("joint"), "joint").details["text_target"]
    assert labels.tolist() == [[1, 0, 0, 0], [0, 0.5, 0.5, 0]]
    predicted = step(method_of("joint_exp"), "joint_exp").details["text_target"]
    torch.testing.assert_close(predicted.sum(dim=1), torch.ones(2))
    assert not torch.equal(predicted, labels)


def test_padding_counts_unless_masked():
    published = step(method_of("attention"), "attention").details["x_weights"]
    masked = step(method_of("attention", mask_padding=True), "attention").details["x_weights"]
    assert published[0, 2] > 0
    assert masked[0, 2] == 0
    torch.testing.assert_close(masked[1], published[1])


@pytest.mark.parametrize(
    ("name", "sizes", "told"),
    [
        ("transformed", (WIDTH, WIDTH), "is of another text model: it has fc1.weight, fc1.bias"),
        ("sentence", (WIDTH, WIDTH + 1), "Check sent_len, word_dim and filter_dim"),
        ("transformed", (WIDTH, WIDTH + 1), "needs filter_num = word_dim"),
    ],
)
def test_text_models_of_another_kind_are_refused(tmp_path, name, sizes, told):
    path = tmp_path / "text.pth.tar"
    model = models.build("dan2", "CNN", WORDS, 3, WIDTH, WIDTH, CLASSES)
    checkpoint.save(path, model, {f"w{k}": k for k in range(WORDS)})
    word_dim, filter_dim = sizes
    config = types.SimpleNamespace(
        path="c.json", text_ckpt=path, sent_len=3, word_dim=word_dim, filter_dim=filter_dim
    )
    with pytest.raises(UserError) as error:
        load_side(name, config)
    assert told in str(error.value)


def test_a_text_model_brings_its_dictionaries(tmp_path):
    path = tmp_path / "text.pth.tar"
    model = models.build("dan2", "CNN", WORDS, 3, WIDTH, WIDTH, CLASSES)
    checkpoint.save(path, model, {f"w{k}": k for k in range(WORDS)})
    config = types.SimpleNamespace(
        path="c.json", text_ckpt=path, sent_len=3, word_dim=WIDTH, filter_dim=WIDTH
    )
    text, held = load_side("joint", config)
    assert (text.padding, text.classes, held.tag2idx["w3"]) == (WORDS + 1, CLASSES, 3)
    said = text(torch.tensor([[0, 1, 2]]))
    assert said.logits.shape == (1, CLASSES) and said.embedding.shape == (1, WIDTH)
