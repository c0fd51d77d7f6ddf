"""Command line of the fine-tuning: the script's constants as flags, then our own."""

from __future__ import annotations

import argparse
from pathlib import Path

from common.cli import boolean
from common.data import cache, split_files
from common.engine.precision import DTYPES
from common.flags import a_seed, at_least_0, count, number
from ssfer.data import CLASSES, PROTOCOLS
from ssfer.faces import DETECTORS
from ssfer.vit import SIZES

CHECKPOINT = Path("output_dir/125w_base_warmup50_batch256_600.pth")
share = number(float, low=0, high=1)
positive = number(float, low=1e-12)


def build_parser() -> argparse.ArgumentParser:
    """Every constant of the published script with its value, and the laboratory flags."""
    parser = argparse.ArgumentParser(
        prog="python ssfer/fine_tune.py",
        description="Fine-tune a masked autoencoder's encoder: FaceMix on few labels, then an EMA "
        "teacher on the rest.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _data_flags(parser.add_argument_group("data and machine"))
    _supervised_flags(parser.add_argument_group("supervised stage"))
    _semi_flags(parser.add_argument_group("semi-supervised stage"))
    _our_flags(
        parser.add_argument_group(
            "laboratory flags", "not in the published code; the defaults leave its results alone"
        )
    )
    return parser


def _data_flags(group) -> None:
    add = group.add_argument
    add("--traindir", type=Path, default=Path("RAF-DB/train"), help="one sub-folder a class")
    add("--anno_percent", type=number(float, low=1e-9, high=1), default=0.05, help="labelled share")
    add("--numclass", "--nb_classes", dest="nb_classes", type=count, default=7, help="classes")
    add("--checkpoint", default=str(CHECKPOINT), metavar="PATH", help="of pre-training; or none")
    add("--seed", type=a_seed, default=2024, help="seed of everything but the folds")
    add("--num_workers", type=at_least_0, default=0, help="loader processes a stream")


def _supervised_flags(group) -> None:
    add = group.add_argument
    add("--num_epochs", type=number(int, low=2), default=100, help="epochs")
    add("--batch_size", type=count, default=32, help="images a step; even, for they are paired")
    add("--lr", type=positive, default=1.5e-4, help="rate at the end of the warm-up")
    add("--lr_min", type=number(float, low=0), default=1e-5, help="rate of the second half")
    add("--warmup_epoch", type=at_least_0, default=5, help="updates of the warm-up")
    add("--warmup_lr_init", type=positive, default=5e-5, help="rate of the first update")
    add("--num_steps_per_epoch", type=count, default=1, help="updates an epoch counts as")
    add("--weight_decay", type=number(float, low=0), default=0.05, help="of both stages")
    add("--ema_decay", type=share, default=0.999, help="of both averages")
    add("--label_smoothing", type=share, default=0.1, help="in the targets of mixup")
    add("--Facemixup_active", type=boolean, default=True, metavar="BOOL", help="FaceMix")
    add("--Mixup_active", type=boolean, default=False, metavar="BOOL", help="mixup in its place")
    add("--mixup_alpha", type=number(float, low=0), default=1.0, help="of its beta distribution")
    add("--cutmix_alpha", type=number(float, low=0), default=0.0, help="the same of cutmix")
    add("--mix_prob", type=share, default=1.0, help="probability that a batch is mixed")
    add("--switch_prob", type=share, default=0.0, help="of cutmix where both are on")
    add("--k", type=number(int, low=2), default=5, help="folds of the protocol kfold")
    add("--random_state", type=a_seed, default=42, help="seed of the folds")


def _semi_flags(group) -> None:
    add = group.add_argument
    add("--semi_epochs", type=at_least_0, default=50, help="epochs; 0 leaves the stage out")
    add("--mu", type=count, default=1, help="unlabelled images for one labelled one")
    add("--coefficient_u", type=number(float, low=0), default=5.0, help="weight of their loss")
    add("--threshold", type=share, default=0.7, help="probability that makes a pseudo-label")
    add("--burnin_epochs", type=at_least_0, default=0, help="epochs without pseudo-labels")
    add("--ema_teacher", type=boolean, default=True, metavar="BOOL", help="or the live model")
    add("--learning_rate", type=positive, default=1.5e-4, help="its rate")


def _our_flags(group) -> None:
    add = group.add_argument
    add("--protocol", choices=PROTOCOLS, default="kfold", help="the script's, or the tables'")
    add("--testdir", type=Path, help="test images; default: test beside --traindir (official)")
    add("--dataset", default="RAFDB", help=f"{', '.join(CLASSES)}, or a name of your own")
    add("--model", choices=tuple(SIZES), default="base", help="size of the transformer")
    add("--input_size", type=count, default=224, help="side of the images")
    add("--square_crop", action="store_true", help="crop the middle of oblong test images")
    add("--detector", choices=DETECTORS, default="file", help="where FaceMix's boxes come from")
    add("--boxes", type=Path, help="CSV of ssfer.detect_faces, for --detector file")
    add("--detector_weights", type=Path, help="ONNX of --detector yunet or yolov7-face")
    add("--spare_originals", action="store_true", help="FaceMix's originals are not mixed")
    add("--out", type=Path, default=Path("finetune_dir"), help="folder of the run")
    add("--overwrite", action="store_true", help="replace an earlier run in --out")
    add("--resume", type=Path, metavar="PATH", help="run folder, or a last.ckpt in it, to go on")
    add("--stop_after_epoch", type=at_least_0, default=0, help="leave, resumable; all stages count")
    add("--gpu", type=at_least_0, help="CUDA device")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--precision", choices=tuple(DTYPES), default="fp32", help="number format of the forward")
    add("--channels_last", action="store_true", help="memory layout of the images")
    add("--fast", action="store_true", help="all that changes results by no more than noise")
    add("--corrected", action="store_true", help="every correction of the fidelity table")
    split_files.add_flag(group)
    cache.add_flags(group)
