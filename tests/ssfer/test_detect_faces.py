"""The command that finds faces once: its file, and its refusals."""

import numpy as np
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
def counting(monkeypatch):
    """A detector in YuNet's place that sees one face in everything; counts its images."""
    seen = []

    def look(images):
        seen.append(images.shape)
        return [np.array([[10.4, 20.6, 110.5, 120, 0.9, 0]], np.float32)] * len(images)

    monkeypatch.setattr(faces, "build_detector", lambda name, weights: look)
    return seen


def test_no_detector_is_said_and_every_box_is_the_fallback(detect, tmp_path):
    outcome = detect("--detector", "none")
    assert outcome.code == 0, outcome.err
    assert "no detector" in outcome.out and "one face in 0" in outcome.out
    table = boxes.read(tmp_path / "boxes.csv")
    assert len(table) == 56
    assert all(tuple(box) == faces.FALLBACK for _, box in table.values())


def test_every_image_is_looked_at_whole(detect, counting, tmp_path):
    assert detect("--detector", "yunet").code == 0
    assert counting == [(1, 3, 224, 224)] * 56
    _, box = boxes.read(tmp_path / "boxes.csv")["Anger/0.png"]
    assert box.tolist() == [10, 21, 111, 120]


def test_image_that_cannot_be_decoded_is_named_and_nothing_is_written(
    detect, counting, own_folders, tmp_path
):
    (own_folders / "train" / "Fear" / "2.png").write_bytes(b"no image")
    outcome = detect("--detector", "yunet")
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
    detect("--detector", "yunet")
    path = tmp_path / "boxes.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(boxes.UserError, match=told):
        boxes.read(path)
