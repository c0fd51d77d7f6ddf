"""Pre-training in two processes: torchrun, gloo, on the CPU."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from common.engine.run_folder import LAST

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIMIT = 300  # seconds, on a machine that does other things too
NAME = "125w_base_warmup50_batch256"
FLAGS = (
    *("--train_dir", "faces", "--model", "tiny", "--input_size", "32", "--epochs", "2"),
    *("--warmup_epochs", "1", "--num_workers", "0", "--device", "cpu", "--lr", "1e-3"),
    *("--accum_iter", "2", "--picture_every", "0"),
)


def words(*more: str) -> list[str]:
    return [*FLAGS, *more]


def torchrun(folder: Path, script: Path, *arguments: str) -> tuple[int, str]:
    """(exit code, what was printed) of two processes; none of them outlives the call."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    launcher += ["--standalone", "--local_addr", "localhost"]  # any free port
    with (folder / "printed.txt").open("w+") as printed:
        started = subprocess.Popen(
            [*launcher, str(script), *arguments],
            cwd=folder,
            stdout=printed,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        try:
            code = started.wait(timeout=LIMIT)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
        printed.seek(0)
        return code, printed.read()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A working directory in which two processes have trained, and then gone on with a half."""
    folder = tmp_path_factory.mktemp("distributed")
    (folder / "faces").mkdir()
    generator = np.random.default_rng(0)
    for k in range(24):
        pixels = generator.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((36, 36)).save(folder / "faces" / f"{k:02d}.png")
    two = ("--batch_size", "4")
    commands = [
        words(*two, "--output_dir", "two"),
        words(*two, "--output_dir", "half", "--stop_after_epoch", "1"),
        words(*two, "--output_dir", "half", "--resume", "half/last.ckpt", "--cache", "pixels"),
    ]
    code, told = torchrun(folder, HERE / "pretrain_worker.py", json.dumps(commands))
    assert code == 0, told
    (folder / "told.txt").write_text(told)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").open()]


def test_one_process_writes_and_both_end_with_the_same_weights(place, assert_same):
    names = sorted(path.name for path in (place / "two").iterdir())
    assert names.count(f"{NAME}_2.pth") == 1 and len(rows(place / "two")) == 2
    assert sum(name.startswith("events.out") for name in names) == 1
    ends = [weights(place / f"two-{rank}.pt") for rank in range(2)]
    assert_same(*ends)
    assert_same(ends[0], dict(weights(place / "two" / f"{NAME}_2.pth")["model"]))
    told = (place / "told.txt").read_text()
    assert told.count("training loss") == 3 and told.count("epoch 1/2") == 2


def test_two_processes_are_one_with_the_double_batch(place, monkeypatch):
    """Compared: losses of every epoch, and the weights' distance against how far they moved.

    Both see the same images under the same crops and masks in every step; sums in another order
    are all that differs, which the optimiser's division by small numbers makes larger.
    """
    monkeypatch.chdir(place)
    monkeypatch.syspath_prepend(str(HERE))
    from pretrain_worker import run

    alone = run(words("--batch_size", "8", "--output_dir", "one"))
    torch.manual_seed(2024)  # the default --seed, which the initial weights are drawn from
    from ssfer.pretrain.mae import build_mae

    start = build_mae("tiny", img_size=32).state_dict()
    together = weights(place / "two-0.pt")
    for one, two in zip(rows(place / "one"), rows(place / "two"), strict=True):
        assert one["step"] == two["step"]
        assert one["train"]["loss"] == pytest.approx(two["train"]["loss"], rel=1e-4)
    moved = sum((alone[k] - start[k]).square().sum() for k in alone).sqrt()
    apart = sum((alone[k] - together[k]).square().sum() for k in alone).sqrt()
    assert moved > 1 and apart < 0.02 * moved


def test_two_processes_resume_to_the_same_bits(place, assert_same):
    """An epoch has three steps of which two make an update: a gradient waits at the stop."""
    one, other = (torch.load(place / n / LAST, weights_only=True) for n in ("two", "half"))
    assert len(one["other_processes"]) == 1
    assert one["identity"]["processes"] == 2
    assert_same(one, other)
    assert rows(place / "two") == rows(place / "half")


def test_two_processes_share_a_cache(place):
    """Both ask for it at once; what they train with it is compared above."""
    assert len(list((place / "pixels").glob("*.pixels"))) == 1


def test_one_process_does_not_go_on_with_the_run_of_two(place, in_process):
    from ssfer.pretrain.main import main

    flags = words("--batch_size", "4", "--output_dir", "half", "--resume", "half")
    seen = in_process(main, flags, place)
    assert seen.code == 2 and "processes was 2 and is now None" in seen.err


def test_a_mistake_is_told_once(place):
    """The first one is seen by one process, the second by both."""
    script = ROOT / "ssfer" / "pretrain_distribute.py"
    for flags, told in (
        (("--train_dir", "nowhere"), "there is no folder nowhere"),
        (("--mask_ratio", "0", "--batch_size", "4"), "nothing to predict"),
    ):
        code, printed = torchrun(place, script, *words("--output_dir", "refused", *flags))
        assert code != 0 and printed.count("error: ") == printed.count(told) == 1, printed
        assert not (place / "refused").exists()
