"""Weights of others: what is read, what is refused, what ``python -m ssfer.convert`` writes."""

from __future__ import annotations

import argparse

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from common.cli import UserError
from ssfer.checkpoints import HEAD, load_pretrained, read_weights
from ssfer.convert import main
from ssfer.pretrain.mae import build_mae
from ssfer.vit import build_vit


class Detector(torch.nn.Module):
    """What a file must not hold."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)


@pytest.fixture(scope="module")
def autoencoder() -> dict:
    torch.manual_seed(0)
    return build_mae("tiny", img_size=32).state_dict()


@pytest.fixture
def command(in_process, tmp_path):
    return lambda *argv: in_process(main, argv, tmp_path)


def save(value, path, **settings):
    torch.save(value, path, **settings)
    return path


def test_an_autoencoders_file_gives_all_but_the_head(autoencoder, tmp_path):
    path = save({"model": autoencoder, "epoch": 600, "optimizer": {}}, tmp_path / "a.pth")
    model = build_vit("tiny", 7, img_size=32)
    head = model.head.weight.clone()
    report = load_pretrained(model, path)
    assert set(report.missing) == set(HEAD)
    assert set(report.unexpected) == {
        name for name in autoencoder if name.startswith(("decoder", "mask_token"))
    }
    assert report.reshaped == {} and report.dropped == []
    assert torch.equal(model.blocks[3].attn.qkv.weight, autoencoder["blocks.3.attn.qkv.weight"])
    assert torch.equal(model.head.weight, head)


def test_positions_are_resized_for_another_input_size(autoencoder, tmp_path):
    path = save(autoencoder, tmp_path / "a.pth")
    model = build_vit("tiny", 7, img_size=64)
    report = load_pretrained(model, path)
    assert report.reshaped == {"pos_embed": ((1, 5, 192), (1, 17, 192))}
    assert torch.equal(model.pos_embed[:, 0], autoencoder["pos_embed"][:, 0])
    assert "pos_embed (1, 5, 192) -> (1, 17, 192)" in "\n".join(report.lines())


@pytest.mark.parametrize("wrap", [dict, lambda s: {"state_dict": s}, lambda s: {"model": s}])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_every_wrapping_gives_the_same_weights(autoencoder, tmp_path, wrap, prefix):
    state = {prefix + name: value for name, value in autoencoder.items()}
    found = read_weights(save(wrap(state), tmp_path / "a.pth"))
    assert found.keys() == autoencoder.keys()


def test_a_files_own_head_is_left_out(tmp_path):
    theirs = build_vit("tiny", 7, img_size=32).state_dict()
    save_file(theirs, tmp_path / "a.safetensors")
    model = build_vit("tiny", 7, img_size=32)
    head = model.head.weight.clone()
    report = load_pretrained(model, tmp_path / "a.safetensors")
    assert report.dropped == list(HEAD)
    assert torch.equal(model.head.weight, head)
    assert torch.equal(model.norm.weight, theirs["norm.weight"])


def test_maes_files_with_their_flags_are_read(autoencoder, tmp_path):
    flags = argparse.Namespace(lr=1.0, model="mae")
    path = save({"model": autoencoder, "args": flags}, tmp_path / "a.pth")
    assert read_weights(path).keys() == autoencoder.keys()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickled_module_is_refused_by_its_class(tmp_path, zipped):
    path = save(
        {"model": Detector(), "ema": None},
        tmp_path / "face.pt",
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(UserError, match=r"face\.pt .*pickled .*test_convert\.Detector"):
        read_weights(path)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"blocks.0.norm1.weight": torch.zeros(7)}, "192"),
        ({"pos_embed": torch.zeros(1, 5, 192)}, "no whole encoder"),
        ({"pos_embed": torch.zeros(1, 4, 192)}, "cannot be resized"),
        ({"epoch": 3}, "holds no weights"),
    ],
)
def test_other_networks_are_refused(tmp_path, state, told):
    with pytest.raises(UserError, match=told):
        load_pretrained(build_vit("tiny", 7, img_size=32), save(state, tmp_path / "a.pth"))


def test_convert_reports_and_writes_what_timm_reads(command, autoencoder, tmp_path):
    save({"model": autoencoder, "epoch": 600}, tmp_path / "a.pth")
    flags = ("--model", "tiny", "--input_size", "224")
    seen = command("a.pth", "out/encoder.safetensors", *flags)
    assert seen.code == 0, seen.err
    assert "missing (2): head.weight, head.bias" in seen.out
    assert "unexpected" in seen.out and "decoder_pos_embed" in seen.out
    assert "pos_embed (1, 5, 192) -> (1, 197, 192)" in seen.out
    written = load_file(tmp_path / "out/encoder.safetensors")
    other = timm.create_model("vit_tiny_patch16_224", num_classes=0, num_heads=12, pretrained=False)
    other.load_state_dict(written)
    assert torch.equal(written["norm.bias"], autoencoder["norm.bias"])


def test_convert_keeps_head_or_decoder_when_asked(command, autoencoder, tmp_path):
    classifier = build_vit("tiny", 7, img_size=32).state_dict()
    save(classifier, tmp_path / "c.pth")
    save(autoencoder, tmp_path / "a.pth")
    size = ("--model", "tiny", "--input_size", "32")
    for source, target, expected in (
        ("c.pth", "classifier", classifier),
        ("a.pth", "autoencoder", autoencoder),
        ("c.pth", "encoder", {k: v for k, v in classifier.items() if k not in HEAD}),
    ):
        seen = command(source, f"{target}.safetensors", "--target", target, *size)
        assert seen.code == 0, seen.err
        written = load_file(tmp_path / f"{target}.safetensors")
        assert written.keys() == expected.keys()
        assert all(torch.equal(written[name], value) for name, value in expected.items())


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("nowhere.pth", "o.safetensors"), "there is no checkpoint at nowhere.pth"),
        (("a.pth", "o.pth"), "must end in .safetensors"),
        (("a.pth", "there.safetensors"), "--overwrite to replace it"),
        (("half.pth", "o.safetensors"), "no readable checkpoint"),
        (("text.safetensors", "o.safetensors"), "no readable safetensors file"),
        (("a.pth", "o.safetensors", "--model", "small"), "another model"),
        (("a.pth", "o.safetensors", "--target", "classifier"), "missing, the first head.weight"),
    ],
)
def test_what_cannot_be_converted_is_told_and_leaves_no_file(
    command, autoencoder, tmp_path, argv, told
):
    path = save(autoencoder, tmp_path / "a.pth")
    (tmp_path / "half.pth").write_bytes(path.read_bytes()[:20_000])
    (tmp_path / "text.safetensors").write_text("no weights")
    (tmp_path / "there.safetensors").write_text("kept")
    size = () if "--model" in argv else ("--model", "tiny")
    seen = command(*argv, *size, "--input_size", "32")
    assert seen.code == 2 and told in seen.err.splitlines()[-1]
    assert not (tmp_path / "o.safetensors").exists()
    assert (tmp_path / "there.safetensors").read_text() == "kept"
