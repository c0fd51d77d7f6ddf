"""Weights that have seen faces: a ResNet-18 that tells drawn people apart.

Ada-CM starts from a ResNet-18 trained to recognise the people of MS-Celeb-1M. Drawn expressions
have their own counterpart here: people who are drawn again and again in other poses, lights and
expressions, and a network that names them. It never sees which expression is drawn, and no image
of the expression data is among its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.baselines.__main__ import experiment
from benchmarks.claims.base import train
from benchmarks.ground.commands import words
from benchmarks.ground.reading import read_json
from common.datasets.readers.folder import DRAWN_MARK
from common.datasets.standins import rafdb
from common.datasets.standins.faces import draw_face
from common.datasets.standins.people import Identity
from common.engine import checkpoint
from common.engine.run_folder import SUMMARY
from common.files import write_json
from s2ver.authors_files import BEST
from s2ver.model import HEADS

SEED = 7
SAMPLES_PER_PERSON = {"train": 30, "test": 4}


@dataclass(frozen=True)
class Recognition:
    """How many people are drawn and how long the network looks at them.

    Attributes:
        people: classes.
        epochs, steps: length of the training, 64 images a step.
    """

    people: int
    epochs: int
    steps: int


def draw_people(folder: Path, people: int, size: int, seed: int = SEED) -> None:
    """Write ``train/<person>/<k>.jpg`` and ``test/…``: `people` drawn people, `size` pixels."""
    for number in tqdm(range(people), desc="drawing people", unit="person", disable=None):
        who = Identity.draw(np.random.default_rng([seed, number]))
        for split, (name, images) in enumerate(SAMPLES_PER_PERSON.items()):
            person = folder / name / f"person_{number:04d}"
            person.mkdir(parents=True, exist_ok=True)
            for k in range(images):
                rng = np.random.default_rng([seed, number, split, k])
                actions = rafdb.actions_of(int(rng.integers(len(rafdb.CLASSES))), rng)
                image = draw_face(actions, rng, size, who)
                image.save(person / f"{k:03d}.jpg", **rafdb.JPEG)
    write_json(folder / DRAWN_MARK, {"drawn": True, "of": "people", "people": people, "seed": seed})


def pretrain(work: Path, recognition: Recognition, image_size: int) -> Path:
    """The weights file, made now unless it is there.

    Args:
        work: folder for data, run and file.

    Returns:
        A file of trunk weights with torchvision's names and no ``fc``, as ``--pretrained`` of
        ``adacm/main.py`` and of the baselines read it.
    """
    out = work / "resnet18_drawn_people.pth"
    if out.exists():
        return out
    data, run = work / "people", work / "people_recognition"
    if not (data / DRAWN_MARK).exists():
        draw_people(data, recognition.people, rafdb.SIDE)
    _train(data, run, recognition, image_size)
    state = checkpoint.load(run / BEST)["ema_model"]
    checkpoint.save({k: v for k, v in state.items() if k.split(".")[0] not in HEADS}, out)
    return out


def accuracy(work: Path) -> float:
    """Share of the held-out pictures whose person the last epoch names rightly."""
    summary = read_json(work / "people_recognition" / SUMMARY)
    return summary["protocols"]["last"]["value"]


def _train(data: Path, run: Path, recognition: Recognition, image_size: int) -> None:
    flags = words(
        "-ds people -nc {network.people} --backbone resnet18 --train_data_dir "
        "{data}/train --test_data_dir {data}/test -nl {labels} -bsz 64 --epoch {network.epochs} "
        "--num_train_iter {network.steps} --image_size {side} --fast --seed {seed} "
        "--save_dir {run.parent} --save_name {run.name} --overwrite",
        **{"network": recognition, "data": data, "side": image_size, "seed": SEED, "run": run},
        labels=recognition.people * SAMPLES_PER_PERSON["train"],
    )
    train(experiment("supervised"), flags, run)
