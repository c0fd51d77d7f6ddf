"""The loader that is measured against does what ours does, and the command writes its figures."""

import torch
from PIL import Image

from benchmarks.ground import results_file
from benchmarks.speed import loading
from benchmarks.speed.command import main
from common.data.dataset import ViewDataset, seeded
from s2ver.data import unlabelled_views


def test_plain_pipeline_gives_the_same_views(tmp_path):
    manifest = loading.draw_photographs(tmp_path, 2)
    with Image.open(tmp_path / "00001.jpg") as image:
        assert image.size == (500, 375)
    assert 40_000 < (tmp_path / "00001.jpg").stat().st_size < 160_000
    plain = loading.PlainTriple([str(tmp_path / p) for p in manifest.table["path"]], 64)
    ours = ViewDataset(manifest, unlabelled_views(64))
    for index in range(2):
        with seeded(7 + index):
            views = plain[index]
        item = ours[index, 7 + index]
        for a, name in zip(views, ("weak", "strong0", "strong1"), strict=True):
            torch.testing.assert_close(a, item[name], rtol=0, atol=2e-6)


def test_command_writes_ratios_to_the_plain_pipeline(tmp_path, in_process):
    argv = ["--what", "loading", "--images", "4", "--rounds", "1", "--image_size", "32"]
    seen = in_process(main, [*argv, "--out", "speed.json"], tmp_path)
    assert seen.code == 0, seen.err
    result = results_file.read(tmp_path / "speed.json")
    assert result.arms[loading.PLAIN]["0"]["speed_up"] == 1.0
    assert len(result.arms) == 4 and result.kind == "speed"
    assert result.size == {"name": "", "image_size": 32, "images": 4, "workers": 0, "rounds": 1}
    assert all(by_seed["0"]["images_per_second"] > 0 for by_seed in result.arms.values())
