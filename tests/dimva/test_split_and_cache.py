"""``--split`` and ``--cache``, in-process, on tiny images."""

import json

import torch

from common.datasets.__main__ import main as data_command
from common.datasets.readers import reader
from dimva import data
from dimva.options import build_parser


def draw(in_process, images, out, seed):
    argv = [
        "split",
        "emotion6",
        images / "Emotion6",
        "--protocol",
        "dimva.data:draw_split",
        "--labels",
        "0.8",
    ]
    seen = in_process(data_command, [*argv, "--seed", seed, "--out", out], out)
    assert seen.code == 0, seen.err
    return out / f"emotion6.dimva.0.8.s{seed}.json"


def test_split_file_gives_the_images_that_the_run_would_draw(images, in_process, tiny, tmp_path):
    file = draw(in_process, images, tmp_path, 3)
    words = [str(word) for word in tiny()] + ["--seed", "3"]
    own, given = (
        data.read(build_parser().parse_args([*words, *more]))
        for more in ([], ["--split", str(file)])
    )
    for name in ("train_va", "val_va", "test_va"):
        paths = [sets.named[name].table["path"].tolist() for sets in (own, given)]
        assert paths[0] == paths[1] and paths[0]
    assert own.split.file is None
    assert given.split.file == json.loads(file.read_text())["hash"]
    learn = reader("emotion6")(images / "Emotion6").split("train")
    assert len(given.split.labelled) + len(given.split.validation) == len(learn)


def test_run_records_the_split_and_an_exact_cache_changes_nothing(
    images, in_process, command, tiny, tmp_path
):
    file = draw(in_process, images, tmp_path, 1)
    words = [*tiny(), "--seed", "1", "--keep_best", "--split", file]
    runs = []
    for name, more in (("plain", []), ("cached", ["--cache", tmp_path / "pixels"])):
        seen = command([*words, *more, "--out", tmp_path / name], tmp_path)
        assert seen.code == 0, seen.err
        (run,) = (tmp_path / name / "runs").iterdir()
        runs.append(run)
    metrics = [(run / "metrics.jsonl").read_text() for run in runs]
    assert metrics[0] == metrics[1] and metrics[0]
    configs = [json.loads((run / "config.json").read_text())["data"] for run in runs]
    assert [config["cache"] for config in configs] == [None, "exact"]
    digest = json.loads(file.read_text())["hash"]
    assert [config["split"]["file_hash"] for config in configs] == [digest] * 2
    state = torch.load(runs[0] / "last.ckpt", map_location="cpu", weights_only=True)
    assert state["identity"]["split"] == digest
    go_on = [*words, "--num_epochs", "2", "--resume", "--load_path", runs[0]]
    refused = command([*go_on, "--split", draw(in_process, images, tmp_path, 2)], tmp_path)
    assert refused.code == 2 and "split was" in refused.last_line
