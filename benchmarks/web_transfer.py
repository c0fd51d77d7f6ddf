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

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

import common.datasets.__main__ as data_command
from benchmarks import comparison
from benchmarks.verdict import interval, verdict
from common.cli import UserError, entry_point
from common.datasets.catalogue import STANDINS
from common.datasets.readers.folder import DRAWN_MARK
from common.engine.launch import DRAWN
from common.engine.run_folder import ENVIRONMENT, SUMMARY
from common.files import write_json
from webemotion.text import embed
from webemotion.text import train as text_training
from webemotion.train import main as run_script
from webemotion.zero_shot import REPORT

RESULTS = comparison.RESULTS / "webemotion_transfer.json"
CLASSES, CHANCE = 6, 1 / 6
STAGE_1 = "mains/main_mclss_cross_entropy_v3"
STAGE_2 = "mains/main_mclss_2Branch_cosine"
TRANSFER = "mains/main_sclss_2Branch_finetune"
ZERO_SHOT = "mains/main_sclss_2Branch_0Shot_Evaluation_UnBiasedEmotion"
CLAIMS: dict[str, tuple[str, str, str]] = {
    "pretraining": ("joint", "frozen", "a trunk pre-trained on tags beats a random frozen trunk"),
    "scratch": ("joint", "scratch", "the frozen pre-trained trunk beats training from scratch"),
    "text": ("joint", "image", "learning image and text together beats the image alone"),
    "zero_shot": ("zero_shot", "chance", "the two-branch model is above chance zero-shot"),
}
"""Name -> (better, worse, statement)."""


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


class Comparison:
    """All runs of one size under a folder; a run that is finished is read, not repeated."""

    def __init__(self, args):
        self.args, self.size = args, SIZES[args.size]
        self.root = args.work / args.size
        self.data = self.root / "webtags"
        self.text, self.words = self.root / "text.pth.tar", self.root / "words.pkl"

    def prepare(self) -> dict:
        """Draw the stand-in and train the text model, once; returns the stand-in's description.

        Raises:
            UserError: either failed, or the folder holds a stand-in drawn otherwise.
        """
        if not (self.data / DRAWN_MARK).exists():
            drawing = ["twin", "webtags", "--out", str(self.data), "--scale", str(self.size.scale)]
            _must(data_command.main([*drawing, "--seed", "0"]), "drawing the stand-in")
        mark = json.loads((self.data / DRAWN_MARK).read_text(encoding="utf-8"))
        if (mark["scale"], mark["generator"]) != (self.size.scale, STANDINS["webtags"].version):
            raise UserError(
                f"{self.data} was drawn otherwise than this comparison needs; delete {self.root}, "
                "or give another --work."
            )
        if not self.words.exists():
            self._train_text()
        return mark

    def _train_text(self) -> None:
        s = self.size
        words = [
            *("--train_file", str(self.data / "small/train_full_tag.pkl")),
            *("--tag2idx", str(self.data / "vocabulary/tag2idx.pkl"), "--num_classes", "12"),
            *("--out", str(self.text), "--epochs", str(s.text_epochs), "--seed", "0"),
            *("--word_dim", str(s.width), "--filter_dim", str(s.width), "--sent_len", "20"),
            *("--val_count", "8", "--device", self.args.device, "--overwrite"),
        ]
        _must(text_training.main(words), "training the text model")
        _must(
            embed.main(["--text_ckpt", str(self.text), "--out", str(self.words)]),
            "embedding the words",
        )

    def run(self, seed: int, name: str, script: str, told: str, **keys) -> Path:
        """Run a script with a configuration, unless it is done; returns its folder.

        Args:
            told: the file that says the run is finished.
            keys: of the configuration.

        Raises:
            UserError: it ended with an error.
        """
        folder = self.root / f"seed{seed}" / name
        if (folder / told).exists():
            return folder
        s, args = self.size, self.args
        folder.parent.mkdir(parents=True, exist_ok=True)
        config = folder.parent / f"{name}.json"
        common = {
            "seed": seed,
            "workers": args.num_workers,
            "batch_size": s.batch_size,
            "lr": s.lr,
            "image_size": s.image_size,
            "depth": s.trunk,
            "print_freq": 10**6,
            "save_directory": str(folder),
            "sent_len": 20,
            "word_dim": s.width,
            "filter_dim": s.width,
        }
        write_json(config, common | keys)
        flags = ["--device", args.device, "--precision", s.precision, "--channels_last"]
        words = ["--config_file", str(config), *flags, "--overwrite"]
        _must(run_script(script, words), f"{script} in {folder}")
        return folder

    def pretrain(self, seed: int, name: str, alpha: float) -> Path:
        """Stages 1 and 2; returns stage 2's last checkpoint."""
        s, lists = self.size, self.data / "small"
        tags = {
            "num_classes": 12,
            "data_dir": str(self.data / "stockimage742/images-256"),
            "val_file": str(lists / "test.pkl"),
            "valloader": "multilabel_v2_val",
        }
        first = self.run(
            *(seed, "tags", STAGE_1, SUMMARY),
            **tags,
            train_file=str(lists / "train.pkl"),
            trainloader="multilabel_v2_train",
            epochs=s.tag_epochs,
            lr_schedule=str(max(1, s.tag_epochs - 2)),
        )
        second = self.run(
            *(seed, name, STAGE_2, SUMMARY),
            **tags,
            arch="resnet_2branch_50",
            train_file=str(lists / "train_full_tag.pkl"),
            trainloader="image_text_train",
            text_ckpt=str(self.text),
            alpha=alpha,
            resume=str(_last(first, s.tag_epochs)),
            epochs=s.branch_epochs,
            lr_schedule=str(max(1, s.branch_epochs - 2)),
        )
        return _last(second, s.branch_epochs)

    def transfer(self, seed: int, arm: str, start: Path | None, freeze: bool = True) -> dict:
        """Stage 3; accuracy on UnBiasedEmo's test list after the last epoch, and the best one."""
        lists = self.data / "UnBiasedEmo/z_data"
        folder = self.run(
            *(seed, f"transfer_{arm}", TRANSFER, SUMMARY),
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
        found = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))["protocols"]
        return {
            "accuracy": found["last"]["value"],
            "accuracy_best_on_test": found["best_on_test"]["value"],
        }

    def zero_shot(self, seed: int, start: Path) -> dict:
        """Stage 4; accuracy by the name of the nearest label word."""
        folder = self.run(
            *(seed, "zero_shot", ZERO_SHOT, REPORT),
            arch="resnet_2branch_50",
            num_classes=12,
            tag_embeddings=str(self.words),
            val_file=str(self.data / "UnBiasedEmo/z_data/test-6.pkl"),
            data_dir=str(self.data / "UnBiasedEmo/images"),
            resume=str(start),
        )
        found = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        return {"accuracy": found["accuracy_by_name"], "as_published": found["accuracy"]}

    def arms(self, seed: int) -> dict[str, dict]:
        """Every arm's figures with one seed."""
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


