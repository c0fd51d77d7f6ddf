"""One process of a distributed pre-training, for ``test_distributed.py``; started by torchrun.

Arguments: a JSON list of command lines, run one after the other. Every process writes the weights
that each of them ends with to ``<output_dir>-<rank>.pt``. Which patches of an image are hidden
follows from its pixels, so that it does not matter which process sees it.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)

import torch  # noqa: E402

from common.engine.method import StepOutput  # noqa: E402
from common.engine.trainer import Callback  # noqa: E402
from ssfer.pretrain import authors_files  # noqa: E402
from ssfer.pretrain import main as program  # noqa: E402
from ssfer.pretrain.method import MaskedPretraining  # noqa: E402


class HiddenByContent(MaskedPretraining):
    """The method with the masking noise of an image seeded by its pixels."""

    def training_step(self, batches, progress) -> StepOutput:
        images = batches["faces"]["image"]
        patches = self.model.patch_embed.num_patches
        noise = torch.stack([self._noise(image, patches) for image in images])
        loss, _, mask = self.model(images, self.mask_ratio, noise)
        return StepOutput(loss, details={"mask": mask})

    @staticmethod
    def _noise(image: torch.Tensor, patches: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(zlib.crc32(image.numpy().tobytes()))
        return torch.rand(patches, generator=generator)


class EndWeights(Callback):
    """Keeps what a process ends with."""

    def on_fit_end(self, trainer) -> None:
        self.weights = {k: v.clone() for k, v in trainer.method.model.state_dict().items()}


def run(argv: list[str]) -> dict[str, torch.Tensor]:
    """Run the command; returns this process's weights at the end."""
    kept = EndWeights()
    authors_files.CURVE_DPI = 50  # the authors' 800 takes longer than the training

    def watch(trainer) -> None:
        trainer.callbacks += (kept,)

    program.MaskedPretraining = HiddenByContent
    try:
        code = program.EXPERIMENT.main(argv, on_ready=watch)
    finally:
        program.MaskedPretraining = MaskedPretraining
    assert code == 0, code
    return kept.weights


if __name__ == "__main__":
    for number, argv in enumerate(json.loads(sys.argv[1])):
        name = argv[argv.index("--output_dir") + 1]
        # One place a command: the launcher's own serves for a single meeting of its processes.
        place = f"file://{Path.cwd()}/meeting{number}"
        torch.save(run([*argv, "--dist_url", place]), f"{name}-{os.environ['RANK']}.pt")
