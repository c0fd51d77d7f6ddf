"""``evaluate: true``: what a training would start from, validated."""

from __future__ import annotations

import torch

from common.engine.run_folder import RunFolder
from common.flags import GivenFlags
from webemotion import authors_files, checkpoints, images
from webemotion.build import build_method
from webemotion.images import Lists
from webemotion.loaders import loaders_of
from webemotion.missing import require_read
from webemotion.program import Evaluating, Finish
from webemotion.training import Training


class Validating(Evaluating, Training):
    """A script that trains, with ``evaluate: true``: it validates the starting weights."""

    @property
    def why(self) -> str:
        """The configuration says so."""
        return f"{self.config.path} has `evaluate: true`"

    def read(self, args, given_flags: GivenFlags) -> Lists:
        """The list to validate on."""
        _, val = loaders_of(self.config, self.row)
        require_read(self.config, self.script, {"train_file"})
        return images.read(self.config, None, val, args)

    def build(self, args, lists: Lists, device: torch.device) -> Finish:
        """The report, written as ``evaluation.json``."""
        method, _ = build_method(self.config, self.row, args)
        checkpoints.starting_weights(method.model, self.config, self.row.start, args.loose)
        layout = torch.channels_last if args.channels_last else torch.preserve_format
        method.to(device, memory_format=layout).eval()
        method.channels_last = args.channels_last
        _, val = loaders_of(self.config, self.row)
        with torch.no_grad():
            report = self.evaluators(args, lists, val, device.type == "cuda")["test"](method)

        def finish(run: RunFolder) -> None:
            run.write(authors_files.EVALUATION, report)
            value = f"{self.row.metric} {report[self.row.metric]:.2%}"
            print(f"{value}, loss {report['loss']:.4f} on {self.config.val_file}")
            print(f"run folder: {run.path}")

        return finish


PROGRAM = Validating
