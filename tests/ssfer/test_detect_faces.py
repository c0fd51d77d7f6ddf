"""The command that finds faces once: its file, its cache, its refusals."""

import pandas as pd
import pytest

from ssfer import detect_faces
from ssfer.finetune import boxes, faces


@pytest.fixture
def detect(in_process, own_folders, tmp_path):
    """``detect(*flags)``: run the command on the training images."""

    def run(*flags):
        words = ["--images", own_folders / "train", "--out", tmp_path / "boxes.csv", *flags]
        return in_process(detect_faces.main, words, tmp_path)

    return run


@pytest.fixture
def counting(monkeypatch, tmp_path):
    """A detector in YuNet's place that sees one face in everything; counts its images."""
    seen = []

    def build(name, weights):
        def look(image):
            seen.append(image.shape)
            return pd.DataFrame([[10.4, 20.6, 110.5, 120, 0.9, 0]]).to_numpy("float32")

        return look

    monkeypatch.setattr(faces, "build_detector", build)
    (tmp_path / "w.onnx").write_bytes(b"weights")
    return seen


def test_no_detector_is_said_and_every_box_is_the_fallback(detect, tmp_path):
    outcome = detect("--detector", "none")
    assert outcome.code == 0, outcome.err
    assert "no detector" in outcome.out and "one face in 0" in outcome.out
    table = boxes.read(tmp_path / "boxes.csv")
    assert len(table) == 56 and (table["faces"] == 0).all() and table["x1"].isna().all()


def test_images_are_looked_at_once_by_content(detect, counting, own_folders, tmp_path):
    flags = ("--detector", "yunet", "--weights", tmp_path / "w.onnx")
    assert detect(*flags).code == 0
    assert counting == [(faces.FRAME, faces.FRAME, 3)] * 56
    anger = own_folders / "train" / "Anger"
    (anger / "0.png").rename(anger / "renamed.png")  # known by content
    (anger / "1.png").write_bytes((own_folders / "test" / "Fear" / "0.png").read_bytes())
    outcome = detect(*flags)
    assert outcome.code == 0 and len(counting) == 57
    assert "56 images, 1 of them looked at" in outcome.out
    table = boxes.read(tmp_path / "boxes.csv")
    assert "Anger/renamed.png" in table.index and "Anger/0.png" not in table.index
    assert table.loc["Anger/renamed.png", "x1"] == pytest.approx(10.4)


def test_same_pictures_are_looked_at_once(detect, counting, own_folders, tmp_path):
    first = own_folders / "train" / "Anger" / "0.png"
    (own_folders / "train" / "Anger" / "again.png").write_bytes(first.read_bytes())
    detect("--detector", "yunet", "--weights", tmp_path / "w.onnx")
    assert len(counting) == 56


def test_boxes_of_another_detector_are_not_replaced_silently(detect, counting, tmp_path):
    assert detect("--detector", "none").code == 0
    before = (tmp_path / "boxes.csv").read_bytes()
    flags = ("--detector", "yunet", "--weights", tmp_path / "w.onnx")
    outcome = detect(*flags)
    assert outcome.code == 2 and "boxes of none" in outcome.err
    assert (tmp_path / "boxes.csv").read_bytes() == before
    assert detect(*flags, "--overwrite").code == 0


def test_image_that_cannot_be_decoded_is_named_and_nothing_is_written(
    detect, counting, own_folders, tmp_path
):
    (own_folders / "train" / "Fear" / "2.png").write_bytes(b"no image")
    outcome = detect("--detector", "yunet", "--weights", tmp_path / "w.onnx")
    assert outcome.code == 2 and "Fear/2.png" in outcome.err
    assert not (tmp_path / "boxes.csv").exists()


def test_folder_without_images(in_process, tmp_path):
    words = ["--images", tmp_path / "no", "--detector", "none", "--out", "b.csv"]
    outcome = in_process(detect_faces.main, words, tmp_path)
    assert outcome.code == 2 and "no image in" in outcome.err


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("sha256", "hash", "lacks the column sha256"),
        (",1,", ",many,", "'many'"),
        ("Anger/1.png", "Anger/0.png", "stands twice"),
        ("110.5", "", "line 2"),
    ],
)
def test_damaged_file_is_refused(detect, counting, tmp_path, old, new, told):
    flags = ("--detector", "yunet", "--weights", tmp_path / "w.onnx")
    detect(*flags)
    path = tmp_path / "boxes.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    outcome = detect(*flags)
    assert outcome.code == 2 and told in outcome.err and "Traceback" not in outcome.err
