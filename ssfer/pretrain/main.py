"""What pre-training trains, on which faces; one process by itself, several under torchrun."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from common.cli import UserError
from common.data.splits import Images
from common.engine import distributed
from common.engine.experiment import Experiment, Parts
from common.engine.run_folder import RunFolder
from common.engine.trainer import Recipe
from common.flags import GivenFlags
from ssfer.pretrain import authors_files, data
from ssfer.pretrain.mae import build_mae, kept_patches
from ssfer.pretrain.method import MaskedPretraining, build_optimizer
from ssfer.pretrain.options import build_parser

log = logging.getLogger(__name__)

PICTURES = 8


def build(args, images: Images, device: torch.device) -> Parts:
    """Network, method, optimiser and this process's share of the faces.

    Raises:
        UserError: sizes that do not fit, too few images, or a mask that leaves nothing to predict.
    """
    model = build_mae(args.model, img_size=args.input_size, norm_pix_loss=args.norm_pix_loss)
    patches = model.patch_embed.num_patches
    if kept_patches(patches, args.mask_ratio) == patches:
        raise UserError(
            f"--mask_ratio {args.mask_ratio} hides none of the {patches} patches, so there is "
            "nothing to predict; give a larger one."
        )
    optimizer, scheduler = build_optimizer(
        model, args.lr, args.weight_decay, args.warmup_epochs, args.epochs
    )
    stream = data.stream(images.train, args, pin_memory=device.type == "cuda")
    published = args.draws == "authors"
    callbacks = [authors_files.AuthorsFiles(args.name, args.save_every, published)]
    if args.picture_every and distributed.is_main():
        shown = data.samples(images.train, PICTURES, args.input_size)
        callbacks.append(authors_files.Pictures(shown, args.picture_every))
    return Parts(
        MaskedPretraining(model, args.mask_ratio),
        optimizer,
        {"faces": stream},
        Recipe(
            args.epochs,
            stream.steps,
            metric="loss",
            mode="min",
            schedule_per="epoch",
            percent=False,
            accumulate=args.accum_iter,
            mean_gradients=args.mean_gradients,
        ),
        scheduler,
        callbacks=tuple(callbacks),
    )


def folder(args) -> RunFolder:
    """The output folder, in which files of others stay."""
    run = RunFolder(
        args.output_dir,
        args.overwrite,
        flags=("--output_dir", "--output_dir"),
        own=authors_files.own_files(args.name),
    )
    run.may_write |= bool(args.resume) and run.holds(Path(args.resume))
    return run


def gpu(args, given_flags: GivenFlags) -> int | None:
    """The published default of ``--device`` is cuda; without one, the CPU serves."""
    if args.device == "cuda" and "device" not in given_flags:
        args.device = "auto"
        return 0
    return None


def opened(args, images: Images, run: RunFolder) -> None:
    """Say what the batch of all processes is."""
    log.info("effective batch size: %d", args.batch_size * args.accum_iter * distributed.size())


EXPERIMENT = Experiment(
    name="ssfer pre-training",
    command="python ssfer/pretrain_distribute.py",
    quirks=Path(__file__).parents[1] / "quirks.yaml",
    parser=build_parser,
    read=data.read,
    build=build,
    folder=folder,
    gpu=gpu,
    authors=authors_files.CHECKPOINT,
    opened=opened,
    shares=True,
)
main, cli = EXPERIMENT.main, EXPERIMENT.cli
