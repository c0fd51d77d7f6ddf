"""``python ssfer/pretrain_distribute.py``: masked-autoencoder pre-training; torchrun-ready."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

if not __package__:  # run as a script: import from the repository's root, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch

from common import flags, quirks
from common.cli import EXIT_USER_ERROR, Interrupted, UserError, choose_device, entry_point, log_to
from common.data.manifest import Manifest
from common.engine import distributed, launch
from common.engine.run_folder import LAST, SUMMARY, RunFolder
from common.engine.trainer import Recipe, Trainer
from ssfer import pretrain_artefacts, pretrain_data
from ssfer.mae import build_mae, kept_patches
from ssfer.pretrain_method import MaskedPretraining, build_optimizer
from ssfer.pretrain_options import build_parser

log = logging.getLogger(__name__)

QUIRKS = Path(__file__).with_name("quirks.yaml")
PROGRAM = "python ssfer/pretrain_distribute.py"
PICTURES = 8
# Flags that may differ between a run and its continuation: they do not decide what is computed.
NEUTRAL = {
    *("resume", "num_workers", "device", "output_dir", "train_dir", "overwrite", "corrected"),
    *("world_size", "local_rank", "dist_on_itp", "dist_url"),
    *("name", "save_every", "picture_every", "precision", "channels_last", "fast"),
    *("stop_after_epoch", "cache", "cache_exact"),
}


def build_trainer(args, faces: Manifest, run: RunFolder | None, device: torch.device) -> Trainer:
    """Everything a process needs, wired from the flags.

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
    method = MaskedPretraining(model, args.mask_ratio)
    layout = torch.channels_last if args.channels_last else torch.preserve_format
    method.to(device, memory_format=layout)
    optimizer, scheduler = build_optimizer(
        model, args.lr, args.weight_decay, args.warmup_epochs, args.epochs
    )
    stream = pretrain_data.stream(faces, args, pin_memory=device.type == "cuda")
    callbacks = [pretrain_artefacts.AuthorsFiles(args.name, args.model, args.save_every)]
    if args.picture_every and run:
        images = pretrain_data.samples(faces, PICTURES, args.input_size)
        callbacks.append(pretrain_artefacts.Pictures(images, args.picture_every))
    identity = {n: launch.plain(v) for n, v in vars(args).items() if n not in NEUTRAL}
    return Trainer(
        method,
        optimizer,
        scheduler,
        {"faces": stream},
        Recipe(
            args.epochs,
            stream.steps,
            precision=args.precision,
            channels_last=args.channels_last,
            metric="loss",
            mode="min",
            stop_after_epoch=args.stop_after_epoch,
            schedule_per="epoch",
            percent=False,
            accumulate=args.accum_iter,
            mean_gradients=args.mean_gradients,
        ),
        device,
        run=run,
        callbacks=tuple(callbacks),
        identity={"method": "ssfer pre-training", **identity, "images": faces.fingerprint()},
    )


def _device(args, explicit: set[str], place: distributed.Place) -> torch.device:
    """`--device`; the published default `cuda` goes on on the CPU where there is no GPU."""
    if args.device == "cuda" and "device" not in explicit and not torch.cuda.is_available():
        if place.rank == 0:
            log.warning(
                "*** --device cuda is the default, but this machine has no usable CUDA device: "
                "running on the CPU, many times slower. ***"
            )
        return torch.device("cpu")
    device = choose_device(args.device)
    if device.type == "cuda" and place.size > 1:
        return choose_device(f"cuda:{place.local_rank}")
    return device


def _check_folder(args) -> None:
    """Refuse, before anything is done, what the run could destroy."""
    if args.resume and not Path(args.resume).exists():
        raise UserError(f"--resume {args.resume} does not exist; give a last.ckpt or a .pth file.")
    RunFolder(args.output_dir, flags=("--output_dir", "--output_dir")).check(overwrite=True)
    earlier = pretrain_artefacts.own_files(args.output_dir, args.name)
    if earlier and not args.overwrite and not _goes_on(args):
        raise UserError(
            f"{args.output_dir} holds an earlier pre-training ({earlier[0].name}); give --resume "
            f"{args.output_dir / LAST} to go on with it, --overwrite to replace it, or another "
            "--output_dir."
        )


