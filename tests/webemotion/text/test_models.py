"""Sentence models: hand-computed averages, which layers exist, and what cannot be built."""

import pytest
import torch

from common.cli import UserError
from webemotion.text import models

SIZES = {"vocab_size": 5, "max_len": 4, "word_dim": 3, "filter_num": 3, "num_classes": 2}


def test_average_runs_over_padding_too():
    model = models.build("dan", "CNN_Embed", **SIZES).eval()
    with torch.no_grad():
        model.embedding.weight.zero_()
        model.embedding.weight[2] = torch.tensor([1.0, -2.0, 3.0])
        model.conv.weight.copy_(torch.eye(3)[:, None])
        model.conv.bias.copy_(torch.tensor([0.5, 0.0, -1.0]))
        out = model(torch.tensor([[2, 6, 6, 6]]))
    # Words give ReLU(1.5, -2, 2) once and ReLU(0.5, 0, -1) three times; batch norm is fresh.
    expected = torch.tensor([[(1.5 + 3 * 0.5) / 4, 0.0, 2.0 / 4]]) / (1 + 1e-5) ** 0.5
    assert torch.allclose(out, expected)


def test_features_are_word_by_word():
    model = models.build("dan2", "CNN", **SIZES).eval()
    _, raw, feature = model(torch.tensor([[0, 1, 2, 0]]))
    assert torch.equal(raw[0, 0], raw[0, 3]) and torch.equal(feature[0, 0], feature[0, 3])
    assert torch.allclose(
        feature[0, 1], torch.relu(model.conv.weight[:, 0] @ raw[0, 1] + model.conv.bias)
    )


def test_static_words_do_not_train():
    free = models.build("v2", "TextCNN_NLT", **SIZES)
    fixed = models.build("v2", "TextCNN_NLT", **SIZES, static=True)
    assert free.embedding.weight.requires_grad and not fixed.embedding.weight.requires_grad
    assert fixed.conv.weight.requires_grad


def test_dropout_only_in_training():
    torch.manual_seed(0)
    model = models.build("dan2", "CNN_2Branch", **SIZES)
    tokens = torch.randint(0, 5, (8, 4))
    assert not torch.equal(model(tokens)[0], model(tokens)[0])
    model.eval()
    assert torch.equal(model(tokens)[0], model(tokens)[0])


@pytest.mark.parametrize("name", ["TextCNN_NLT", "TextCNN_NLT_DAN", "TextCNN_LT"])
def test_widths_that_must_agree(name):
    with pytest.raises(UserError, match="filter_num = word_dim"):
        models.build("v2", name, **{**SIZES, "filter_num": 4})


@pytest.mark.parametrize(
    ("family", "name", "told"),
    [
        ("dan", "CNN", "cannot run: it never sets the dropout rate"),
        ("dan", "TextCNN", "no sentence model TextCNN in the family dan"),
        ("v3", "CNN", "no sentence model CNN in the family v3"),
    ],
)
def test_classes_that_cannot_be_built(family, name, told):
    with pytest.raises(UserError, match=told):
        models.build(family, name, **SIZES)
