"""The masked autoencoder, its position tables, and the classifier of the same encoder."""

import numpy as np
import pytest
import timm
import torch

from common.cli import UserError
from ssfer.positions import interpolate_positions, sincos_table
from ssfer.pretrain.mae import (
    build_mae,
    normalised_patches,
    patchify,
    random_masking,
    reconstruction_loss,
    unpatchify,
)
from ssfer.pretrain.statistics import channel_statistics
from ssfer.vit import build_vit, class_features, replace_head

SMALL = {
    **{"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 2},
    **{"decoder_embed_dim": 16, "decoder_depth": 1, "decoder_num_heads": 2},
}


def test_patches_run_row_by_row_with_the_channel_fastest():
    image = torch.arange(3 * 4 * 4.0).view(1, 3, 4, 4)  # value = 16·channel + 4·row + column
    patches = patchify(image, 2)
    assert patches[0, 1].tolist() == [2, 18, 34, 3, 19, 35, 6, 22, 38, 7, 23, 39]
    assert torch.equal(unpatchify(patches, 2), image)


def test_images_that_patches_do_not_tile_are_refused():
    with pytest.raises(ValueError, match="8 x 12"):
        patchify(torch.zeros(1, 3, 8, 12), 4)
    with pytest.raises(ValueError, match="10 patches"):
        unpatchify(torch.zeros(1, 10, 48), 4)


def test_position_table_encodes_the_column_first():
    table = sincos_table(8, 2, cls_token=True)  # frequencies 1 and 0.01
    column = [np.sin(1), np.sin(0.01), np.cos(1), np.cos(0.01)]
    np.testing.assert_allclose(table[2], [*column, 0, 0, 1, 1], rtol=1e-12)
    np.testing.assert_allclose(table[3], [0, 0, 1, 1, *column], rtol=1e-12)
    assert (table[0] == 0).all() and table.shape == (5, 8)


def test_position_table_resizes_and_keeps_the_class_token():
    table = torch.full((1, 17, 6), 2.0)
    table[:, 0] = torch.arange(6)
    resized = interpolate_positions(table, 49)
    assert resized.shape == (1, 50, 6)
    assert torch.equal(resized[:, 0], table[:, 0])
    torch.testing.assert_close(resized[:, 1:], torch.full((1, 49, 6), 2.0))
    assert interpolate_positions(table, 16) is table
    with pytest.raises(ValueError, match="square"):
        interpolate_positions(table, 48)


def test_patches_with_the_smallest_noise_stay():
    tokens = torch.arange(4.0).view(1, 4, 1)
    noise = torch.tensor([[0.7, 0.1, 0.9, 0.3]])
    kept, mask, rank = random_masking(tokens, 0.5, noise)
    assert kept.flatten().tolist() == [1, 3]
    assert mask.tolist() == [[1, 0, 1, 0]]
    assert rank.tolist() == [[2, 0, 3, 1]]


def test_only_hidden_patches_count_in_the_loss():
    prediction, target = torch.zeros(1, 3, 2), torch.tensor([[[1.0, 3.0], [9.0, 9.0], [0.0, 2.0]]])
    loss = reconstruction_loss(prediction, target, torch.tensor([[1.0, 0.0, 1.0]]))
    assert loss.item() == pytest.approx((5 + 2) / 2)


def test_normalised_patches_use_the_unbiased_variance():
    patches = normalised_patches(torch.tensor([[[0.0, 2.0]]]))
    torch.testing.assert_close(patches, torch.tensor([[[-1.0, 1.0]]]) / 2**0.5, rtol=1e-5, atol=0)


def test_hidden_pixels_reach_the_loss_alone():
    """Changing a hidden patch changes no prediction; changing a visible one changes them all."""
    torch.manual_seed(0)
    model = build_mae("custom", **SMALL).eval()
    images, noise = torch.randn(1, 3, 32, 32), torch.rand(1, 16)
    _, before, mask = model(images, 0.75, noise)
    hidden, visible = (int((mask[0] == value).nonzero()[0]) for value in (1, 0))
    for patch, moves in ((hidden, False), (visible, True)):
        other = patchify(images, 8).clone()
        other[0, patch] += 1
        after = model(unpatchify(other, 8), 0.75, noise)[1]
        assert torch.equal(before, after) != moves


def test_initialisation_is_the_published_one():
    torch.manual_seed(0)
    model = build_mae("tiny", img_size=64)
    linears = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    assert len(linears) == 13 * 4 + 2 and all((m.bias == 0).all() for m in linears)
    bound = (6 / (192 + 768)) ** 0.5  # Xavier, a patch of 3·16·16 pixels counting as one input
    weight = model.patch_embed.proj.weight
    assert (model.patch_embed.proj.bias != 0).any()  # a convolution's, as torch draws it
    assert 0.99 * bound < weight.abs().max() <= bound
    assert model.cls_token.std().item() == pytest.approx(0.02, rel=0.2)
    fixed = [name for name, p in model.named_parameters() if not p.requires_grad]
    assert fixed == ["pos_embed", "decoder_pos_embed"]
    assert model.pos_embed.shape == (1, 17, 192)


@pytest.mark.parametrize("name", ["tiny", "small", "base", "large", "huge"])
def test_every_size_has_an_autoencoder_whose_encoder_is_the_classifiers(name):
    with torch.device("meta"):
        autoencoder, classifier = build_mae(name), build_vit(name, 7)
    theirs = {k: v.shape for k, v in autoencoder.state_dict().items()}
    ours = {k: v.shape for k, v in classifier.state_dict().items()}
    head = {"head.weight", "head.bias"}
    assert {k: v for k, v in ours.items() if k not in head} == {
        k: v for k, v in theirs.items() if k in ours
    }
    assert ours.keys() - theirs.keys() == head


def test_base_classifier_is_timms_key_for_key():
    with torch.device("meta"):
        ours, theirs = (
            build_vit("base", 7),
            timm.create_model("vit_base_patch16_224", num_classes=7),
        )
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (ours, theirs)]
    assert shapes[0] == shapes[1] and list(shapes[0]) == list(shapes[1])


def test_a_new_head_reads_the_class_token():
    model = build_vit("tiny", img_size=32)
    replace_head(model.eval(), 3)
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model(images), model.head(class_features(model, images)))
    assert model(images).shape == (2, 3) and model.num_classes == 3


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: build_mae("tiny", img_size=60), "no multiple of the patch size 16; give 64"),
        (lambda: build_vit("tiny", img_size=8), "give 16"),
        (lambda: build_mae("giant"), "there is no model 'giant'"),
        (lambda: build_vit("giant"), "tiny, small, base, large, huge"),
        (lambda: build_vit("tiny", global_pool=True), "class token"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(build, told):
    with pytest.raises(UserError, match=told):
        build()


def test_channel_statistics_weigh_batches_equally():
    batches = [torch.zeros(3, 3, 1, 1), torch.full((1, 3, 1, 1), 2.0)]
    mean, std = channel_statistics(batches)
    assert mean.tolist() == [1, 1, 1] and std.tolist() == [1, 1, 1]
