"""``python ssfer/evaluate.py``: accuracy, recall a class, macro F1 and confusion of checkpoints."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

if not __package__:  # run as a script: import from the repository's root, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
import torch
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from common.cli import UserError, choose_device, command, log_to
from common.data.check import refuse_oblong
from common.data.manifest import Manifest
from common.engine.evaluate import collect_logits
from common.engine.method import Method
from common.engine.precision import DTYPES, autocast
from common.engine.run_folder import DRAWN
from common.files import replacing, write_json
from common.flags import at_least_0, count, not_negative, number
from common.metrics.classification import classification_report
from ssfer.checkpoints import read_weights
from ssfer.finetune import authors_files, data
from ssfer.vit import SIZES, build_vit

PLACES = (Path("Experiments_checkpoints"), Path("outputs_dir"), Path())
OUTSIDE = 1  # exit code when --expect is missed


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix whose rows and columns are names in alphabetical order.

    Attributes:
        labels: the names that occur, as truth or prediction.
        counts: int64 [n, n], true by predicted.
        shares: float64 [n, n], rows divided by their sums; NaN for a name that is never true.
        accuracy: share of the diagonal.
    """

    labels: tuple[str, ...]
    counts: np.ndarray
    shares: np.ndarray
    accuracy: float


def confusion_by_name(true: np.ndarray, predicted: np.ndarray, names: tuple[str, ...]) -> Confusion:
    """The notebook's confusion matrix.

    Args:
        true, predicted: int64 [n], indices into `names`.
    """
    named = np.array(names)
    true_names, predicted_names = named[np.asarray(true)], named[np.asarray(predicted)]
    labels = sorted({*true_names.tolist(), *predicted_names.tolist()})
    counts = confusion_matrix(true_names, predicted_names, labels=labels).astype(np.int64)
    with np.errstate(invalid="ignore"):
        shares = counts / counts.sum(axis=1, keepdims=True)
    return Confusion(tuple(labels), counts, shares, float(np.trace(counts) / counts.sum()))


def draw_confusions(tables: dict[str, Confusion], path: Path) -> None:
    """Write the shares as one picture, a panel a checkpoint under its title."""
    import matplotlib.pyplot as plt  # slow to import, needless for the figures alone

    size = (7 * len(tables), 6)
    figure, panels = plt.subplots(1, len(tables), figsize=size, layout="constrained", squeeze=False)
    how = {"cmap": "Blues", "values_format": ".2f", "xticks_rotation": 45, "im_kw": {"vmax": 1}}
    for axes, (title, table) in zip(panels[0], tables.items(), strict=True):
        shown = ConfusionMatrixDisplay(np.nan_to_num(table.shares), display_labels=table.labels)
        shown.plot(ax=axes, **how)
        axes.set_title(title)
    with replacing(path) as part:
        figure.savefig(part, dpi=120, format="jpg")
    plt.close(figure)


def load_classifier(
    path: Path, model: str, num_classes: int | None, input_size: int
) -> VisionTransformer:
    """A classifier with the weights of a file, strictly; None: as many classes as its head has.

    Raises:
        UserError: unreadable file, or names or shapes that differ; says which.
    """
    state = read_weights(path)
    num_classes = num_classes or len(state.get("head.bias", ())) or 1
    network = build_vit(model, num_classes=num_classes, img_size=input_size)
    own = network.state_dict()
    wrong = {
        "lacks": sorted(own.keys() - state.keys()),
        "has also": sorted(state.keys() - own.keys()),
        "has in another shape": sorted(
            f"{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}"
            for name in own.keys() & state.keys()
            if state[name].shape != own[name].shape
        ),
    }
    told = [f"{kind} {', '.join(names[:3])}" for kind, names in wrong.items() if names]
    if told:
        raise UserError(
            f"{path} does not fit a {model} transformer of {num_classes} classes: it "
            f"{'; it '.join(told)}. Check --model, --nb_classes and --input_size."
        )
    network.load_state_dict(state)
    return network


