"""``python -m benchmarks weights``: does a published checkpoint give its row's number?

Nothing is trained: the checkpoint is read strictly, the row's test images are predicted under the
row's own preprocessing, and the value is compared with the row's, within its tolerance.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from benchmarks.ground.commands import build_parser, command, words
from benchmarks.ground.reading import read_json
from benchmarks.ledger import rows as ledger
from benchmarks.runs import programs
from common.cli import UserError, choose_device
from common.files import write_json

VERIFIED, DIFFERS, INCOMPARABLE = "weights verified", "differs", "not comparable"
CHUNK = 1 << 20


@dataclass(frozen=True)
class Measured:
    """What an evaluation gives.

    Attributes:
        value: in the row's unit.
        images: test images.
        drawn: whether they are a drawn stand-in.
        report: further figures.
    """

    value: float
    images: int
    drawn: bool
    report: dict = field(default_factory=dict)


def evaluate(row: ledger.LedgerRow, checkpoint: Path, data: Path, device: str) -> Measured:
    """Evaluate a checkpoint as its row's command would.

    Args:
        checkpoint: ``model_best.pth`` of S2-VER or a baseline, ``model_best.pth.tar`` of Ada-CM or
            webemotion, or a plain state dict of SSFER.
        data: the dataset's folder: as the package's reader takes it; ``test/`` below it where the
            package reads image folders.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UserError: the row has no command, its package no such evaluation, or the weights do not
            fit.
    """
    if row.command is None:
        raise UserError(f"row {row.id} has no command here: {row.no_command}.")
    script, given = programs.split(programs.last_of(row.command))
    if script in ("s2ver/main.py", "benchmarks.baselines"):
        return _evaluate_s2ver(row, checkpoint, data, device)
    if script == "adacm/main.py":
        return _evaluate_adacm(row, checkpoint, data, device)
    if script.startswith("ssfer/"):
        return _evaluate_ssfer(row, given, checkpoint, data, device)
    if script.startswith("webemotion/"):
        return _evaluate_webemotion(script, given, checkpoint, data, device)
    raise UserError(
        f"row {row.id} is trained by {script}, for which no checkpoint was published with a number."
    )


def _classify(data, args, model, row, manifest, device: torch.device) -> Measured:
    """Accuracy on a manifest's images, as the loader of the package's `data` shows them."""
    from benchmarks.baselines.supervised import Supervised
    from common.engine.evaluate import ClassificationEvaluator

    loader = data.loader(args, device.type == "cuda", manifest, cached_with=manifest)
    method = Supervised(model).to(device).eval()
    with torch.no_grad():
        report = ClassificationEvaluator(loader)(method, None)
    value = 100 * report["top1"] if row.percent else report["top1"]
    return Measured(value, len(manifest), manifest.drawn, report)


def _evaluate_s2ver(row, checkpoint: Path, folder: Path, device: str) -> Measured:
    from common.nn.backbones import load_pretrained
    from s2ver import data
    from s2ver.model import build_model

    args = programs.parse(row.command)
    args.train_data_dir, args.test_data_dir = str(folder / "train"), str(folder / "test")
    chosen = choose_device(device)
    model = build_model(args.backbone, args.num_classes, args.low_dim)
    load_pretrained(model, checkpoint, (), ignored=())
    return _classify(data, args, model, row, data.read_manifest(args).split("test"), chosen)


def _evaluate_adacm(row, checkpoint: Path, folder: Path, device: str) -> Measured:
    from adacm import data
    from adacm.model import PARTS, UnitNormResNet, authors_name
    from common.data.check import drop_unreadable
    from common.nn.backbones import load_pretrained

    args = programs.parse(row.command)
    args.num_workers = min(args.num_workers, 2)
    chosen = choose_device(device)
    reader, classes = data.DATASETS[args.dataset]
    model = UnitNormResNet(len(classes), args.backbone)
    load_pretrained(model, checkpoint, (), rename=authors_name, parts=PARTS, ignored=())
    manifest = drop_unreadable(reader(folder), args.num_workers).split("test")
    return _classify(data, args, model, row, manifest, chosen)


def _evaluate_ssfer(row, given: list[str], checkpoint: Path, data: Path, device: str) -> Measured:
    from ssfer import evaluate as command

    kept = _kept(given, ("--dataset", "--model", "--input_size"))
    folder = data / "test" if (data / "test").is_dir() else data
    with tempfile.TemporaryDirectory() as out:
        flags = words(
            "--checkpoint {file} --testdir {folder} --out {out} --device {device} --num_workers 0",
            **{"file": checkpoint, "folder": folder, "out": out, "device": device},
        )
        if code := command.main(kept + flags):
            raise UserError(f"ssfer/evaluate.py ended with exit code {code}; it says why above.")
        (file,) = Path(out).glob("*.json")
        report = read_json(file)["rows"][0]
    value = report["accuracy"]
    if row.protocol.startswith("recall of "):
        wanted = row.protocol.removeprefix("recall of ")
        value = {name.lower(): share for name, share in report["recall"].items()}[wanted]
    return Measured(value, report["images"], report["drawn"], report)


def _kept(given: list[str], flags: tuple[str, ...]) -> list[str]:
    """The given flags of a command line, with their values."""
    starts = [k for k, word in enumerate(given) if word in flags]
    return [word for k in starts for word in given[k : k + 2]]


def _evaluate_webemotion(script, given, checkpoint: Path, data: Path, device: str) -> Measured:
    from webemotion import train as command
    from webemotion.authors_files import EVALUATION
    from webemotion.lists import is_drawn

    config = Path(given[given.index("--config_file") + 1])
    held = read_json(config)
    name = Path(script).relative_to("webemotion").with_suffix("").as_posix()
    with tempfile.TemporaryDirectory() as out:
        changes = {
            "evaluate": True,
            "resume": str(checkpoint.absolute()),
            "save_directory": out,
            **{k: _moved(held[k], data) for k in ("data_dir", "train_file", "val_file")},
        }
        flags = ["--config_file", str(config), "--device", device, "--set", "workers=0"]
        for key, value in changes.items():
            flags += ["--set", f"{key}={json.dumps(value)}"]
        if code := command.main(name, flags):
            raise UserError(f"{script} ended with exit code {code}; it says why above.")
        (file,) = Path(out).glob(f"**/{EVALUATION}")
        report = read_json(file)
    value = 100 * next(report[k] for k in ("top1", "hits", "strongest", "map") if k in report)
    images = report.get("images", 0)
    return Measured(value, images, is_drawn(changes["data_dir"]), report)


def _moved(path: str, data: Path) -> str:
    """A path of a configuration, ``data/<set>/…``, below another folder of that set."""
    return str(data.joinpath(*Path(path).parts[2:]))


def judge(row: ledger.LedgerRow, found: Measured) -> tuple[str, str]:
    """(outcome, sentence) of an evaluation against its row."""
    text = f"{row.id}: here {found.value:.4g} on {found.images} images"
    if row.value is None:
        return INCOMPARABLE, f"{text}; the row's value is unknown ({row.note})"
    text += f", reported {row.value:g}"
    if found.drawn:
        return INCOMPARABLE, f"{text}; the images are a drawn stand-in for {row.dataset}"
    if row.test_images is not None and row.test_images != found.images:
        return INCOMPARABLE, f"{text} on {row.test_images} images: another version of the data"
    gap = found.value - row.value
    outcome = VERIFIED if abs(gap) <= row.tolerance else DIFFERS
    return outcome, f"{text}: {gap:+.3g}, tolerance {row.tolerance:g} ({row.tolerance_why})"


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(CHUNK), b""):
            found.update(block)
    return found.hexdigest()


@command
def main(argv: list[str]) -> int:
    """Evaluate; 0 when the weights are verified, 1 when not."""
    parser = build_parser("weights", __doc__)
    add = parser.add_argument
    add("--checkpoint", type=Path, required=True, help="the published file")
    add("--row", required=True, metavar="ID", help="see `python -m benchmarks list`")
    add("--data", type=Path, required=True, metavar="DIR", help="the dataset's folder")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--json", type=Path, metavar="FILE", help="also write the outcome there")
    args = parser.parse_args(argv)
    row = ledger.find(args.row, ledger.load())
    if not args.checkpoint.is_file():
        raise UserError(f"there is no checkpoint at {args.checkpoint}.")
    found = evaluate(row, args.checkpoint, args.data, args.device)
    outcome, text = judge(row, found)
    print(f"{outcome}: {text}")
    if args.json:
        checkpoint = {"name": args.checkpoint.name, "sha256": digest(args.checkpoint)}
        content = {"row": row.id, "outcome": outcome, "text": text, "checkpoint": checkpoint}
        write_json(args.json, content | asdict(found))
    return 0 if outcome == VERIFIED else 1
