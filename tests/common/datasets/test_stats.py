import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from common.datasets.__main__ import main
from common.datasets.doctor.scan import scan
from common.datasets.doctor.stats import class_table, contact_sheet, describe


@pytest.fixture
def folder(tmp_path):
    """Two classes of plain colours, dark and wide, bright and square."""
    for split, number in (("train", 4), ("test", 2)):
        for name, size, colour in (("calm", (30, 20), (51, 0, 0)), ("joy", (16, 16), (255,) * 3)):
            (tmp_path / "own" / split / name).mkdir(parents=True)
            for k in range(number):
                Image.new("RGB", size, colour).save(tmp_path / "own" / split / name / f"{k}.png")
    return tmp_path / "own"


def test_figures_are_those_of_the_images(folder, in_process, tmp_path):
    argv = ["stats", "folders", folder, "--out", "figures", "--workers", "1"]
    seen = in_process(main, argv, tmp_path)
    assert seen.code == 0, seen.err
    figures = json.loads((tmp_path / "figures/stats.json").read_text())
    assert figures["counts"] == {
        "train": {"calm": 4, "joy": 4},
        "test": {"calm": 2, "joy": 2},
    }
    assert figures["sizes"]["smallest"] == {"width": 16, "height": 16}
    assert figures["sizes"]["largest"] == {"width": 30, "height": 20}
    assert figures["square"] == 6 and figures["unreadable"] == 0
    assert figures["mean"] == pytest.approx([(0.2 + 1) / 2, 0.5, 0.5], abs=1e-6)
    assert figures["std"] == pytest.approx([0.4, 0.5, 0.5], abs=1e-6)
    table = pd.read_csv(tmp_path / "figures/stats.csv")
    assert table["images"].tolist() == [4, 4, 2, 2]
    assert table["brightness"].tolist() == pytest.approx([0.2 / 3, 1, 0.2 / 3, 1], abs=1e-6)
    with Image.open(tmp_path / "figures/contact_sheet.png") as sheet:
        pixels = np.asarray(sheet).reshape(-1, 3)
    assert (pixels == (51, 0, 0)).all(axis=1).sum() == 6 * 30 * 20
    again = in_process(main, argv, tmp_path)
    assert again.code == 2 and "already" in again.err


def test_unreadable_images_are_counted_and_left_out(folder):
    from common.datasets.readers import reader

    (folder / "train/joy/0.png").write_bytes(b"no image")
    manifest = reader("folders")(folder)
    seen = scan([str(manifest.root / p) for p in manifest.table["path"]], 1)
    figures = describe(manifest, seen)
    assert figures["unreadable"] == 1 and figures["images"] == 12
    assert figures["mean"][1] == pytest.approx(5 / 11)
    assert class_table(manifest, seen)["images"].sum() == 12
    assert contact_sheet(manifest, columns=3).width == 3 * 100 + 4
