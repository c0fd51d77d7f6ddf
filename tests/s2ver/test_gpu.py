"""Training on a CUDA device."""

from __future__ import annotations

import json

import pytest
import torch

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("words", [[], ["--amp"], ["--fast"], ["--precision", "bf16"]])
def test_setting_trains_on_the_gpu(command, place, tiny, words):
    outcome = command([*tiny, "--gpu", "0", *words], place)
    assert outcome.code == 0, outcome.err
    assert outcome.json("environment.json")["device_type"] == "cuda"
    assert outcome.json("summary.json")["peak_memory_bytes"] > 0
    assert "no usable CUDA" not in outcome.log


def test_run_goes_on_from_the_gpu_on_the_cpu(command, place, tiny):
    two = [*tiny, "--epoch", "2"]
    first = command([*two, "--gpu", "0", "--stop_after_epoch", "1"], place)
    assert first.code == 0, first.err
    resume = ["--resume", "--load_path", str(first.folder), "--overwrite", "--device", "cpu"]
    second = command([*two, *resume], place)
    assert second.code == 0, second.err
    state = torch.load(second.folder / "last.ckpt", weights_only=True)
    assert state["epoch"] == 2
    rows = [json.loads(line) for line in (second.folder / "metrics.jsonl").open()]
    assert [row["epoch"] for row in rows] == [1, 2]
