"""Mistakes in the data: one sentence, exit code 2, nothing written."""

import re
from pathlib import Path

import pytest


@pytest.fixture
def refused(own_images, command, tiny, place):
    """``refused(dataname, *parts)``: the run ends with a sentence that holds every part."""

    def check(dataname: str, *parts: str, flags=()):
        argv = [*tiny("one_stage", "multi", dataname), "--data_root", own_images, *flags]
        outcome = command(argv, place)
        assert outcome.code == 2, outcome.err
        assert outcome.last_line.startswith("error: ") and "Traceback" not in outcome.err
        for part in parts:
            assert part in outcome.last_line
        assert not any((place / name).exists() for name in ("runs", "checkpoints", "results"))

    return check


def edit(path: Path, pattern: str, replacement: str) -> None:
    text = path.read_text()
    changed = re.sub(pattern, replacement, text, count=1, flags=re.MULTILINE)
    assert changed != text
    path.write_text(changed)


def test_class_word_missing_from_the_lexicon(own_images, refused):
    edit(own_images / "NRC-VAD-Lexicon.txt", r"^awe\t.*\n", "")
    refused("FI", "NRC-VAD-Lexicon.txt", "'awe'")


def test_class_word_twice_in_the_lexicon(own_images, refused):
    edit(own_images / "NRC-VAD-Lexicon.txt", r"^(awe\t.*\n)", r"\1\1")
    refused("FI", "'awe'", "lines 2, 3")


def test_no_lexicon(own_images, refused):
    (own_images / "NRC-VAD-Lexicon.txt").unlink()
    refused("FI", "no lexicon at", "saifmohammad.com")


def test_image_without_csv_row(own_images, refused):
    edit(own_images / "FlickrLDL/config.csv", r"^3\.png.*\n", "")
    refused("FlickrLDL", "train/3.png", "no row in", "config.csv")


@pytest.mark.parametrize("value", ["nan", "", "9.5", "much"])
def test_target_that_is_no_rating(own_images, refused, value):
    edit(own_images / "Emotion6/ground_truth_v2.txt", r"^(anger/2\.jpg)\t[^\t]*", rf"\1\t{value}")
    refused("FI", "ground_truth_v2.txt, line 4", repr(value), "from 1 to 9")


def test_rated_image_without_row(own_images, refused):
    edit(own_images / "Emotion6/ground_truth_v2.txt", r"^joy/8\.jpg.*\n", "")
    refused("FI", "joy/8.png", "no row in", "ground_truth_v2.txt")


def test_other_class_folders(own_images, refused):
    for split in ("train", "val", "test"):
        (own_images / "FI" / split / "awe").rename(own_images / "FI" / split / "wonder")
    refused("FI", "wonder", "awe")


def test_no_images_at_all(own_images, refused):
    refused("Instagram", "Instagram/<train, val, test>/<class>/<image>", "--data_root")


def test_too_few_images_for_a_batch(refused):
    refused(
        "FI",
        "8 images do not fill a batch of 9",
        "--eval_all",
        flags=("--batch_size", "9", "--val_fraction", "0.45"),
    )


def test_load_path_without_resume(refused):
    refused("FI", "--resume and --load_path", flags=("--load_path", "x"))
