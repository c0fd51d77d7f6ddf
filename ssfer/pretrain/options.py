"""Pre-training's command line: the published flags with their defaults, then our own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from common.data import cache
from common.flags import (
    Parser,
    a_seed,
    add_draws,
    add_machine_flags,
    add_switches,
    at_least_0,
    count,
    not_negative,
    number,
)
from ssfer.pretrain.mae import DECODERS

NAME = "125w_base_warmup50_batch256"  # what the published files are called, whatever the settings


def build_parser() -> Parser:
    """Every published flag with its published default, and the laboratory flags."""
    parser = Parser(
        prog="python ssfer/pretrain_distribute.py",
        description="Masked-autoencoder pre-training on faces without labels. One process by "
        "itself, several under torchrun.",
    )
    _training_flags(parser.add_argument_group("training"))
    _machine_flags(parser.add_argument_group("data and machine"))
    _laboratory_flags(
        parser.add_argument_group(
            "laboratory flags",
            "not in the published code; the defaults leave its results as they are",
        )
    )
    return parser


def _training_flags(group) -> None:
    add = group.add_argument
    add("--batch_size", type=count, default=64, help="images a step and process")
    add("--epochs", type=count, default=800, help="passes over the images")
    add("--accum_iter", type=count, default=1, help="steps whose gradients are added up")
    add("--warmup_epochs", type=at_least_0, default=50, help="epochs the rate rises")
    add("--lr", type=not_negative, default=3.4e-4, help="rate of AdamW; not scaled by the batch")
    add("--weight_decay", type=not_negative, default=0.05, help="of AdamW")
    add("--input_size", type=count, default=224, help="side of the images")
    add(
        "--mask_ratio",
        type=number(float, low=0, below=1),
        default=0.75,
        help="share of the patches that is hidden",
    )
    add("--seed", type=a_seed, default=2024, help="seed of everything, in every process")


def _machine_flags(group) -> None:
    add = partial(group.add_argument, neutral=True)
    add("--resume", default="", metavar="PATH", help="last.ckpt, its folder, or a published .pth")
    add("--num_workers", type=at_least_0, default=8, help="loader processes; at most one a core")
    add("--output_dir", type=Path, default=Path("./output_dir"), help="folder of the run")
    add("--world_size", type=count, default=1, help="processes; launchers set it themselves")
    add("--local_rank", type=int, default=-1, help="given by launchers older than torchrun")
    add("--dist_on_itp", action="store_true", help="read the variables of Open MPI")
    add("--dist_url", default="env://", help="where the processes meet")


def _laboratory_flags(group) -> None:
    add, free = group.add_argument, partial(group.add_argument, neutral=True)
    faces = Path("./pretrain_dataset/train_all")
    free("--train_dir", type=Path, default=faces, help="sub-folders of images, or images")
    add("--model", choices=tuple(DECODERS), default="base", help="size of the network")
    add_switches(
        group,
        norm_pix_loss="predict patches normalised one by one",
        mean_gradients="divide gradients by --accum_iter",
        reshuffle="another order of the images every epoch",
        seed_per_process="hide other patches in every process",
    )
    add_draws(group)
    free("--name", default=NAME, help="checkpoints are called <name>_<epoch>.pth")
    free("--save_every", type=count, default=20, help="epochs between checkpoints")
    free(
        "--picture_every",
        type=at_least_0,
        default=20,
        help="epochs between pictures of reconstructions; 0 draws none",
    )
    free("--overwrite", action="store_true", help="replace an earlier run in --output_dir")
    add_machine_flags(group, device="cuda")
    cache.add_flags(group)
