"""Every training command that a person can start, small enough for a second."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from adacm.main import EXPERIMENT as ADACM
from benchmarks.baselines.__main__ import experiment as baseline
from common.datasets.__main__ import main as datasets
from common.engine.experiment import Experiment
from common.flags import Parser
from dimva.train import EXPERIMENT as DIMVA
from s2ver.main import EXPERIMENT as S2VER
from ssfer.finetune.main import EXPERIMENT as FINE_TUNING
from ssfer.pretrain import authors_files as pretraining_files
from ssfer.pretrain.main import EXPERIMENT as PRETRAINING
from webemotion.options import build_parser as web_parser
from webemotion.train import main as webemotion


@dataclass(frozen=True)
class Program:
    """One command on drawn images.

    Attributes:
        experiment: what runs.
        standin: its drawn images.
        flags: folder of the images -> the command line, for two epochs.
        run: the run folder, relative to the working directory.
        images: pattern of training images, relative to the drawn ones.
        split: arguments of ``common.datasets split``: reader, folder relative to the drawn images,
            protocol, labels; empty where the command takes no split file.
        labels: flag and number of labels that contradict the split file.
        seed: flag of the seed that decides the draw.
        overwrites: an earlier run is replaced unasked, as published.
        other_data: flags that name a folder which is not there.
        deciding: flags that make another training of it.
        prepare: writes into the folder of the images what the flags need besides.
    """

    experiment: Experiment | Script
    standin: str
    flags: Callable[[Path], str]
    run: str
    images: str = ""
    split: tuple[str, str, str, str] | tuple[()] = ()
    labels: str = ""
    seed: str = "--seed"
    overwrites: bool = False
    other_data: str = ""
    deciding: str = "--lr 0.0123"
    prepare: Callable[[Path], None] = lambda data: None


WEB_SCRIPT = "mains_finetuning/main_sclss_cross_entropy_finetune"


class Script:
    """A published script of webemotion, whose Experiment its configuration makes."""

    name, command, shares = "webemotion", f"python webemotion/{WEB_SCRIPT}.py", False

    def main(self, argv: list[str]) -> int:
        """Run it."""
        return webemotion(WEB_SCRIPT, argv)

    def parser(self) -> Parser:
        """Its flags."""
        return web_parser(WEB_SCRIPT)


def write_web_config(data: Path) -> None:
    """A configuration of eight classes over the drawn lists."""
    home = data / "Deepemotion"
    config = {
        "num_classes": 8,
        "data_dir": str(home / "images"),
        "train_file": str(home / "z_data/train_8.pkl"),
        "val_file": str(home / "z_data/test_8.pkl"),
        "trainloader": "singlelabel_v2_train",
        "valloader": "singlelabel_v2_val",
        "batch_size": 4,
        "epochs": 2,
        "workers": 0,
        "lr": 0.01,
        "seed": 3,
        "save_directory": "out",
    }
    (data / "config.json").write_text(json.dumps(config))


_S2VER = Program(
    S2VER,
    "fi",
    lambda data: (
        f"-ds fi -nc 8 --train_data_dir {data}/train --test_data_dir {data}/test "
        "--image_size 32 --backbone resnet18 --num_train_iter 2 --epoch 2 --num_labels 16 -bsz 4 "
        "--uratio 2 --num_workers 0 --device cpu"
    ),
    "saved_models/main",
    images="train/*/*",
    split=("fi", "", "s2ver.data:draw_split", "16"),
    labels="--num_labels 24",
    other_data="--train_data_dir nowhere",
)
PROGRAMS = {
    "s2ver": _S2VER,
    "fixmatch": replace(_S2VER, experiment=baseline("fixmatch")),
    "adacm": Program(
        ADACM,
        "rafdb",
        lambda data: (
            f"--data_dir {data.parent} --image_size 32 --train-iteration 2 --epochs 2 "
            "--batch-size 4 --n-labeled 100 --num_workers 0 --device cpu"
        ),
        "result",
        images="Image/aligned/train*",
        split=("rafdb", "", "adacm.data:draw_split", "100"),
        labels="--n-labeled 400",
        seed="--manualSeed",
        overwrites=True,
        other_data="--data_dir nowhere",
    ),
    "dimva": Program(
        DIMVA,
        "va",
        lambda data: (
            f"--gpu_num 0 --dataname FI --mode one_stage --task single --data_root {data} "
            "--backbone resnet18 --pretrained none --image_size 32 --batch_size 8 --num_epochs 2 "
            "--keep_best --num_workers 0 --device cpu"
        ),
        "runs/one_stage_single_FI_rs_3",
        images="FI/train/*/*",
        overwrites=True,
        other_data="--data_root nowhere",
    ),
    "ssfer": Program(
        FINE_TUNING,
        "rafdb_folders",
        lambda data: (
            f"--protocol official --traindir {data}/train --model tiny --input_size 32 "
            "--batch_size 4 --num_epochs 2 --semi_epochs 0 --anno_percent 0.5 --checkpoint none "
            "--detector none --num_workers 0 --device cpu"
        ),
        "finetune_dir/stage2",
        images="train/*/*",
        split=("folders", "", "ssfer.finetune.data:draw_split", "0.5"),
        labels="--anno_percent 0.25",
        other_data="--traindir nowhere",
    ),
    "ssfer pre-training": Program(
        PRETRAINING,
        "unlabelled_faces",
        lambda data: (
            f"--train_dir {data} --model tiny --input_size 32 --batch_size 8 --epochs 2 "
            "--warmup_epochs 1 --picture_every 0 --num_workers 0 --device cpu"
        ),
        "output_dir",
        images="train_all/**/*",
        other_data="--train_dir nowhere",
    ),
    "webemotion": Program(
        Script(),
        "webtags",
        lambda data: (
            f"--config_file {data}/config.json --backbone resnet10 --image_size 32 --device cpu"
        ),
        "ckpts/out",
        seed="--data_seed",
        other_data="--set data_dir=nowhere",
        deciding="--set lr=0.0123",
        prepare=write_web_config,
    ),
}


SEED = "3"


class Bench:
    """A program on its drawn images, and a way to run it in a folder."""

    def __init__(self, program, data: Path, in_process: Callable):
        self.program, self.data, self.in_process = program, data, in_process

    def start(self, place: Path, *more, data: Path | None = None):
        """Run the command with a fixed seed; `more` flags win over the usual ones."""
        words = shlex.split(self.program.flags(data or self.data))
        words += [self.program.seed, SEED, *map(str, more)]
        return self.in_process(self.program.experiment.main, words, place)

    def again(self, place: Path, told: str):
        """Run the command that a stopped run says."""
        words = shlex.split(re.search(r"Go on with:\n\s+(.*)", told).group(1))
        inner = self.program.experiment.command
        assert shlex.join(words).startswith(inner)
        return self.in_process(self.program.experiment.main, words[len(inner.split()) :], place)

    def resume(self, place: Path, *more, data: Path | None = None):
        """Go on with the run in `place`."""
        run = place / self.program.run
        parser = self.program.experiment.parser()
        takes_path = "load_path" not in vars(parser.parse_args(self._words()))
        flags = ["--resume", run] if takes_path else ["--resume", "--load_path", run]
        names = {action.dest for action in parser._actions}
        flags += ["--overwrite"] if "overwrite" in names and not takes_path else []
        return self.start(place, *flags, *more, data=data)

    @property
    def overwriting(self) -> list[str]:
        """What allows a run to replace another one."""
        names = {action.dest for action in self.program.experiment.parser()._actions}
        return ["--overwrite"] if "overwrite" in names else []

    def _words(self) -> list[str]:
        return shlex.split(self.program.flags(self.data))

    def split(self, out: Path, seed: str = SEED) -> Path:
        """The split file that the run's own draw would give with this seed."""
        reader, folder, protocol, labels = self.program.split
        argv = ["split", reader, self.data / folder, "--protocol", protocol, "--labels", labels]
        seen = self.in_process(datasets, [*argv, "--seed", seed, "--out", out], out)
        assert seen.code == 0, seen.err
        (file,) = out.glob(f"*.s{seed}.json")
        return file


@pytest.fixture(scope="module", params=list(PROGRAMS))
def bench(request, tmp_path_factory, in_process) -> Bench:
    """One program after the other."""
    program = PROGRAMS[request.param]
    data = tmp_path_factory.mktemp("drawn") / program.standin
    words = ["twin", program.standin, "--out", data, "--scale", "0.00001", "--size", "32"]
    assert in_process(datasets, words, data.parent).code == 0
    program.prepare(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)  # no test cuts the power
        patch.setattr(pretraining_files, "CURVE_DPI", 50)  # the authors' 800 takes long
        yield Bench(program, data, in_process)


@pytest.fixture(scope="module")
def straight(bench, tmp_path_factory) -> Path:
    """A folder where the program ran without a stop. Not to be changed."""
    place = tmp_path_factory.mktemp("straight")
    seen = bench.start(place)
    assert seen.code == 0, seen.err
    yield place
    shutil.rmtree(place, ignore_errors=True)
