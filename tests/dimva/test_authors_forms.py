"""Data and files as the authors' repository has them."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import random_split

from dimva import data
from dimva.objective import MIKELS
from dimva.options import build_parser

COLUMNS = sorted(MIKELS)  # the published CSV names its columns, in whatever order


@pytest.fixture
def published(own_images):
    """Emotion6's comma-separated table and an LDL set without test folder; both list too much."""
    rows, number = [",image,v,a"], 0
    for path in sorted(own_images.glob("Emotion6/*/*/*.png")):
        name = f"{path.parent.name}_{number}.jpg"
        path.rename(path.with_name(name))
        rows.append(f"{number},{name},{1 + number % 8}.5,{1 + (3 * number) % 8}.25")
        number += 1
    rows += [f"{number},joy_9999.jpg,4.0,5.0"]
    (own_images / "Emotion6/ground_truth_v2.txt").write_text("\n".join(rows) + "\n")
    folder, generator = own_images / "TwitterLDL", np.random.default_rng(1)
    (folder / "train").mkdir(parents=True)
    lines = ["image," + ",".join(COLUMNS)]
    for k in range(22):
        pixels = generator.integers(0, 256, (20, 24, 3), dtype=np.uint8)
        if k < 20:
            Image.fromarray(pixels).save(folder / f"train/{k}.jpg")
        lines.append(f"{k}.jpg," + ",".join("0" if k == 4 else str((k + c) % 5) for c in range(8)))
    (folder / "twitterldl_config.csv").write_text("\n".join(lines) + "\n")
    return own_images


def test_rows_too_many_and_rows_without_votes_are_counted(published, place, command, tiny):
    words = tiny("one_stage", "multi", "TwitterLDL", "--keep_best", "--data_root", published)
    seen = command(words, place)
    assert seen.code == 0, seen.err
    assert "no vote for 1 image" in seen.err
    for name in ("ground_truth_v2.txt", "twitterldl_config.csv"):
        assert any(name in line and "are not there" in line for line in seen.err.splitlines())
    assert "*** TwitterLDL: the test images are read from the TRAIN folder" in seen.err


def test_the_diagram_has_the_authors_names(published, place, command, tiny):
    words = tiny("one_stage", "single", "FI", "--keep_best", "--data_root", published)
    assert command(words, place).code == 0
    logs = place / "logs/one_stage_single"
    names = {path.parent.name for path in logs.glob("*/events.out.tfevents.*")}
    figures = ("train_loss", "val_loss", "val_acc", "val_v", "val_a")
    assert names == {f"one_stage_single_FI_{name}_0.0001_42" for name in figures}


def test_the_authors_number_is_told_first(published, place, command, tiny):
    words = tiny("one_stage", "single", "FI", "--keep_best", "--data_root", published)
    seen = command(words, place)
    assert seen.out.startswith("final test of") and "val_selected" in seen.out


@pytest.mark.parametrize(
    ("mode", "dataname", "before"),
    [("one_stage", "FI", 0), ("one_stage", "TwitterLDL", 1), ("two_stage", "FI", 0)],
)
def test_published_splits_come_from_torchs_generator(published, tiny, mode, dataname, before):
    words = tiny(mode, "multi", dataname, "--data_root", published, "--draws", "authors")
    sets = data.read(build_parser().parse_args([str(word) for word in words]))
    torch.manual_seed(42)
    learn = [str(path) for path in sorted((published / "Emotion6/train").glob("*/*"))]
    if before:
        listed = [str(path) for path in sorted((published / "TwitterLDL/train").glob("*"))]
        train, val = random_split(listed, [16, 4])
        assert list(sets.named["train_cat"].table["path"]) == list(train)
        assert list(sets.named["val_cat"].table["path"]) == list(val)
    first, second = random_split(learn, [16, 5]), random_split(learn, [16, 5])
    rated = first[0], (second if mode == "two_stage" else first)[1]
    for name, part in zip(("train_va", "val_va"), rated, strict=True):
        manifest = sets.named[name]
        assert [str(manifest.root / p) for p in manifest.table["path"]] == list(part)
