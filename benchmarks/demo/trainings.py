"""What the demonstration draws and trains: a short run of every paper, by its own command line."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SEED = 0
TAGS = "Adobe_Selected690_MultiClass_CrossEntropy_tag_based_v3_config.json"
TRANSFER = "Desk_Deepemotion_config.json"
CONFIGS = Path(__file__).resolve().parents[1] / "webemotion" / "scripts"


@dataclass(frozen=True)
class Size:
    """How large the demonstration is.

    Attributes:
        factor: of the scales in :data:`TWINS`.
        drawn_size: pixels of a drawn image's long side.
        image_size: pixels that the networks see.
        epochs, steps: length of a training; those that know no steps have the epochs alone.
        parity: which cases are checked.
        without: which of these are left out.
    """

    factor: float
    drawn_size: int
    image_size: int
    epochs: int
    steps: int
    parity: str
    without: tuple[str, ...] = ()


SLOW_KINDS = ("*/trajectory", "*_forward")  # short trainings and whole networks
FULL = Size(1.0, 96, 48, 4, 30, "*", SLOW_KINDS)  # about 3 minutes on two CPU cores
QUICK = Size(0.02, 48, 32, 1, 2, "*/lr")  # shows that everything is in place, no more

TWINS: dict[str, tuple[str, float]] = {
    "fi": ("fi", 0.04),
    "rafdb": ("rafdb", 0.04),
    "unlabelled_faces": ("faces", 0.004),
    "rafdb_folders": ("face_folders", 0.03),
    "webtags": ("webtags", 0.03),
    "va": ("va", 0.02),
}
"""Stand-in -> (folder below ``data``, share of the images of the real set)."""


@dataclass(frozen=True)
class Training:
    """One run of the demonstration.

    Attributes:
        name: of its run folder.
        twins: stand-ins that it reads.
        module: has the ``main`` that a person's command line calls.
        flags: its command line, from the size and the demonstration's folder.
        script: which of the module's scripts, where it has several.
    """

    name: str
    twins: tuple[str, ...]
    module: str
    flags: Callable[[Size, Path], list]
    script: str = ""

    def run(self, size: Size, out: Path) -> int:
        """Train; returns the command's exit code."""
        words = list(map(str, self.flags(size, out)))
        main = importlib.import_module(self.module).main
        return main(self.script, words) if self.script else main(words)


def place(out: Path, twin: str) -> Path:
    """The folder of a stand-in."""
    return out / "data" / TWINS[twin][0]


def _few_labels(name: str, *first: str) -> Callable[[Size, Path], list]:
    """S2-VER and its baseline share their flags; the baseline is `first` told which one it is."""
    return lambda size, out: [
        *first,
        *("-ds", "fi", "-nc", 8, "--num_labels", 40, "-bsz", 8),
        *("--backbone", "resnet18", "--image_size", size.image_size, "--fast"),
        *("--epoch", size.epochs, "--num_train_iter", size.steps),
        *("--num_workers", 1, "--overwrite", "--data_dir", out / "data"),
        *("--save_dir", out / "runs", "--save_name", name),
    ]


def _adacm(size: Size, out: Path) -> list:
    return [
        *("--dataset", "rafdb", "--n-labeled", 100, "--batch-size", 8, "--epochs", size.epochs),
        *("--train-iteration", size.steps, "--image_size", size.image_size, "--fast"),
        *("--num_workers", 1),
        *("--data_dir", out / "data", "--out", out / "runs" / "adacm"),
    ]


def _pretraining(size: Size, out: Path) -> list:
    return [
        *(
            "--train_dir",
            place(out, "unlabelled_faces") / "train_all",
            "--model",
            "tiny",
            "--batch_size",
            16,
        ),
        *("--input_size", 32, "--epochs", size.epochs, "--warmup_epochs", 1),
        *("--num_workers", 0, "--device", "cpu", "--picture_every", 0, "--overwrite"),
        *("--output_dir", out / "runs" / "ssfer_pretraining"),
    ]


