"""``--split`` and ``--cache``, in-process, on tiny images."""

import json

import numpy as np
import pytest
import torch

from common.datasets.__main__ import main as data_command

FIXED = ("--seed", "3")


@pytest.fixture(scope="module")
def split(images, tmp_path_factory, in_process):
    """``split(seed)``: the split file of 16 labelled images."""
    out = tmp_path_factory.mktemp("splits")

    def draw(seed: int):
        argv = [
            "split",
            "fi",
            images / "fi",
            "--protocol",
            "s2ver.data:draw_split",
            "--labels",
            "16",
        ]
        seen = in_process(data_command, [*argv, "--seed", seed, "--out", out], out)
        assert seen.code == 0, seen.err
        return out / f"fi.s2ver.16.s{seed}.json"

    return draw


def identity(folder):
    return torch.load(folder / "last.ckpt", map_location="cpu", weights_only=True)["identity"]


def test_split_file_gives_the_run_that_draws_the_same(command, tiny, place, split):
    file = split(3)
    own = command([*tiny, *FIXED, "--save_name", "own"], place, "own")
    given = command([*tiny, *FIXED, "--split", file, "--save_name", "given"], place, "given")
    assert (own.code, given.code) == (0, 0), given.err
    assert own.metrics == given.metrics
    name = "sampled_label_idx_fi_16.npy"
    assert np.array_equal(np.load(own.folder / name), np.load(given.folder / name))
    recorded = given.json("config.json")["data"]["split"]
    assert recorded["file_hash"] == json.loads(file.read_text())["hash"]
    assert recorded["labelled_hash"] == own.json("config.json")["data"]["split"]["labelled_hash"]
    assert own.json("config.json")["data"]["split"]["file_hash"] is None
    assert identity(given.folder)["split"] == recorded["file_hash"]


def test_resume_with_another_split_is_refused(command, tiny, place, split):
    words = [*tiny, *FIXED, "--epoch", "2", "-o"]
    first = command([*words, "--split", split(3), "--stop_after_epoch", "1"], place)
    assert first.code == 0, first.err
    words += ["--resume", "--load_path", first.folder]
    before = (first.folder / "last.ckpt").read_bytes()
    for more in (["--split", split(4)], []):
        seen = command([*words, *more], place)
        assert seen.code == 2 and "another training" in seen.err and "split was" in seen.err
    assert (first.folder / "last.ckpt").read_bytes() == before
    seen = command([*words, "--split", split(3)], place)
    assert seen.code == 0, seen.err
    assert len(seen.metrics) == 2


def test_number_of_labels_must_be_that_of_the_file(command, images, place, split):
    words = ["-ds", "fi", "-nc", "8", "--data_dir", images, "--split", split(3)]
    seen = command([*words, "--num_labels", "80"], place)
    assert seen.code == 2 and "80 images are to be labelled" in seen.err
    assert not (place / "saved_models").exists()


def test_exact_cache_changes_nothing_and_the_other_one_says_so(command, tiny, place):
    plain = command([*tiny, *FIXED, "--save_name", "plain"], place, "plain")
    words = [*tiny, *FIXED, "--cache", place / "pixels"]
    exact = command([*words, "--cache_exact", "--save_name", "exact"], place, "exact")
    near = command([*words, "--save_name", "near"], place, "near")
    assert (plain.code, exact.code, near.code) == (0, 0, 0), near.err
    assert exact.metrics == plain.metrics
    assert exact.json("config.json")["data"]["cache"] == "exact"
    assert near.metrics != plain.metrics
    assert near.json("config.json")["data"]["cache"] == "approximate"
    assert "--cache is approximate for weak, strong0, strong1" in near.log
    assert plain.json("config.json")["data"]["cache"] is None
    assert (identity(exact.folder)["cache"], identity(near.folder)["cache"]) == (
        None,
        "approximate",
    )
    files = [p for p in (place / "pixels").iterdir() if p.suffix == ".pixels"]
    assert len(files) == 3  # training images twice, full and resized, and test images
