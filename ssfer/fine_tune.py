"""``python ssfer/fine_tune.py``: read the flags, train the stages, write weights and results."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

if not __package__:  # run as a script: import from the repository's root, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from common import flags, quirks
from common.cli import UserError, choose_device, entry_point, log_to
from common.data import split_files
from common.engine import launch
from common.engine.run_folder import CONFIG
from ssfer import authors_files, preparation
from ssfer.options import build_parser
from ssfer.stages import Chain
from ssfer.vit import SIZES, check_input_size

log = logging.getLogger(__name__)

QUIRKS = Path(__file__).with_name("quirks.yaml")


def _check(args, explicit: set[str]) -> None:
    """Refuse flags that cannot run, before any image is read.

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
    if args.protocol == "kfold" and "testdir" in explicit:
        raise UserError(
            "--testdir has no place in --protocol kfold, which validates on folds of the labelled "
            "images; give --protocol official."
        )
    if args.boxes is not None and args.detector != "file":
        raise UserError(
            f"--boxes is for --detector file, but --detector is {args.detector}; leave one out."
        )


def _claim(args, explicit: set[str]) -> bool:
    """Settle ``--out`` and whether the run goes on.

    Raises:
        UserError: the folder holds something, or is another one than that of ``--resume``.
    """
    if args.resume is not None:
        root = authors_files.run_of(args.resume)
        if "out" in explicit and args.out.absolute() != root:
            raise UserError(
                f"--resume {args.resume} goes on in its own folder, {root}; leave --out away or "
                "give the same."
            )
        args.out = root
        return True
    if args.out.exists() and not args.out.is_dir():
        raise UserError(f"--out {args.out} is a file; a folder is needed.")
    if args.out.is_dir() and any(args.out.iterdir()):
        if not args.overwrite:
            raise UserError(
                f"{args.out} already exists; give --overwrite to replace it, --resume {args.out} "
                "to go on, or another --out."
            )
        if not any((stage / CONFIG).is_file() for stage in _stages(args.out)):
            raise UserError(f"{args.out} holds no run, so it is not replaced; give another --out.")
    return False


def _stages(out: Path) -> list[Path]:
    """The folders of an earlier run's stages."""
    places = (p for name in authors_files.STAGES for p in (out / name, *out.glob(f"fold*/{name}")))
    return [place for place in places if place.is_dir()]


def _clear(out: Path) -> None:
    """Take an earlier run's files away, so that none is taken for this one's; others stay."""
    own = (authors_files.RESULTS, preparation.BOXES, authors_files.weights_name("*", "*"))
    files = [file for pattern in own for file in out.glob(pattern)]
    for file in (*files, *(file for stage in _stages(out) for file in stage.glob("*"))):
        if file.is_file():
            file.unlink()


def _run(argv: list[str]) -> int:
    """Read the flags, train every stage, write weights and results.

    Raises:
        UserError: a mistake in the flags or the data.
        Interrupted: a signal came; the text says how to go on.
    """
    log_to()
    args, explicit = flags.parse(build_parser, argv)
    device = choose_device(args.device, args.gpu)
    register = quirks.load(QUIRKS)
    launch.settle(args, explicit, device, register)
    split_files.resolve(args, explicit, "anno_percent", share=True)
    _check(args, explicit)
    goes_on = _claim(args, explicit)

    # All that can be refused is refused before the first file is written or replaced.
    images = preparation.read(args)
    if not goes_on:
        preparation.check_checkpoint(args)
    launch.seed_everything(args.seed)
    chain = Chain(args, images, device, register, argv, goes_on)
    if not goes_on and args.out.exists():
        _clear(args.out)
    args.out.mkdir(parents=True, exist_ok=True)
    chain.run()
    return 0


def main(argv: list[str] | None = None) -> int:
    """Fine-tune; returns the exit code."""
    return entry_point(_run, argv)


def cli() -> None:
    """The installed script ``ssfer``."""
    raise SystemExit(main())


if __name__ == "__main__":
    cli()