class Classifier(Method):
    """A network as the evaluators take it."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [n, C]."""
        return self.model(images)


@torch.no_grad()
def evaluate(network: nn.Module, manifest: Manifest, args, device: torch.device) -> dict:
    """The report of one network on the test images, with the recall of every class."""
    method = Classifier(network).to(device).eval()
    with autocast(device, args.precision):
        logits, labels = collect_logits(method, data.test_loader(manifest, args))
    report = classification_report(logits, labels)
    names = data.CLASSES.get(args.dataset, manifest.classes)
    confusion = np.array(report["confusion"])
    with np.errstate(invalid="ignore"):
        recall = np.diag(confusion) / confusion.sum(axis=1)
    report["recall"] = dict(zip(names, recall.tolist(), strict=True))
    report["images"] = len(labels)
    by_name = confusion_by_name(labels.numpy(), logits.argmax(dim=1).numpy(), names)
    return {"report": report, "confusion": by_name}


def check_names(paths: list[Path], dataset: str) -> None:
    """Refuse a released checkpoint on another known dataset.

    Raises:
        UserError: its name says another one than ``--dataset``.
    """
    for path in paths:
        known = authors_files.released(path.name)
        if known and dataset in data.CLASSES and known.dataset != dataset:
            raise UserError(
                f"{path.name} is a checkpoint of {known.dataset}, but --dataset is {dataset}; give "
                f"--dataset {known.dataset}, or rename the file."
            )


def row_of(path: Path, report: dict, dataset: str, drawn: bool) -> dict:
    """What the results say of one checkpoint, beside the numbers known of its name."""
    known = authors_files.released(path.name)
    if drawn or (known and known.dataset != dataset):
        known = None
    return {
        "checkpoint": str(path),
        "dataset": dataset,
        "accuracy": 100 * report["top1"],
        "paper": known.paper if known else None,
        "notebook": known.notebook if known else None,
        "notebook_images": known.images if known else None,
        **{k: report[k] for k in ("images", "macro_f1", "balanced_accuracy", "recall", "ece")},
        "drawn": drawn,
    }


def check_results(path: Path) -> None:
    """Refuse to replace a file that this command did not write.

    Raises:
        UserError: it is none of its results files.
    """
    if path.exists() and '"figure"' not in path.read_text(encoding="utf-8", errors="replace"):
        raise UserError(
            f"{path} is no results file of this command, so it stays; give another --out."
        )


def table_text(rows: list[dict]) -> str:
    """A line a checkpoint; percentages."""
    width = max(10, *(len(Path(row["checkpoint"]).name) for row in rows))
    heads = ("images", "accuracy", "macro F1", "paper", "notebook")
    lines = [f"{'checkpoint':<{width}}" + "".join(f"{head:>10}" for head in heads)]
    for row in rows:
        known = [
            f"{'-':>10}" if row[k] is None else f"{row[k]:>10.2f}" for k in ("paper", "notebook")
        ]
        figures = f"{row['images']:>10}{row['accuracy']:>10.2f}{100 * row['macro_f1']:>10.2f}"
        lines.append(f"{Path(row['checkpoint']).name:<{width}}{figures}{''.join(known)}")
    if any(row["drawn"] for row in rows):
        lines.append(DRAWN)
    return "\n".join(lines)


def build_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = argparse.ArgumentParser(
        prog="python ssfer/evaluate.py",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--checkpoint",
        type=Path,
        nargs="+",
        help="plain state dicts; default: the released ones of the dataset that are there",
    )
    add("--dataset", default="RAFDB", help=f"{', '.join(data.CLASSES)}, or a name of your own")
    add("--testdir", type=Path, help="one sub-folder a class; default: the dataset's, here")
    add("--nb_classes", type=count, help="default: those of the dataset, or of the head")
    add("--model", choices=tuple(SIZES), default="base", help="size of the transformer")
    add("--input_size", type=count, default=224, help="side of the images")
    add("--any_folders", action="store_true", help="class folders by number, whatever their names")
    add("--square_crop", action="store_true", help="crop the middle of oblong images")
    add("--expect", type=number(float, low=0, high=100), help="accuracy in percent to be met")
    add("--tolerance", type=not_negative, default=0.1, help="of --expect, in points")
    add("--out", type=Path, default=Path(), help="folder of results and figure")
    add("--num_workers", type=at_least_0, default=2, help="loader processes")
    add("--precision", choices=tuple(DTYPES), default="fp32", help="number format")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--gpu", type=at_least_0, help="CUDA device")
    return parser