def _goes_on(args) -> bool:
    """Whether the run in the output folder is the one that is resumed."""
    return bool(args.resume) and RunFolder(args.output_dir).holds(Path(args.resume))


def _prepare_folder(args) -> RunFolder:
    """The run folder; an earlier run's files go unless it is gone on with, others stay."""
    run = RunFolder(args.output_dir, flags=("--output_dir", "--output_dir"))
    run.open(overwrite=True, resume=True)
    if not _goes_on(args):
        for file in pretrain_artefacts.own_files(run.path, args.name):
            file.unlink()
    log_to(run.path, pretrain_artefacts.LOG)
    return run


def _prepare(args, faces: Manifest, run: RunFolder | None, device: torch.device) -> Trainer:
    """:func:`build_trainer`, at the place where ``--resume`` left off."""
    trainer = build_trainer(args, faces, run, device)
    if args.resume:
        pretrain_artefacts.resume(trainer, Path(args.resume))
    return trainer


def _train(args, explicit: set[str], argv: list[str], device: torch.device) -> None:
    register = quirks.load(QUIRKS)
    launch.settle(args, explicit, device, register)
    if "num_workers" not in explicit:  # what is drawn does not depend on their number
        args.num_workers = min(args.num_workers, os.cpu_count() or 1)
    distributed.from_main(lambda: _check_folder(args))
    faces = distributed.from_main(
        lambda: pretrain_data.read_faces(args.train_dir, args.num_workers)
    )
    launch.seed_everything(args.seed + (distributed.rank() if args.seed_per_process else 0))
    planned = RunFolder(args.output_dir) if distributed.is_main() else None
    trainer = distributed.together(lambda: _prepare(args, faces, planned, device))
    if not distributed.is_main():
        trainer.fit()
        return
    run = trainer.run = _prepare_folder(args)
    log.info("effective batch size: %d", args.batch_size * args.accum_iter * distributed.size())
    launch.record(run, "ssfer pre-training", args, register, device, faces, None)
    if trainer.finished and (run.path / SUMMARY).exists():  # resumed after its end
        print(pretrain_artefacts.headline(launch.read_summary(run.path), run.path))
        return
    launch.conduct(
        trainer,
        _program(),
        argv,
        faces.drawn,
        resume_takes_path=True,
        ending=pretrain_artefacts.ending,
    )


def _program() -> str:
    """What a person types before the flags."""
    if distributed.size() == 1:
        return PROGRAM
    here = os.environ.get("LOCAL_WORLD_SIZE", str(distributed.size()))
    return f"torchrun --nproc_per_node {here} {PROGRAM.removeprefix('python ')}"


def _run(argv: list[str]) -> int:
    """Read the flags, meet the other processes, train.

    Raises:
        UserError: a mistake in the flags or the data.
        Interrupted: a signal came; the first process's text says how to go on.
    """
    log_to()
    args, explicit = flags.parse(build_parser, argv)
    place = distributed.find_place(
        args.world_size, args.local_rank, args.dist_on_itp, args.dist_url
    )
    device = _device(args, explicit, place)
    distributed.join(place, device)
    try:
        _train(args, explicit, argv, device)
    except distributed.ToldElsewhere:
        return EXIT_USER_ERROR
    except Interrupted as stop:
        if distributed.is_main():
            raise
        return stop.exit_code
    finally:
        distributed.leave()
    return 0


def main(argv: list[str] | None = None) -> int:
    """Pre-train; returns the exit code."""
    return entry_point(_run, argv)


def cli() -> None:
    """The installed script ``ssfer-pretrain``."""
    raise SystemExit(main())


if __name__ == "__main__":
    cli()
