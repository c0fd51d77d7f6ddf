"""Finding unreadable images."""

from PIL import Image

from common.data.check import decode_error


def test_images_of_any_size_are_decoded(tmp_path):
    for size in ((1, 1), (5, 300), (64, 48)):
        for name in ("image.jpg", "image.png"):
            Image.new("RGB", size, "red").save(tmp_path / name)
            assert decode_error(tmp_path / name) is None


def test_half_a_jpeg_is_told(tmp_path):
    Image.effect_noise((200, 200), 80).convert("RGB").save(tmp_path / "image.jpg")
    data = (tmp_path / "image.jpg").read_bytes()
    (tmp_path / "image.jpg").write_bytes(data[: len(data) // 2])
    assert "truncated" in decode_error(tmp_path / "image.jpg")
