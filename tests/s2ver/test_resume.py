"""A stopped run goes on as if it had never stopped, to the bit."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from common.datasets.catalogue import DATASETS

ROOT = Path(__file__).resolve().parents[2]
CLASSES = tuple(DATASETS["fi"].classes)
FLAGS = shlex.split(
    "-ds fi -nc 8 --num_labels 16 -bsz 2 --uratio 2 --image_size 32 --backbone resnet18 "
    "--epoch 4 --num_workers 1 --lr 0.01 --dynamic_th 0.2 --device cpu"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A working directory with tiny images at data/fi."""
    folder = tmp_path_factory.mktemp("resume")
    generator = np.random.default_rng(0)
    for split, number in (("train", 6), ("test", 3)):
        for label, name in enumerate(CLASSES):
            (folder / "data/fi" / split / name).mkdir(parents=True)
            for k in range(number):
                pixels = generator.integers(0, 256, (36, 44, 3), dtype=np.uint8)
                pixels[..., label % 3] //= 1 + label // 3
                Image.fromarray(pixels).save(folder / "data/fi" / split / name / f"{k}.png")
    return folder


def start(place: Path, *flags: str) -> subprocess.Popen:
    """The published script as a process of its own, in `place`."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "s2ver/main.py"), *FLAGS, *flags],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a group of its own, as a shell or a job manager makes
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def run(place: Path, *flags: str) -> str:
    process = start(place, *flags)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    return output


def wait_for(condition, process: subprocess.Popen, limit: float = 120) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "the run did not get there in time"
        time.sleep(0.02)


def compare_runs(assert_same, a: Path, b: Path) -> None:
    load = {"map_location": "cpu", "weights_only": True}
    one, other = torch.load(a / "last.ckpt", **load), torch.load(b / "last.ckpt", **load)
    assert {"method", "ema", "optimizer", "scheduler", "streams", "rng", "history"} <= one.keys()
    assert {"prototypes", "relation"} <= one["method"].keys()
    assert_same(one, other)
    assert_same(torch.load(a / "model_best.pth", **load), torch.load(b / "model_best.pth", **load))
    assert (a / "metrics.jsonl").read_text() == (b / "metrics.jsonl").read_text()
    summaries = [json.loads((r / "summary.json").read_text()) for r in (a, b)]
    assert summaries[0]["protocols"] == summaries[1]["protocols"]


@pytest.fixture(scope="module")
def straight(place) -> Path:
    """Four epochs without a stop."""
    run(place, "--num_train_iter", "3", "-sn", "straight")
    return place / "saved_models/straight"


def test_two_epochs_and_two_more_equal_four(place, straight, assert_same):
    output = run(place, "--num_train_iter", "3", "-sn", "halves", "--stop_after_epoch", "2")
    command = re.search(r"python s2ver/main.py (.*--overwrite)", output).group(1)
    halves = place / "saved_models/halves"
    assert len((halves / "metrics.jsonl").read_text().splitlines()) == 2
    run(place, *shlex.split(command)[len(FLAGS) :])
    compare_runs(assert_same, straight, halves)


def test_killed_run_resumes_the_same_way(place, straight, assert_same):
    killed = place / "saved_models/killed"
    process = start(place, "--num_train_iter", "3", "-sn", "killed")
    metrics = killed / "metrics.jsonl"
    wait_for(lambda: metrics.exists() and metrics.read_text().count("\n") >= 1, process)
    time.sleep(np.random.default_rng().uniform(0, 1.0))  # a moment nobody chose
    process.send_signal(signal.SIGKILL)
    process.communicate()
    resume = ("--resume", "--load_path", "saved_models/killed", "--overwrite")
    run(place, "--num_train_iter", "3", "-sn", "killed", *resume)
    compare_runs(assert_same, straight, killed)


def test_run_killed_before_its_first_epoch_ended_can_be_resumed(place, straight, assert_same):
    early = place / "saved_models/early"
    process = start(place, "--num_train_iter", "3", "-sn", "early")
    wait_for((early / "last.ckpt").exists, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    resume = ("--resume", "--load_path", "saved_models/early/last.ckpt", "--overwrite")
    run(place, "--num_train_iter", "3", "-sn", "early", *resume)
    compare_runs(assert_same, straight, early)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_writes_a_checkpoint_in_mid_epoch_and_says_how_to_go_on(place, number, assert_same):
    name = number.name.lower()
    long = ("--num_train_iter", "80", "--epoch", "1", "-sn", name)
    folder = place / "saved_models" / name
    process = start(place, *long)
    wait_for((folder / "last.ckpt").exists, process)
    time.sleep(1.0)  # into the epoch
    os.killpg(process.pid, number)  # Ctrl-C and job managers reach the loader workers too
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number, output
    state = torch.load(folder / "last.ckpt", weights_only=True)
    assert 0 < state["step"] < 80 and state["epoch"] == 0
    assert "Traceback" not in output
    command = re.search(r"Go on with:\n\s+python s2ver/main.py (.*)", output).group(1)
    ending = ["--resume", "--load_path", f"saved_models/{name}/last.ckpt", "--overwrite"]
    assert shlex.split(command)[-4:] == ending
    run(place, *shlex.split(command)[len(FLAGS) :])

    whole = place / "saved_models/whole"
    if not whole.exists():
        run(place, *long[:-1], "whole")
    one = torch.load(folder / "last.ckpt", weights_only=True)
    other = torch.load(whole / "last.ckpt", weights_only=True)
    assert_same(one, other)
    assert (folder / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