def _must(code: int, what: str) -> None:
    if code:
        raise UserError(f"{what} ended with exit code {code}; the lines above say why.")


def _last(folder: Path, epochs: int) -> Path:
    return folder / f"checkpoint_{epochs - 1:04d}.pth.tar"


def compare(args) -> dict:
    """Every arm with every seed, and what the claims make of them."""
    comparison = Comparison(args)
    mark = comparison.prepare()
    runs: dict[str, dict[str, dict]] = {}
    for seed in args.seeds:
        for arm, figures in comparison.arms(seed).items():
            runs.setdefault(arm, {})[str(seed)] = figures
    seeds = " ".join(map(str, args.seeds))
    claims = {}
    for name, (better, worse, statement) in CLAIMS.items():
        pairs = [
            runs[better][str(s)]["accuracy"] - runs[worse][str(s)]["accuracy"] for s in args.seeds
        ]
        claims[name] = {
            "claim": statement,
            "differences": pairs,
            "mean": statistics.mean(pairs),
            "interval_95": list(interval(pairs)) if len(pairs) > 1 else None,
            "verdict": verdict(pairs),
        }
    place = comparison.root / f"seed{args.seeds[0]}" / "joint" / ENVIRONMENT
    return {
        "command": f"python -m benchmarks web_transfer --size {args.size} --seeds {seeds}",
        "size": args.size,
        "settings": asdict(comparison.size),
        "judged_on": "accuracy after the last epoch",
        "note": DRAWN,
        "twin": mark,
        "runs": runs,
        "claims": claims,
        "environment": json.loads(place.read_text(encoding="utf-8")),
    }


def table(result: dict) -> str:
    """The comparison as text."""
    lines = [f"{'arm':<12}{'seed':>5}{'last epoch':>12}{'best on test':>14}"]
    for arm, by_seed in result["runs"].items():
        for seed, row in by_seed.items():
            best = row.get("accuracy_best_on_test")
            shown = f"{best:>14.1%}" if best is not None else f"{'':>14}"
            lines.append(f"{arm:<12}{seed:>5}{row['accuracy']:>12.1%}{shown}".rstrip())
    for claim in result["claims"].values():
        told = f"mean {claim['mean']:+.1%}"
        if claim["interval_95"]:
            low, high = claim["interval_95"]
            told += f", 95% interval {low:+.1%} to {high:+.1%}"
        lines.append(f"claim: {claim['claim']}: {claim['verdict']} ({told})")
    return "\n".join([*lines, result["note"]])


def _run(argv: list[str]) -> int:
    parser = comparison.build_parser("web_transfer", __doc__, SIZES)
    comparison.add_machine(parser, RESULTS)
    args = parser.parse_args(argv)
    args.work.mkdir(parents=True, exist_ok=True)
    return comparison.conclude(compare(args), table, args.out)


def main(argv: list[str] | None = None) -> int:
    """Run the comparison; returns the exit code. A claim that fails is a result, not an error."""
    return entry_point(_run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
