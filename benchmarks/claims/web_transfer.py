"""Does pre-training on web tags help? StockEmotion's way from tags to UnBiasedEmo, on drawn images.

The sequence of the paper, through the scripts as a person would run them: 1. tags by soft
cross-entropy (``main_mclss_cross_entropy_v3``) from random weights; 2. image and text
(``main_mclss_2Branch_cosine``) from there; 3. a new ``fc`` on the frozen trunk, on UnBiasedEmo
(``main_sclss_2Branch_finetune``); 4. zero-shot on UnBiasedEmo. Its arms, all with equal rates:

- ``joint``: 1, 2, 3
- ``image``: the same with alpha 0 in 2, so that stage 2 is as long and sees no text
- ``frozen``: 3 on a trunk of random weights, which nothing has trained
- ``scratch``: 3 from random weights with nothing frozen

The text model is trained once. Weights of a stage's last epoch go into the next one, and judged is
the last epoch, so nothing is chosen on test images.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks import results_file
from benchmarks.claims import base
from benchmarks.claims.base import read_json, words
from common.engine.run_folder import ENVIRONMENT, SUMMARY
from common.files import write_json
from webemotion.text import embed
from webemotion.text import train as text_training
from webemotion.train import main as run_script
from webemotion.zero_shot import REPORT

CLASSES, CHANCE = 6, 1 / 6
STAGE_1 = "mains/main_mclss_cross_entropy_v3"
STAGE_2 = "mains/main_mclss_2Branch_cosine"
TRANSFER = "mains/main_sclss_2Branch_finetune"
ZERO_SHOT = "mains/main_sclss_2Branch_0Shot_Evaluation_UnBiasedEmotion"
PAIRS = (
    ("a trunk pre-trained on tags beats a random frozen trunk", "joint", "frozen"),
    ("the frozen pre-trained trunk beats training from scratch", "joint", "scratch"),
    ("learning image and text together beats the image alone", "joint", "image"),
    ("the two-branch model is above chance zero-shot", "zero_shot", "chance"),
)
"""Statement, better and worse arm."""
TEXT = (
    "--train_file {data}/small/train_full_tag.pkl --tag2idx {data}/vocabulary/tag2idx.pkl "
    "--num_classes 12 --out {out} --epochs {size.text_epochs} --seed 0 --word_dim {size.width} "
    "--filter_dim {size.width} --sent_len 20 --val_count 8 --device {device} --overwrite"
)


@dataclass(frozen=True)
class Size:
    """How large the comparison is.

    Attributes:
        scale: share of the stand-in's images.
        image_size, trunk, precision: of the networks.
        text_epochs, tag_epochs, branch_epochs, transfer_epochs: of the stages.
        batch_size: images a step.
        width: of words, sentences and projections.
        lr: of every stage on images.
    """

    scale: float
    image_size: int
    trunk: str
    text_epochs: int
    tag_epochs: int
    branch_epochs: int
    transfer_epochs: int
    batch_size: int
    width: int
    precision: str = "fp32"
    lr: float = 0.01


SIZES = {
    "smoke": Size(0.001, 32, "resnet10", 1, 1, 1, 1, 8, 16),
    "quick": Size(0.4, 64, "resnet10", 10, 8, 5, 10, 32, 64, "bf16"),
    "full": Size(1.0, 128, "resnet50", 20, 30, 15, 30, 64, 300, "bf16"),
}


class WebTransfer(base.Comparison):
    """Every arm from the stand-in's tags to UnBiasedEmo."""

    name, paper, metric = "web_transfer", "webemotion", "accuracy"
    claim = "pre-training on web tags, with their text, helps on UnBiasedEmo and zero-shot"
    shown = ("accuracy", "accuracy_best_on_test")
    sizes = SIZES

    def __init__(self, args):
        super().__init__(args)
        self.data = self.work / "webtags"
        self.text, self.words = self.work / "text.pth.tar", self.work / "words.pkl"

    def results_name(self) -> str:
        return "webemotion_transfer.json"

    def prepare(self) -> dict:
        mark = base.stand_in("webtags", self.data, self.size.scale)
        if not self.words.exists():
            given = {"data": self.data, "out": self.text, "size": self.size}
            flags = words(TEXT, device=self.args.device, **given)
            base.must(text_training.main(flags), "training the text model")
            flags = ["--text_ckpt", str(self.text), "--out", str(self.words)]
            base.must(embed.main(flags), "embedding the words")
        return results_file.drawn("webtags", twin=mark)

    def run(self, seed: int, name: str, script: str, end: str, **keys) -> Path:
        """Run a script with a configuration, unless it is done; returns its folder.

        Args:
            end: the file that says the run is finished.
            keys: of the configuration.

        Raises:
            UserError: it ended with an error.
        """
        folder = self.work / f"seed{seed}" / name
        if (folder / end).exists():
            return folder
        size, args = self.size, self.args
        folder.parent.mkdir(parents=True, exist_ok=True)
        config = folder.parent / f"{name}.json"
        shared = {
            "seed": seed,
            "workers": args.num_workers,
            "batch_size": size.batch_size,
            "lr": size.lr,
            "image_size": size.image_size,
            "depth": size.trunk,
            "print_freq": 10**6,
            "save_directory": str(folder),
            "sent_len": 20,
            "word_dim": size.width,
            "filter_dim": size.width,
        }
        write_json(config, shared | keys)
        flags = words(
            "--config_file {config} --device {args.device} --precision {size.precision} "
            "--channels_last --overwrite",
            **{"config": config, "args": args, "size": size},
        )
        base.must(run_script(script, flags), f"{script} in {folder}")
        return folder

    def pretrain(self, seed: int, name: str, alpha: float) -> Path:
        """Stages 1 and 2; returns stage 2's last checkpoint."""
        size, lists = self.size, self.data / "small"
        tags = {
            "num_classes": 12,
            "data_dir": str(self.data / "stockimage742/images-256"),
            "val_file": str(lists / "test.pkl"),
            "valloader": "multilabel_v2_val",
        }
        first = self.run(
            seed,
            "tags",
            STAGE_1,
            SUMMARY,
            **tags,
            train_file=str(lists / "train.pkl"),
            trainloader="multilabel_v2_train",
            epochs=size.tag_epochs,
            lr_schedule=str(max(1, size.tag_epochs - 2)),
        )
        second = self.run(
            seed,
            name,
            STAGE_2,
            SUMMARY,
            **tags,
            arch="resnet_2branch_50",
            train_file=str(lists / "train_full_tag.pkl"),
            trainloader="image_text_train",
            text_ckpt=str(self.text),
            alpha=alpha,
            resume=str(_last(first, size.tag_epochs)),
            epochs=size.branch_epochs,
            lr_schedule=str(max(1, size.branch_epochs - 2)),
        )
        return _last(second, size.branch_epochs)

    def transfer(self, seed: int, arm: str, start: Path | None, freeze: bool = True) -> dict:
        """Stage 3; accuracy on UnBiasedEmo's test list after the last epoch, and the best one."""
        lists = self.data / "UnBiasedEmo/z_data"
        folder = self.run(
            seed,
            f"transfer_{arm}",
            TRANSFER,
            SUMMARY,
            num_classes=CLASSES,
            data_dir=str(self.data / "UnBiasedEmo/images"),
            train_file=str(lists / "train-6.pkl"),
            val_file=str(lists / "test-6.pkl"),
            dataloader="singlelabel_v2",
            freeze=freeze,
            resume=str(start) if start else None,
            epochs=self.size.transfer_epochs,
            lr_schedule=str(max(1, self.size.transfer_epochs - 3)),
        )
        found = read_json(folder / SUMMARY)["protocols"]
        best = found["best_on_test"]["value"]
        return {"accuracy": found["last"]["value"], "accuracy_best_on_test": best}

    def zero_shot(self, seed: int, start: Path) -> dict:
        """Stage 4; accuracy by the name of the nearest label word."""
        folder = self.run(
            seed,
            "zero_shot",
            ZERO_SHOT,
            REPORT,
            arch="resnet_2branch_50",
            num_classes=12,
            tag_embeddings=str(self.words),
            val_file=str(self.data / "UnBiasedEmo/z_data/test-6.pkl"),
            data_dir=str(self.data / "UnBiasedEmo/images"),
            resume=str(start),
        )
        found = read_json(folder / REPORT)
        return {"accuracy": found["accuracy_by_name"], "as_published": found["accuracy"]}

    def arms(self, seed: int) -> dict[str, dict]:
        joint = self.pretrain(seed, "joint", 1.0)
        image = self.pretrain(seed, "image", 0.0)
        return {
            "joint": self.transfer(seed, "joint", joint),
            "image": self.transfer(seed, "image", image),
            "frozen": self.transfer(seed, "frozen", None),
            "scratch": self.transfer(seed, "scratch", None, freeze=False),
            "zero_shot": self.zero_shot(seed, joint),
            "chance": {"accuracy": CHANCE},
        }

    def pairs(self) -> list[tuple[str, str, str, str]]:
        return [(*pair, self.metric) for pair in PAIRS]

    def environment(self) -> Path:
        return self.work / f"seed{self.args.seeds[0]}" / "joint" / ENVIRONMENT


def _last(folder: Path, epochs: int) -> Path:
    return folder / f"checkpoint_{epochs - 1:04d}.pth.tar"


def main(argv: list[str] | None = None) -> int:
    """Run the comparison; returns the exit code."""
    return base.main(WebTransfer, __doc__, argv)
