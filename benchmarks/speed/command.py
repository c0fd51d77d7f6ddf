"""How fast a training step and the loading of its images are, as ratios measured in one run.

``--what step`` compares number formats with the plain fp32 step; ``--what loading`` the loader of
S2-VER's unlabelled images, cached and not, with a plain Pillow and torchvision pipeline.

The variants take turns, round after round, so that a machine that slows down slows all of them; the
figure is the median over rounds of the ratio within a round.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.ground import results_file
from benchmarks.ground.commands import build_parser, command
from benchmarks.ground.results_file import LABORATORY
from benchmarks.speed import loading
from common.cli import choose_device
from common.engine.method import to_device
from common.engine.precision import autocast
from common.engine.run_folder import environment
from common.flags import at_least_0, count
from s2ver.method import S2VER
from s2ver.model import TRUNKS, build_model, build_optimizer


@dataclass(frozen=True)
class Variant:
    """One way to run the step."""

    precision: str = "fp32"
    channels_last: bool = False


BASELINE = "fp32"
TIME = "since only the time counts"
VARIANTS = {
    BASELINE: Variant(),
    "fp32 channels_last": Variant(channels_last=True),
    "bf16": Variant("bf16"),
    "bf16 channels_last (--fast)": Variant("bf16", True),
}


def s2ver_step(
    variant: Variant, backbone: str, size: int, labelled: int, uratio: int, device: torch.device
) -> Callable[[], None]:
    """A function that takes one S2-VER training step on random images."""
    torch.manual_seed(0)
    model = build_model(backbone, 8)
    method = S2VER(model, 8, 64, [1, 0, 1, 1, 0, 1, 0, 0]).train()
    layout = torch.channels_last if variant.channels_last else torch.preserve_format
    method.to(device, memory_format=layout)
    optimizer = build_optimizer(model, "SGD", 1e-4, 0.9, 5e-4)
    unlabelled = labelled * uratio
    batches = {
        "labelled": {"weak": torch.randn(labelled, 3, size, size)},
        "unlabelled": {
            view: torch.randn(unlabelled, 3, size, size) for view in ("weak", "strong0", "strong1")
        },
    }
    batches["labelled"]["label"] = torch.arange(labelled) % 8
    batches["unlabelled"]["label"] = torch.arange(unlabelled) % 8
    batches = to_device(batches, device, variant.channels_last)

    def step() -> None:
        with autocast(device, variant.precision):
            output = method.training_step(batches, None)
        output.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return step


def measure(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of one step of every variant, round by round, after a warm-up step each."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in range(rounds):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def peak_memory(variant: Variant, settings: tuple) -> int | None:
    """Bytes the GPU held at most during a step; None on the CPU, where nothing counts it."""
    device = settings[-1]
    if device.type != "cuda":
        return None
    step = s2ver_step(variant, *settings)
    torch.cuda.reset_peak_memory_stats(device)
    step()
    return torch.cuda.max_memory_allocated(device)


@command
def main(argv: list[str]) -> int:
    """Measure and print; returns the exit code."""
    parser = build_parser("speed", __doc__)
    add = parser.add_argument
    add("--what", choices=("step", "loading"), default="step")
    add("--backbone", choices=tuple(TRUNKS), default="resnet50", help="of the step")
    add("--image_size", type=count, default=224)
    add("--batch_size", type=count, default=1, help="labelled images of the step")
    add("--uratio", type=count, default=4, help="of the step")
    add("--images", type=count, default=64, help="photographs that a pass of the loader reads")
    add("--workers", type=at_least_0, default=0, help="processes of the loader")
    add("--rounds", type=count, default=5)
    add("--device", default="auto", help="of the step")
    add("--out", type=Path, help="results file (JSON)")
    args = parser.parse_args(argv)
    if args.what == "loading":
        device = torch.device("cpu")
        with tempfile.TemporaryDirectory() as folder:
            steps = loading.passes(Path(folder), args.images, args.image_size, args.workers)
            rows = _rows(measure(steps, args.rounds), loading.PLAIN, args.images)
        settings = ("image_size", "images", "workers", "rounds")
        dataset = results_file.drawn("photographs", f"drawn photographs, {TIME}")
        measured = (
            "S2-VER's unlabelled triple from 500 x 375 JPEGs (drawn), ratio to a plain Pillow and "
            "torchvision pipeline in the same run"
        )
    else:
        device = choose_device(args.device)
        rows = _step_rows(args, device)
        settings = ("backbone", "image_size", "batch_size", "uratio", "rounds")
        dataset = results_file.drawn("random images", f"random images, {TIME}")
        measured = "S2-VER training step, ratio to fp32 in the same run"
    for name, row in rows.items():
        print(f"{name:<30}{row['speed_up']:>7.2f}x{row['images_per_second']:>9.1f}/s")
    if args.out:
        results = results_file.made(
            environment(device, 0),
            kind="speed",
            paper=LABORATORY,
            claim=measured,
            metric="speed_up",
            arms={name: {"0": row} for name, row in rows.items()},
            seeds=[0],
            dataset=dataset,
            command=" ".join(["python -m benchmarks speed", *argv]),
            shown=["speed_up", "images_per_second"],
            percent=False,
            size={"name": "", **{name: getattr(args, name) for name in settings}},
        )
        results_file.write(args.out, results)
        print(f"results file: {args.out}")
    return 0


def _step_rows(args: argparse.Namespace, device: torch.device) -> dict[str, dict]:
    settings = (args.backbone, args.image_size, args.batch_size, args.uratio, device)
    steps = {name: s2ver_step(variant, *settings) for name, variant in VARIANTS.items()}
    seconds = measure(steps, args.rounds)
    steps.clear()  # each variant's memory is its own
    rows = _rows(seconds, BASELINE, args.batch_size * (1 + 3 * args.uratio))
    for name, row in rows.items():
        row["peak_memory_bytes"] = peak_memory(VARIANTS[name], settings)
    return rows


def _rows(seconds: dict[str, list[float]], baseline: str, images: int) -> dict[str, dict]:
    """Ratio to the baseline and images a second of every variant."""
    return {
        name: {
            "speed_up": statistics.median(
                b / v for b, v in zip(seconds[baseline], values, strict=True)
            ),
            "images_per_second": images / statistics.median(values),
        }
        for name, values in seconds.items()
    }
