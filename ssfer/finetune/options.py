"""Command line of the fine-tuning: the script's constants as flags, then our own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from common.cli import UserError
from common.data import cache, split_files
from common.flags import (
    GivenFlags,
    Parser,
    a_seed,
    add_draws,
    add_machine_flags,
    add_settings,
    at_least_0,
    count,
    not_negative,
    number,
    positive,
)
from ssfer.finetune.authors_files import run_of
from ssfer.finetune.data import CLASSES, PROTOCOLS
from ssfer.finetune.faces import DETECTORS
from ssfer.finetune.method import FaceMixConfig, TeacherConfig
from ssfer.finetune.rates import CosineConfig
from ssfer.vit import SIZES, check_input_size

CHECKPOINT = Path("output_dir/125w_base_warmup50_batch256_600.pth")


def build_parser() -> Parser:
    """Every constant of the published script with its value, and the laboratory flags."""
    parser = Parser(
        prog="python ssfer/fine_tune.py",
        description="Fine-tune a masked autoencoder's encoder: FaceMix on few labels, then an EMA "
        "teacher on the rest.",
    )
    data = parser.add_argument_group("data and machine")
    supervised = parser.add_argument_group("supervised stage")
    semi = parser.add_argument_group("semi-supervised stage")
    ours = parser.add_argument_group(
        "laboratory flags", "not in the published code; the defaults leave its results alone"
    )
    _data_flags(data)
    for config in (CosineConfig, FaceMixConfig):
        add_settings(config, supervised, ours)
    _supervised_flags(supervised)
    _semi_flags(semi)
    add_settings(TeacherConfig, semi, ours)
    _our_flags(ours)
    return parser


def _data_flags(group) -> None:
    add, free = group.add_argument, partial(group.add_argument, neutral=True)
    free("--traindir", type=Path, default=Path("RAF-DB/train"), help="one sub-folder a class")
    add("--anno_percent", type=number(float, low=1e-9, high=1), default=0.05, help="labelled share")
    add("--numclass", "--nb_classes", dest="nb_classes", type=count, default=7, help="classes")
    add("--checkpoint", default=str(CHECKPOINT), metavar="PATH", help="of pre-training; or none")
    add("--seed", type=a_seed, default=2024, help="seed of everything but the folds")
    free("--num_workers", type=at_least_0, default=0, help="loader processes a stream")


def _supervised_flags(group) -> None:
    add = group.add_argument
    add("--batch_size", type=count, default=32, help="images a step; even, for they are paired")
    add("--weight_decay", type=not_negative, default=0.05, help="of AdamW")
    add("--k", type=number(int, low=2), default=5, help="folds of the protocol kfold")
    add("--random_state", type=a_seed, default=42, help="seed of the folds")


def _semi_flags(group) -> None:
    add, free = group.add_argument, partial(group.add_argument, neutral=True)
    free("--semi_epochs", type=at_least_0, default=50, help="epochs; 0 leaves the stage out")
    add("--mu", type=positive, default=1, help="unlabelled images for one labelled one")
    add("--learning_rate", type=positive, default=1.5e-4, help="its rate")
    add("--semi_weight_decay", type=not_negative, default=0.05, help="its AdamW's")


def _our_flags(group) -> None:
    add, free = group.add_argument, partial(group.add_argument, neutral=True)
    add("--protocol", choices=PROTOCOLS, default="kfold", help="the script's, or the tables'")
    free("--testdir", type=Path, help="test images; default: test beside --traindir (official)")
    add("--dataset", default="RAFDB", help=f"{', '.join(CLASSES)}, or a name of your own")
    add("--model", choices=tuple(SIZES), default="base", help="size of the transformer")
    add("--input_size", type=count, default=224, help="side of the images")
    add("--square_crop", action="store_true", help="crop the middle of oblong test images")
    add(
        "--detector",
        choices=DETECTORS,
        default="auto",
        help="what finds FaceMix's faces; auto: the file of one in output_dir/",
    )
    free("--boxes", type=Path, help="CSV of ssfer.detect_faces, for --detector file")
    free("--detector_weights", type=Path, help="ONNX of --detector yunet or yolov7-face")
    free("--out", type=Path, default=Path("finetune_dir"), help="folder of the run")
    free("--overwrite", action="store_true", help="replace an earlier run in --out")
    free("--resume", type=Path, metavar="PATH", help="run folder, or a last.ckpt in it, to go on")
    free("--gpu", type=at_least_0, help="CUDA device")
    add_draws(group)
    add_machine_flags(group)
    split_files.add_flag(group)
    cache.add_flags(group)


def check(args, given_flags: GivenFlags) -> None:
    """Refuse flags that cannot run, and settle ``--out``, before any image is read.

    Raises:
        UserError: says which flag.
    """
    check_input_size(args.input_size, SIZES[args.model].patch_size)
    if not args.dataset or Path(args.dataset).name != args.dataset:
        raise UserError(
            f"--dataset {args.dataset!r} cannot be part of a file's name; give one without slashes."
        )
    mixing = args.Facemixup_active or args.Mixup_active
    if mixing and args.batch_size % 2:
        raise UserError(
            f"--batch_size {args.batch_size} is odd, but images are mixed in pairs; give an even "
            "number."
        )
    if mixing and args.mixup_alpha == 0 and args.cutmix_alpha == 0:
        raise UserError("--mixup_alpha and --cutmix_alpha are both 0; one of them must mix.")
    if args.protocol == "kfold" and "testdir" in given_flags:
        raise UserError(
            "--testdir has no place in --protocol kfold, which validates on folds of the labelled "
            "images; give --protocol official."
        )
    if (args.boxes is not None) != (args.detector == "file"):
        raise UserError(
            f"--boxes and --detector file go together, but --detector is {args.detector}; boxes "
            "are found once by `python -m ssfer.detect_faces`."
        )
    if args.resume is not None:
        root = run_of(args.resume)
        if "out" in given_flags and args.out.absolute() != root:
            raise UserError(
                f"--resume {args.resume} goes on in its own folder, {root}; leave --out away or "
                "give the same."
            )
        args.out = root
