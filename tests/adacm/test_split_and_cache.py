"""``--split`` and ``--cache``, in-process, on tiny images."""

import json

import pytest
import torch

from common.datasets.__main__ import main as data_command


@pytest.fixture(scope="module")
def split(images, tmp_path_factory, in_process):
    """``split(seed)``: the split file of the table's 100 labelled images."""
    out = tmp_path_factory.mktemp("splits")

    def draw(seed: int):
        argv = [
            "split",
            "rafdb",
            images / "rafdb",
            "--protocol",
            "adacm.data:draw_split",
            "--labels",
            "100",
        ]
        seen = in_process(data_command, [*argv, "--seed", seed, "--out", out], out)
        assert seen.code == 0, seen.err
        return out / f"rafdb.adacm.100.s{seed}.json"

    return draw


def test_split_file_gives_the_run_that_draws_the_same(command, tiny, place, plain, split, rows):
    seen = command([*tiny, "--split", split(5)], place)
    assert seen.code == 0, seen.err
    assert rows(place / "result") == rows(plain)
    config = json.loads((place / "result/config.json").read_text())
    digest = json.loads(split(5).read_text())["hash"]
    assert config["data"]["split"]["file_hash"] == digest
    state = torch.load(place / "result/last.ckpt", map_location="cpu", weights_only=True)
    assert state["identity"]["split"] == digest
    words = [*tiny, "--resume", place / "result", "--epochs", "2"]
    for more in (["--split", split(6)], []):
        refused = command([*words, *more], place)
        assert refused.code == 2 and "split was" in refused.err
    gone_on = command([*words, "--split", split(5)], place)
    assert gone_on.code == 0 and len(rows(place / "result")) == 2


def test_exact_cache_changes_nothing(command, tiny, place, plain, rows):
    seen = command([*tiny, "--cache", place / "pixels", "--cache_exact"], place)
    assert seen.code == 0, seen.err
    assert rows(place / "result") == rows(plain)