def _fine_tuning(size: Size, out: Path) -> list:
    from ssfer.pretrain_options import NAME

    checkpoint = out / "runs" / "ssfer_pretraining" / f"{NAME}_{size.epochs}.pth"
    epochs = max(2, size.epochs)
    return [
        *("--traindir", place(out, "rafdb_folders") / "train", "--protocol", "official"),
        *("--anno_percent", 0.4, "--checkpoint", checkpoint, "--model", "tiny"),
        *("--input_size", 32, "--num_epochs", epochs, "--semi_epochs", epochs),
        *("--batch_size", 16, "--detector", "none", "--device", "cpu", "--overwrite"),
        *("--out", out / "runs" / "ssfer"),
    ]


def _configured(config: str, size: Size, out: Path, folder: str, **keys) -> list:
    """A published configuration with what is smaller here."""
    settings = {
        "epochs": size.epochs,
        "batch_size": 16,
        "workers": 0,
        "pretrained": "false",
        "resume": "null",
        "save_directory": out / "runs" / folder,
        **keys,
    }
    pairs = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    small = ("--backbone", "resnet18", "--image_size", size.image_size, "--device", "auto")
    return ["--config_file", CONFIGS / config, *pairs, *small, "--overwrite"]


def _tags(size: Size, out: Path) -> list:
    data = place(out, "webtags")
    return _configured(
        *(TAGS, size, out, "webemotion_tags"),
        data_dir=data / "stockimage742" / "images-256",
        train_file=data / "data_v7_690_face" / "CNNsplit_tag_labels_train+face.pkl",
        val_file=data / "data_v6_690_xmas" / "CNNsplit_key_labels_test.pkl",
    )


def _transfer(size: Size, out: Path) -> list:
    data = place(out, "webtags") / "Deepemotion"
    start = out / "runs" / "webemotion_tags" / f"checkpoint_{size.epochs - 1:04d}.pth.tar"
    return _configured(
        *(TRANSFER, size, out, "webemotion"),
        resume=start,
        data_dir=data / "images",
        train_file=data / "z_data" / "train_8.pkl",
        val_file=data / "z_data" / "test_8.pkl",
    )


def _dimva(mode: str) -> Callable[[Size, Path], list]:
    return lambda size, out: [
        *("--gpu_num", 0, "--dataname", "FI", "--mode", mode, "--task", "single"),
        *("--num_epochs", size.epochs, "--batch_size", 16, "--backbone", "resnet18"),
        *("--image_size", size.image_size, "--pretrained", "none", "--corrected"),
        *("--device", "auto", "--num_workers", 0, "--overwrite"),
        *("--data_root", place(out, "va"), "--out", out / "runs" / "dimva"),
    ]


TRAININGS = (
    Training(
        *("supervised", ("fi",), "benchmarks.baselines.__main__"),
        _few_labels("supervised", "supervised"),
    ),
    Training("s2ver", ("fi",), "s2ver.main", _few_labels("s2ver")),
    Training("adacm", ("rafdb",), "adacm.main", _adacm),
    Training("ssfer_pretraining", ("unlabelled_faces",), "ssfer.pretrain_distribute", _pretraining),
    Training("ssfer", ("rafdb_folders",), "ssfer.fine_tune", _fine_tuning),
    Training(
        *("webemotion_tags", ("webtags",), "webemotion.train", _tags),
        script="mains/main_mclss_cross_entropy_v3",
    ),
    Training(
        *("webemotion", ("webtags",), "webemotion.train", _transfer),
        script="mains/main_sclss_cross_entropy_finetune",
    ),
    Training("dimva (first stage)", ("va",), "dimva.train", _dimva("one_stage")),
    Training("dimva (second stage)", ("va",), "dimva.train", _dimva("two_stage")),
)
