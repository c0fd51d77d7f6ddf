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
from torch import nn

from common.cli import UserError, choose_device, command, log_to
from common.data.check import refuse_oblong
from common.data.manifest import Manifest
from common.engine.evaluate import collect_logits
from common.engine.method import Method
from common.engine.precision import DTYPES, autocast
from common.engine.run_folder import DRAWN
from common.files import replacing, write_json
from common.flags import at_least_0, count, number
from common.metrics.classification import classification_report
from ssfer.checkpoints import read_weights
from ssfer.finetune import authors_files, data
from ssfer.vit import SIZES, build_vit

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


def draw_confusion(table: Confusion, title: str, path: Path) -> None:
    """Write the shares as a picture."""
    import matplotlib.pyplot as plt  # slow to import, needless for the figures alone

    figure, axes = plt.subplots(figsize=(7, 6), layout="constrained")
    shown = ConfusionMatrixDisplay(np.nan_to_num(table.shares), display_labels=table.labels)
    shown.plot(ax=axes, cmap="Blues", values_format=".2f", xticks_rotation=45, im_kw={"vmax": 1})
    axes.set_title(title)
    with replacing(path) as part:
        figure.savefig(part, dpi=120, format="png")
    plt.close(figure)


def load_classifier(path: Path, model: str, num_classes: int, input_size: int) -> nn.Module:
    """A classifier with the weights of a file, strictly.

    Raises:
        UserError: unreadable file, or names or shapes that differ; says which.
    """
    network = build_vit(model, num_classes=num_classes, img_size=input_size)
    state, own = read_weights(path), network.state_dict()
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
        required=True,
        default=argparse.SUPPRESS,
        help="plain state dicts, e.g. SSFER_RAFDB_0.05_model.pth",
    )
    add("--dataset", default="RAFDB", help=f"{', '.join(data.CLASSES)}, or a name of your own")
    add("--testdir", type=Path, help="one sub-folder a class; default: the dataset's, here")
    add("--nb_classes", type=count, help="default: those of the dataset")
    add("--model", choices=tuple(SIZES), default="base", help="size of the transformer")
    add("--input_size", type=count, default=224, help="side of the images")
    add("--square_crop", action="store_true", help="crop the middle of oblong images")
    add("--expect", type=number(float, low=0, high=100), help="accuracy in percent to be met")
    add("--tolerance", type=number(float, low=0), default=0.1, help="of --expect, in points")
    add("--out", type=Path, default=Path("evaluation"), help="folder of the results")
    add("--num_workers", type=at_least_0, default=2, help="loader processes")
    add("--precision", choices=tuple(DTYPES), default="fp32", help="number format")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--gpu", type=at_least_0, help="CUDA device")
    return parser


def _manifest(args) -> Manifest:
    if args.nb_classes is None:
        args.nb_classes = len(data.CLASSES.get(args.dataset, ())) or None
    if args.nb_classes is None or (args.testdir is None and args.dataset not in data.CLASSES):
        raise UserError(
            f"--dataset {args.dataset} is not one of {', '.join(data.CLASSES)}; for images of your "
            "own give --testdir and --nb_classes."
        )
    folder = args.testdir or Path(data.TEST_FOLDERS[args.dataset])
    manifest = data.read_manifest(args.dataset, {"test": folder}, args.nb_classes, args.num_workers)
    if not args.square_crop:
        refuse_oblong(manifest, data.OBLONG)
    return manifest


@command
def main(argv: list[str]) -> int:
    """Evaluate; 0, or 1 when an accuracy is outside the tolerance of ``--expect``."""
    log_to()
    args = build_parser().parse_args(argv)
    device = choose_device(args.device, args.gpu)
    check_names(args.checkpoint, args.dataset)
    check_results(args.out / authors_files.RESULTS)
    networks = [
        load_classifier(path, args.model, args.nb_classes or _classes(args), args.input_size)
        for path in args.checkpoint
    ]
    manifest = _manifest(args)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {args.out} cannot be made ({error.strerror}).") from None
    rows = []
    for place, (path, network) in enumerate(zip(args.checkpoint, networks, strict=True)):
        found = evaluate(network, manifest, args, device)
        row = row_of(path, found["report"], args.dataset, manifest.drawn)
        # Checkpoints of one name lie in different folders.
        again = sum(other.name == path.name for other in args.checkpoint[:place])
        row["figure"] = f"{path.stem}_confusion{f'_{again + 1}' if again else ''}.png"
        rows.append(row)
        title = f"{path.name}: {row['accuracy']:.2f} %"
        draw_confusion(found["confusion"], title, args.out / row["figure"])
    write_json(args.out / authors_files.RESULTS, {"rows": rows})
    print(table_text(rows))
    for row in rows:
        recall = ", ".join(f"{name} {value:.1%}" for name, value in row["recall"].items())
        print(f"recall of {Path(row['checkpoint']).name}: {recall}")
    print(f"results and figures: {args.out}")
    return _judge(rows, args)


def _classes(args) -> int:
    known = data.CLASSES.get(args.dataset)
    if known is None:
        raise UserError(f"--dataset {args.dataset} is not known here; give --nb_classes too.")
    return len(known)


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
