"""What is run on either side: the published script, ours, and the images that both read."""

from __future__ import annotations

import json
import shutil
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torchvision

from common.data import pickles
from common.datasets.standins.twin import make_twin

SIZE = 256
SCALE = 1e-5
LIST = "Deepemotion/z_data"


@dataclass(frozen=True)
class Side:
    """A published command.

    Attributes:
        script: the file in the authors' repository, relative to it.
        ours: ``module:function``; a published script's name is its first argument where `scripts`.
        standin: the images.
        prepare: the working folder, with the images in ``data/`` -> the flags of both; it puts
            what the published script reads where that script looks for it.
        here: folder below the working one in which the commands run.
        only_ours: flags that ours needs besides.
        scripts: one program of ours has many scripts.
        scale: factors that keep a filled network's outputs moderate.
        old_schedules: see :func:`benchmarks.parity.side_by_side.shims.install`.
    """

    script: str
    ours: str
    standin: str
    prepare: Callable[[Path, int], list[str]]
    here: str = ""
    only_ours: tuple[str, ...] = ()
    scripts: bool = False
    scale: dict[str, float] = field(default_factory=dict)
    old_schedules: bool = False

    def make(self, folder: Path, steps: int) -> list[str]:
        """Draw the images and lay them out; returns the flags of both commands."""
        make_twin(self.standin, folder / "data", scale=SCALE, size=SIZE)
        (folder / self.here).mkdir(parents=True, exist_ok=True)
        return self.prepare(folder, steps)


def _s2ver(folder: Path, steps: int) -> list[str]:
    _move(folder, "train", "test")
    return [
        *("--num_labels", "16", "-bsz", "2", "--uratio", "2", "--num_train_iter", str(steps)),
        *("--epoch", "2", "--eval_batch_size", "4", "--lr", "0.00001", "-ds", "fi", "-nc", "8"),
        *("--train_data_dir", "train", "--test_data_dir", "test", "--num_workers", "0"),
        *("--gpu", "0"),
    ]


def _adacm(folder: Path, steps: int) -> list[str]:
    data = folder / "data"
    listed = (data / "EmoLabel/list_patition_label.txt").read_text(encoding="utf-8").split()
    for split in ("train", "test"):
        (folder / split).mkdir()
        lines = []
        for name, label in zip(listed[::2], listed[1::2], strict=True):
            if name.startswith(split):
                image = name.replace(".jpg", "_aligned.jpg")
                shutil.move(data / "Image/aligned" / image, folder / split / image)
                lines.append(f"{image} {int(label) - 1}\n")
        (folder / f"{split}_list.txt").write_text("".join(lines), encoding="utf-8")
    # The published script starts from MS-Celeb-1M's weights and ends without that file.
    (folder / "models").mkdir()
    state = torchvision.models.resnet18(weights=None).state_dict()
    kept = OrderedDict((name, value) for name, value in state.items() if "fc." not in name)
    torch.save({"state_dict": kept}, folder / "models/resnet18_msceleb.pth")
    return [
        *("--epochs", "2", "--train-iteration", str(steps), "--batch-size", "4"),
        *("--n-labeled", "262", "--lr", "0.000005", "--train-root", "train", "--test-root", "test"),
        *("--label-train", "train_list.txt", "--label-test", "test_list.txt"),
        *("--num_workers", "0", "--gpu", "0"),
    ]


def _dimva(folder: Path, _steps: int) -> list[str]:
    make_twin("instagram", folder / "data/instagram", scale=SCALE, size=SIZE)
    (folder / "checkpoints").mkdir()
    (folder / "results").mkdir()
    return [
        *("--gpu_num", "0", "--dataname", "instagram", "--mode", "one_stage"),
        *("--task", "single", "--batch_size", "2", "--num_epochs", "1", "--lr", "0.00001"),
    ]


def _ssfer(folder: Path, _steps: int) -> list[str]:
    shutil.move(folder / "data", folder / "pretrain_dataset")
    return [
        *("--batch_size", "2", "--epochs", "2", "--warmup_epochs", "1", "--num_workers", "0"),
        *("--device", "cpu", "--resume", ""),
    ]


def _webemotion(folder: Path, _steps: int) -> list[str]:
    config = {
        **{"name": "side", "ID": "case", "arch": "resnet18", "num_classes": 8, "freeze": False},
        **{"epochs": 2, "start_epoch": 0, "batch_size": 4, "workers": 0, "print_freq": 1},
        **{"lr": 0.0005, "lr_schedule": "1, 20, 30", "momentum": 0.9, "weight_decay": 1e-5},
        **{"resume": "pretrained.pth.tar", "evaluate": None, "pretrained": False},
        **{"save_best_only": True, "world_size": 1, "dist_url": "tcp://224.66.41.62:23456"},
        **{"dist_backend": "gloo", "seed": None, "gpu": None, "device": None},
        **{"save_directory": None, "paramname": None, "data_dir": "data/Deepemotion/images"},
        **{"train_file": f"data/{LIST}/train_8.pkl", "val_file": f"data/{LIST}/test_8.pkl"},
        "dataloader": "singlelabel_v2",
    }
    for name, rows in (("train_8.pkl", 12), ("test_8.pkl", 4)):  # an epoch of three steps
        file = folder / "data" / LIST / name
        pickles.save(pickles.load(file)[:rows], file)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    state = torchvision.models.resnet18(weights=None, num_classes=8).state_dict()
    held = {"epoch": 12, "arch": "resnet18", "best_prec1": 41.5}
    held["state_dict"] = OrderedDict((f"module.{name}", value) for name, value in state.items())
    torch.save(held, folder / "pretrained.pth.tar")
    return ["--config_file", "config.json"]


def _move(folder: Path, *names: str) -> None:
    for name in names:
        shutil.move(folder / "data" / name, folder / name)


_DIMVA_ONLY = (
    *("--data_root", "../data", "--out", "..", "--pretrained", "none"),
    *("--num_workers", "0"),
)
SIDES = {
    "s2ver": Side(
        "main.py", "s2ver.main:main", "fi", _s2ver, scale={"fc.weight": 9.0, "*bn3.weight": 0.2}
    ),
    "adacm": Side(
        "main.py", "adacm.main:main", "rafdb", _adacm, scale={"classifier.weight": 140.0}
    ),
    "dimva": Side(
        "train.py",
        "dimva.train:main",
        "va",
        _dimva,
        here="src",
        only_ours=_DIMVA_ONLY,
        scale={"*bn3.weight": 0.2},
    ),
    "ssfer": Side("pretrain_distribute.py", "ssfer.pretrain.main:main", "unlabelled_faces", _ssfer),
    "webemotion": Side(
        "CNNs/mains/main_sclss_cross_entropy_finetune.py",
        "webemotion.train:main",
        "webtags",
        _webemotion,
        scripts=True,
        scale={"fc.weight": 0.5, "*bn2.weight": 0.2},
        old_schedules=True,
    ),
}
