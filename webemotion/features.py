"""``python -m webemotion.features``: pooled features of an image list, and what they are worth.

``extract`` writes features (npz or Parquet), ``probe`` fits a linear classifier and k nearest
neighbours on them, and ``run`` does both from two lists.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from common.cli import UserError, choose_device, entry_point, log_to
from common.data.dataset import open_rgb
from common.data.pickles import write_bytes
from common.data.streams import auto_workers, eval_loader, plain_errors
from common.engine.method import to_device
from common.engine.run_folder import RunFolder
from common.files import write_json
from common.flags import at_least_0, count, number
from webemotion import authors_files, checkpoints, data, lists, probe
from webemotion.config import Config, require_files
from webemotion.feature_files import Features, check_target, read_features, write_features
from webemotion.model import PUBLISHED_SIZE, TRUNKS, EmotionNet, build_network, start_from_imagenet

log = logging.getLogger(__name__)

ARCH = "resnet50_feature_extractor"


@dataclass(frozen=True)
class View:
    """How images are seen and fed: `resize` of the short side, `size` of the crop."""

    size: int = 224
    resize: int = 256
    batch_size: int = 64
    workers: int = 0


class _Images(torch.utils.data.Dataset):
    """Items ``{"image", "index"}``; None for an unreadable image."""

    def __init__(self, entries: Sequence[lists.Entry], folder: Path, view: View):
        self.entries, self.folder = list(entries), Path(folder)
        self.view = data.val_view(view.size, view.resize)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> dict | None:
        try:
            image = open_rgb(str(self.folder / self.entries[index].path))
        except UserError as error:
            log.warning("left out: %s", error)
            return None
        return {"image": self.view(image), "index": index}


@torch.no_grad()
def extract(
    model: EmotionNet,
    entries: Sequence[lists.Entry],
    folder: Path,
    view: View,
    device: torch.device,
) -> Features:
    """Pooled features of every readable image of a list, in its order.

    Args:
        model: its heads are not used.
        folder: that the list's paths are relative to.

    Raises:
        UserError: images are missing, or none of a batch can be read.
    """
    lists.check_images(entries, folder, "the list")
    images = _Images(entries, folder, view)
    batches = eval_loader(
        images, view.batch_size, view.workers, device.type == "cuda", data.collate
    )
    model.to(device).eval()
    rows, places = [], []
    for batch in plain_errors(batches):
        rows.append(model.pooled(to_device(batch["image"], device)).float().cpu().numpy())
        places += batch["index"].tolist()
    kept = [entries[k] for k in places]
    paths = np.array([entry.path for entry in kept], dtype=np.str_)
    return Features(paths, np.concatenate(rows), [entry.label for entry in kept])


def load_network(
    checkpoint: str | Path | None, trunk: str, size: int, imagenet: bool = False
) -> EmotionNet:
    """A feature extractor with the trunk's weights of a checkpoint.

    Args:
        checkpoint: of any network of this package; its heads are left. None: random weights, with
            a warning.
        trunk: e.g. ``resnet50``.
        size: of the images; published is 224.
        imagenet: start from torchvision's ImageNet weights instead.

    Raises:
        UserError: the file does not fit the trunk.
    """
    adaptive = size != PUBLISHED_SIZE
    model = build_network(ARCH, 1, trunk=trunk, adaptive=adaptive)
    if imagenet:
        log.info("start: %s", start_from_imagenet(model, trunk, None))
    elif checkpoint is None:
        log.warning("no checkpoint: the features are those of a random network")
    else:
        report = checkpoints.start_from(model, Path(checkpoint), checkpoints.POLICIES["no_fc"])
        lacking = [n for n in (*report.missing, *report.size_mismatch) if not n.startswith("fc.")]
        lacking = [name for name in lacking if not name.endswith("num_batches_tracked")]
        if lacking:
            raise UserError(
                f"{checkpoint} does not fit {trunk}: {len(lacking)} tensors of the trunk are "
                f"missing or of another size, the first {lacking[0]}. Check --trunk."
            )
    return model


def run(
    script: str, config: Config, device: torch.device, begin: Callable[[int], RunFolder]
) -> None:
    """The published feature extractors: features of ``val_file`` into ``save_directory``.

    With ``individual_feat``, a ``.npy`` file per image, called after the last
    ``rel_path_depth`` + 1 parts of its path; else ``features.npz``.

    Args:
        begin: number of images -> the opened run folder.

    Raises:
        UserError: a file is missing or does not fit.
    """
    given = (config.dataset or {}).get("args", {})
    source = config.val_file or given.get("annotation_file")
    folder = config.data_dir or given.get("data_dir")
    if not source or not folder:
        raise UserError(f"{config.path} lacks val_file or data_dir (dataset: annotation_file).")
    config.val_file, config.data_dir = source.replace("{}", "test"), folder
    require_files(config, ("val_file", "data_dir", "ckpts_dir", "resume"), script)
    checkpoint = config.resume or _best_below(config.ckpts_dir)
    imagenet = config.pretrained is True and checkpoint is None
    trunk = config.depth or "resnet50"
    model = load_network(checkpoint, trunk, config.image_size, imagenet)
    workers = min(config.workers, os.cpu_count() or 1)
    view = View(config.image_size, config.resize, config.batch_size, workers)
    entries = lists.read_list(config.val_file)
    features = extract(model, entries, Path(config.data_dir), view, device)
    if not config.individual_feat:
        target = begin(len(features.paths)).path / "features.npz"
        write_features(features, target)
        print(f"features {list(features.values.shape)} written to {target}")
        return
    names = _file_names(features, config.rel_path_depth)
    out = begin(len(names)).path
    for name, row in zip(names, features.values, strict=True):
        content = io.BytesIO()
        np.save(content, row)
        write_bytes(content.getvalue(), out / name)
    print(f"{len(names)} feature files written to {out}")


def _best_below(folder: str | None) -> Path | None:
    """The checkpoint of a ``ckpts_dir``: the file itself, or ``model_best.pth.tar`` in it."""
    if folder is None:
        return None
    place = Path(folder)
    return place / authors_files.BEST if place.is_dir() else place


def _file_names(features: Features, depth: int) -> list[Path]:
    names = [Path(*Path(path).parts[-(depth + 1) :]).with_suffix(".npy") for path in features.paths]
    if len(set(names)) < len(names):
        raise UserError(
            f"{len(names) - len(set(names))} images share the last {depth + 1} parts of their "
            "path; set rel_path_depth higher."
        )
    return names


# --- command line ---------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m webemotion.features", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    shape = argparse.ArgumentDefaultsHelpFormatter
    one = commands.add_parser("extract", help="features of a list", formatter_class=shape)
    one.add_argument("--list", type=Path, required=True, help="image list")
    one.add_argument("--out", type=Path, required=True, help=".npz or .parquet")
    both = commands.add_parser(
        "run", help="features and probes of two lists", formatter_class=shape
    )
    both.add_argument("--train", type=Path, required=True, help="image list to fit on")
    both.add_argument("--test", type=Path, required=True, help="image list to judge on")
    both.add_argument("--out", type=Path, required=True, help="folder to write")
    judge = commands.add_parser("probe", help="probes on written features", formatter_class=shape)
    judge.add_argument("--train", type=Path, required=True, help="features to fit on")
    judge.add_argument("--test", type=Path, required=True, help="features to judge on")
    judge.add_argument("--out", type=Path, help="JSON file to write")
    for command in (one, both):
        _network_flags(command)
    for command in (both, judge):
        command.add_argument("--k", type=count, default=5, help="neighbours")
        command.add_argument("--c", type=number(float, 1e-9), default=1.0, help="1 / penalty")
        command.add_argument("--seed", type=at_least_0, default=0, help="of the linear probe")
    return parser


def _network_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data_dir", type=Path, required=True, help="folder of the images")
    parser.add_argument("--checkpoint", type=Path, help="network; default: random weights")
    parser.add_argument("--trunk", choices=TRUNKS, default="resnet50", help="of the checkpoint")
    parser.add_argument("--image_size", type=number(int, 16), default=224, help="side of the crop")
    parser.add_argument("--batch_size", type=count, default=64, help="images at once")
    parser.add_argument("--num_workers", type=at_least_0, help="loader processes")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")


def _extract(args, source: Path, model: EmotionNet) -> Features:
    workers = auto_workers(args.num_workers)
    resize = round(args.image_size * 256 / 224)
    view = View(args.image_size, resize, args.batch_size, workers)
    device = choose_device(args.device)
    return extract(model, lists.read_list(source), args.data_dir, view, device)


def _run_both(args) -> dict:
    targets = [args.out / f"{split}.npz" for split in ("train", "test")]
    report = args.out / "probe.json"
    for target in (*targets, report):
        check_target(target)
    model = load_network(args.checkpoint, args.trunk, args.image_size)
    found = [_extract(args, source, model) for source in (args.train, args.test)]
    for features, target in zip(found, targets, strict=True):
        write_features(features, target)
    args.out = report
    return probe.evaluate(*found, k=args.k, c=args.c, seed=args.seed)


def _run(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    log_to()
    if args.command == "extract":
        check_target(args.out)
        model = load_network(args.checkpoint, args.trunk, args.image_size)
        features = _extract(args, args.list, model)
        write_features(features, args.out)
        print(f"features {list(features.values.shape)} written to {args.out}")
        return 0
    if args.command == "run":
        report = _run_both(args)
    else:
        if args.out:
            check_target(args.out)
        found = [read_features(path) for path in (args.train, args.test)]
        report = probe.evaluate(*found, k=args.k, c=args.c, seed=args.seed)
    print(probe.told(report))
    if args.out:
        write_json(args.out, report)
        print(f"written to {args.out}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Write features or probe them; returns the exit code."""
    return entry_point(_run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
