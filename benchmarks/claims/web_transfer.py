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

from pathlib import Path
from typing import Any

from benchmarks.claims import base
from benchmarks.ground import results_file
from benchmarks.ground.commands import words
from benchmarks.ground.reading import read_json
from common.engine.run_folder import ENVIRONMENT, SUMMARY
from common.files import write_json
from webemotion.text import embed
from webemotion.text import train as text_training
from webemotion.train import main as run_script
from webemotion.zero_shot import REPORT

CHANCE = 1 / 6


class WebTransfer(base.Comparison):
    """Every arm from the stand-in's tags to UnBiasedEmo."""

    name = "web_transfer"

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
            flags = words(self.text_flags, device=self.args.device, **given)
            base.must(text_training.main(flags), "training the text model")
            flags = ["--text_ckpt", str(self.text), "--out", str(self.words)]
            base.must(embed.main(flags), "embedding the words")
        return results_file.drawn("webtags", twin=mark)

    def run(self, seed: int, stage: str, name: str, **given) -> Path:
        """Run a stage, unless it is done; returns its folder.

        Args:
            stage: of ``web_transfer.yaml``, whose configuration may name what is `given`.

        Raises:
            UserError: it ended with an error.
        """
        folder = (self.work / f"seed{seed}" / name).absolute()  # a relative one is below ckpts/
        values = {"size": self.size, "data": self.data, "text": self.text, "words": self.words}
        values |= given | {"seed": seed, "workers": self.args.num_workers, "folder": folder}
        declared = self.stages[stage]
        script, config = declared["script"], self.stages["shared"] | declared["config"]
        if not (folder / declared["end"]).exists():
            file = folder.parent / f"{name}.json"
            write_json(file, {key: _filled(value, values) for key, value in config.items()})
            flags = words(
                "--config_file {config} --device {args.device} --precision {size.precision} "
                "--channels_last --overwrite",
                **{"config": file, "args": self.args, "size": self.size},
            )
            base.must(run_script(script, flags), f"{script} in {folder}")
        return folder

    def pretrain(self, seed: int, name: str, alpha: float) -> Path:
        """Stages 1 and 2; returns stage 2's last checkpoint."""
        size = self.size
        first = self.run(seed, "tags", "tags", decay=str(max(1, size.tag_epochs - 2)))
        start = _last(first, size.tag_epochs)
        decay = str(max(1, size.branch_epochs - 2))
        second = self.run(seed, "branches", name, start=start, alpha=alpha, decay=decay)
        return _last(second, size.branch_epochs)

    def transfer(self, seed: int, arm: str, start: Path | None, freeze: bool = True) -> dict:
        """Stage 3; accuracy on UnBiasedEmo's test list after the last epoch, and the best one."""
        decay = str(max(1, self.size.transfer_epochs - 3))
        given = {"start": start, "freeze": freeze, "decay": decay}
        found = read_json(self.run(seed, "transfer", f"transfer_{arm}", **given) / SUMMARY)
        values = {name: row["value"] for name, row in found["protocols"].items()}
        return {"accuracy": values["last"], "accuracy_best_on_test": values["best_on_test"]}

    def zero_shot(self, seed: int, start: Path) -> dict:
        """Stage 4; accuracy by the name of the nearest label word."""
        found = read_json(self.run(seed, "zero_shot", "zero_shot", start=start) / REPORT)
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

    def environment(self) -> Path:
        return self.work / f"seed{self.args.seeds[0]}" / "joint" / ENVIRONMENT


def _filled(value: Any, values: dict[str, Any]) -> Any:
    """A value of a configuration; one that is a single ``{name}`` keeps the type of what it names.

    Paths become text.
    """
    if not isinstance(value, str) or "{" not in value:
        return value
    if value[1:-1].isidentifier():
        found = values[value[1:-1]]
        return str(found) if isinstance(found, Path) else found
    if value.startswith("{size."):
        return getattr(values["size"], value[6:-1])
    return value.format(**values)


def _last(folder: Path, epochs: int) -> Path:
    return folder / f"checkpoint_{epochs - 1:04d}.pth.tar"


main = base.main_of(WebTransfer, __doc__)