def find_checkpoints(dataset: str) -> list[Path]:
    """The released checkpoints of a dataset, wherever they usually lie.

    Raises:
        UserError: there is none.
    """
    names = [row.file for row in authors_files.RELEASED if row.dataset == dataset]
    usual = ([folder / name for folder in PLACES] for name in names)
    if found := [path for places in usual for path in places if path.is_file()]:
        return found
    raise UserError(
        f"there is no released checkpoint of {dataset} ({', '.join(names) or 'none is known'}) in "
        f"{', '.join(map(str, PLACES))}; give --checkpoint."
    )


def _manifest(args, num_classes: int) -> Manifest:
    if args.testdir is None and args.dataset not in data.CLASSES:
        raise UserError(
            f"--dataset {args.dataset} is not one of {', '.join(data.CLASSES)}; for images of your "
            "own give --testdir."
        )
    folders = {"test": args.testdir or Path(data.TEST_FOLDERS[args.dataset])}
    named = not args.any_folders
    manifest = data.read_manifest(args.dataset, folders, num_classes, args.num_workers, named)
    if not args.square_crop:
        refuse_oblong(manifest, data.OBLONG)
    return manifest


@command
def main(argv: list[str]) -> int:
    """Evaluate; 0, or 1 when an accuracy is outside the tolerance of ``--expect``."""
    log_to()
    args = build_parser().parse_args(argv)
    device = choose_device(args.device, args.gpu)
    checkpoints = args.checkpoint or find_checkpoints(args.dataset)
    check_names(checkpoints, args.dataset)
    check_results(args.out / authors_files.RESULTS)
    classes = args.nb_classes or len(data.CLASSES.get(args.dataset, ())) or None
    networks = []
    for path in checkpoints:
        networks.append(load_classifier(path, args.model, classes, args.input_size))
        classes = networks[0].num_classes
    manifest = _manifest(args, classes)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {args.out} cannot be made ({error.strerror}).") from None
    rows, tables, figure = [], {}, f"{Path(args.dataset).name}_confusion_matrices.jpg"
    for path, network in zip(checkpoints, networks, strict=True):
        found = evaluate(network, manifest, args, device)
        print(f"test acc:{found['report']['top1']}")
        row = row_of(path, found["report"], args.dataset, manifest.drawn) | {"figure": figure}
        rows.append(row)
        tables[f"{path}: {row['accuracy']:.2f} %"] = found["confusion"]
    draw_confusions(tables, args.out / figure)
    write_json(args.out / authors_files.RESULTS, {"rows": rows})
    print(table_text(rows))
    for row in rows:
        recall = ", ".join(f"{name} {value:.1%}" for name, value in row["recall"].items())
        print(f"recall of {Path(row['checkpoint']).name}: {recall}")
    print(f"results and figure: {args.out}")
    return _judge(rows, args)


def _judge(rows: list[dict], args) -> int:
    if args.expect is None:
        return 0
    off = [row for row in rows if not abs(row["accuracy"] - args.expect) <= args.tolerance]
    for row in off:
        print(
            f"{row['checkpoint']}: accuracy {row['accuracy']:.2f} is not within {args.tolerance:g} "
            f"of the expected {args.expect:.2f}.",
            file=sys.stderr,
        )
    return OUTSIDE if off else 0


if __name__ == "__main__":
    raise SystemExit(main())
