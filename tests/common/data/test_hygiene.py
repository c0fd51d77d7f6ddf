"""Odd, damaged and hostile image files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from torchvision.datasets import ImageFolder

from adacm.data import load_image
from common.cli import UserError
from common.data.check import decode_error, drop_unreadable
from common.data.dataset import open_rgb
from common.data.images import content_digests, decode, escaping_link, printable
from common.datasets.readers import reader
from common.datasets.readers.folder import read_folders

RED, GREEN = (200, 30, 20), (10, 180, 40)


def pixel(image, place=(0, 0)):
    assert image.mode == "RGB"
    return image.getpixel(place)


def near(a, b, by=12):
    return all(abs(x - y) <= by for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_followed_where_the_published_code_follows_it(tmp_path, orientation):
    upright = np.zeros((20, 32, 3), np.uint8)
    upright[:8, :8] = RED
    turn = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: a.transpose(1, 0, 2)[::-1],
        7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
        8: lambda a: a.transpose(1, 0, 2)[:, ::-1],
    }[orientation]
    stored = Image.fromarray(np.ascontiguousarray(turn(upright)))
    exif = stored.getexif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.png"
    stored.save(path, exif=exif)
    assert np.array_equal(np.asarray(decode(path, upright=True)), upright)
    assert np.array_equal(np.asarray(load_image(str(path), "rgb")), upright)
    assert np.array_equal(np.asarray(open_rgb(str(path))), np.asarray(stored))  # as stored


def test_cmyk_with_and_without_adobes_inversion(tmp_path):
    cmyk = Image.new("RGB", (16, 16), RED).convert("CMYK")
    cmyk.save(tmp_path / "a.jpg", quality=95)  # Pillow marks it as Adobe's
    cmyk.save(tmp_path / "a.tif")
    assert near(pixel(decode(tmp_path / "a.jpg")), RED)
    assert near(pixel(decode(tmp_path / "a.tif")), RED)


def test_palette_and_alpha(tmp_path, recwarn):
    palette = Image.new("RGB", (16, 16), RED).quantize(4)
    palette.save(tmp_path / "plain.png")
    palette.save(tmp_path / "clear.png", transparency=bytes([0, 128, 255, 255]))
    palette.save(tmp_path / "index.png", transparency=0)
    Image.new("RGBA", (16, 16), (*RED, 0)).save(tmp_path / "alpha.png")
    Image.new("LA", (16, 16), (77, 0)).save(tmp_path / "grey.png")
    for name in ("plain", "clear", "index", "alpha"):
        assert near(pixel(decode(tmp_path / f"{name}.png")), RED, by=1), name
    assert pixel(decode(tmp_path / "grey.png")) == (77, 77, 77)
    assert not recwarn.list


@pytest.mark.parametrize("upright", [False, True])
def test_sixteen_bits_keep_the_high_byte(tmp_path, upright):
    grey = (np.arange(64).reshape(8, 8) * 1000).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    Image.fromarray(grey).save(tmp_path / "deep.tif")
    for name in ("deep.png", "deep.tif"):
        values = np.asarray(decode(tmp_path / name, upright))
        assert np.array_equal(values, np.repeat((grey >> 8)[..., None], 3, axis=2)), name


@pytest.mark.parametrize("ending", ["gif", "webp", "png"])
def test_first_frame_of_an_animation(tmp_path, ending):
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN)]
    path = tmp_path / f"moving.{ending}"
    settings = {"lossless": True} if ending == "webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **settings)
    assert near(pixel(decode(path)), RED)


@pytest.mark.parametrize("ending", ["jpg", "png", "gif", "webp", "bmp"])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_truncated_files_are_told_and_left_out(tmp_path, ending, kept):
    path = tmp_path / f"cut.{ending}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    assert decode_error(path)
    with pytest.raises(UserError, match=rf"cut\.{ending} cannot be read any more"):
        open_rgb(str(path))


def test_decompression_bomb_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    Image.new("1", (400, 400)).save(path)
    assert decode_error(path) is None
    assert Image.MAX_IMAGE_PIXELS  # the project leaves Pillow's limit in force
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 400 * 400 // 2 - 1)
    assert "decompression bomb" in decode_error(path)
    with pytest.raises(UserError, match="decompression bomb"):
        open_rgb(str(path))


def test_colour_profiles_are_left_alone(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (8, 8), RED).save(tmp_path / "a.png", icc_profile=profile)
    assert pixel(decode(tmp_path / "a.png")) == RED


def folders(root, names=("plain.png",)):
    for split in ("train", "test"):
        for k, label in enumerate(("calm", "joy")):
            (root / split / label).mkdir(parents=True)
            for j, name in enumerate(names):
                Image.new("RGB", (8, 8), (k * 90, j * 30, split == "test")).save(
                    root / split / label / name
                )
    return {split: root / split for split in ("train", "test")}


def test_odd_names_are_read_as_they_are(tmp_path):
    names = ["with space.png", "имя 顔 é.png", "line\nbreak.png", "quote'\"%s.png", "-rf.png"]
    splits = folders(tmp_path / "a folder", names)
    manifest = drop_unreadable(read_folders("own", splits, 2))
    assert sorted({p.rsplit("/", 1)[1] for p in manifest.table["path"]}) == sorted(names)
    assert len(manifest) == 20 and manifest.fingerprint()
    assert len(set(content_digests(manifest.table["path"]))) == 20
    for path in manifest.table["path"]:
        open_rgb(path)


@pytest.mark.parametrize("what", ["image", "class"])
def test_links_out_of_the_root_are_followed(tmp_path, what):
    splits = folders(tmp_path / "own")
    before = read_folders("own", splits, 2).table
    inner = tmp_path / "own/train/joy"
    inner = inner / "plain.png" if what == "image" else inner
    inner.rename(tmp_path / "elsewhere")
    inner.symlink_to(tmp_path / "elsewhere")
    assert drop_unreadable(read_folders("own", splits, 2)).table.equals(before)


def test_a_linked_folder_in_a_class_is_read_once_and_loops_end(tmp_path):
    splits = folders(tmp_path / "own")
    (tmp_path / "more/deep").mkdir(parents=True)
    for name in ("more/a.png", "more/deep/b.png"):
        Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / name)
    (tmp_path / "own/train/joy/linked").symlink_to(tmp_path / "more")
    (tmp_path / "more/deep/home").symlink_to(tmp_path / "more")
    (tmp_path / "more/deep/class").symlink_to(tmp_path / "own/train/joy")
    names = [Path(p).name for p in read_folders("own", splits, 2).split("train").table["path"]]
    assert names == ["plain.png", "plain.png", "a.png", "b.png"]


def test_the_order_is_that_of_torchvision(tmp_path):
    names = ("p10.png", "p2.PNG", "B.jpg", "a/z.png", "a/b/c.tiff", ".dot.png", "a-b/d.webp")
    passed_over = ("x.gif", "notes.txt", "a/._z.png")
    for split in ("train", "test"):
        for name in names + passed_over:
            path = tmp_path / split / "calm" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
    expected = [p for p, _ in ImageFolder(tmp_path / "train").samples if "._z" not in p]
    splits = {split: tmp_path / split for split in ("train", "test")}
    assert list(read_folders("own", splits).split("train").table["path"]) == expected
    assert len(expected) == len(names)


def test_links_inside_the_root_and_linked_roots_are_fine(tmp_path):
    splits = folders(tmp_path / "own")
    (tmp_path / "own/train/joy/again.png").symlink_to("plain.png")
    assert len(drop_unreadable(read_folders("own", splits, 2))) == 5
    (tmp_path / "link").symlink_to(tmp_path / "own")
    manifest = reader("folders")(tmp_path / "link")
    assert len(drop_unreadable(manifest)) == 5
    assert escaping_link(manifest.table["path"], tmp_path / "link") is None
    assert escaping_link(manifest.table["path"], tmp_path / "link/train") is not None


def test_printable_shows_bytes_that_are_no_text():
    assert printable(b"a\xff.png".decode("utf-8", "surrogateescape")) == r"a\xff.png"
    assert printable("имя.png") == "имя.png"
