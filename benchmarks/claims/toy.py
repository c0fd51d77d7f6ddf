"""The papers' methods on points: claims in seconds, for regression tests and nothing else.

Classes are Gaussian clouds in a space of a few dimensions; a weak view is a point moved a little, a
strong view one moved farther. The network has one hidden layer. Method, Trainer, average and
evaluation are those of real runs, so a loss that is broken shows; how large an effect is here says
nothing about images. Spread and length were adjusted once after outcomes had been seen, so that the
methods learn something in seconds: one more reason why a toy's verdict supports no claim.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from adacm.method import AdaCM, MarginEvaluator
from benchmarks.baselines.fixmatch import FixMatch
from benchmarks.baselines.supervised import Supervised
from common.data.streams import GivenStream
from common.engine.method import Method, Progress
from common.engine.trainer import Recipe, Trainer
from common.metrics.classification import classification_report
from dimva.method import Dimensional, DimvaConfig
from s2ver.method import S2VER
from ssfer.finetune.method import EMATeacher, FaceMix, TeacherConfig
from webemotion.method import EmotionMethod, Joint

CPU = torch.device("cpu")
CLASSES, DIMENSIONS, FEATURES = 8, 6, 16
LABELLED, UNLABELLED, TEST = 2, 60, 60  # points a class
SPREAD, WEAK, STRONG = 0.3, 0.05, 0.25
EPOCHS, STEPS, BATCH = 10, 40, 64
DATA = "points around eight centres, drawn; a check of the code, not of the claim on images"
POLARITY = [1, 0, 1, 1, 0, 1, 0, 0]
Training = Callable[["Points"], dict]


class PointNetwork(nn.Module):
    """Points [n, D] -> (logits [n, C], features [n, F]), of unit length unless `free`."""

    def __init__(self, features: int = FEATURES, free: bool = False):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(DIMENSIONS, 64), nn.ReLU())
        self.classify, self.project = nn.Linear(64, CLASSES), nn.Linear(64, features)
        self.free = free

    def forward(self, points: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.trunk(points)
        features = self.project(hidden)
        return self.classify(hidden), features if self.free else F.normalize(features, dim=1)


class LogitsOnly(PointNetwork):
    """Points [n, D] -> logits [n, C]."""

    def forward(self, points: Tensor) -> Tensor:
        return super().forward(points)[0]


class TextHead(nn.Module):
    """Sentence embeddings [n, F] -> (logits [n, C], projection [n, F])."""

    def __init__(self):
        super().__init__()
        self.classify, self.project = nn.Linear(FEATURES, CLASSES), nn.Identity()

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        return self.classify(embedding), self.project(embedding)


@dataclass(frozen=True)
class Points:
    """Labelled, unlabelled and test points with their classes, and a generator for the views."""

    labelled: tuple[Tensor, Tensor]
    unlabelled: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    rng: torch.Generator

    @classmethod
    def draw(cls, seed: int) -> Points:
        """The problem of a seed."""
        rng = torch.Generator().manual_seed(seed)
        centres = F.normalize(torch.randn(CLASSES, DIMENSIONS, generator=rng), dim=1)

        def cloud(number: int) -> tuple[Tensor, Tensor]:
            labels = torch.arange(CLASSES).repeat_interleave(number)
            noise = torch.randn(len(labels), DIMENSIONS, generator=rng)
            return centres[labels] + SPREAD * noise, labels

        return cls(cloud(LABELLED), cloud(UNLABELLED), cloud(TEST), rng)

    def moved(self, points: Tensor, by: float) -> Tensor:
        """A view of points."""
        return points + by * torch.randn(points.shape, generator=self.rng)

    def some(self) -> tuple[Tensor, Tensor]:
        """Unlabelled points of a batch, and their classes."""
        points, labels = self.unlabelled
        chosen = torch.randperm(len(points), generator=self.rng)[:BATCH]
        return points[chosen], labels[chosen]

    def streams(self) -> dict[str, GivenStream]:
        """Batches of all labelled and some unlabelled points, under every view's name."""
        labelled, unlabelled = [], []
        for _ in range(EPOCHS):
            labelled.append([self._labelled() for _ in range(STEPS)])
            unlabelled.append([self._unlabelled() for _ in range(STEPS)])
        return {"labelled": GivenStream(labelled), "unlabelled": GivenStream(unlabelled)}

    def report(self, method: Method, progress: Progress | None = None) -> dict:
        """An evaluator on the test points."""
        return classification_report(method.predict(self.test[0]), self.test[1])

    def _labelled(self) -> dict[str, Tensor]:
        points, labels = self.labelled
        seen = self.moved(points, WEAK)
        corners = torch.randint(0, 100, (len(points), 2), generator=self.rng)
        return {
            "weak": seen,
            "image": seen.clone(),  # FaceMix mixes its images in place
            "box": torch.cat([corners, corners + 120], dim=1),
            "label": labels,
        }

    def _unlabelled(self) -> dict[str, Tensor]:
        points, labels = self.some()
        weak, strong = ("weak", "weak0", "weak1"), ("strong", "strong0", "strong1")
        views = {name: self.moved(points, WEAK) for name in weak}
        views |= {name: self.moved(points, STRONG) for name in strong}
        return {**views, "label": labels}


def _fit(method: Method, streams: dict, network: nn.Module | None = None, **evaluators) -> list:
    """Train to the end; returns the history.

    Args:
        streams: those that the method reads are taken.
        network: whose weights learn; the method's all where None.
    """
    optimizer = torch.optim.Adam((network or method).parameters(), lr=3e-3)
    streams = {name: stream for name, stream in streams.items() if name in method.stream_names}
    return Trainer(method, optimizer, None, streams, Recipe(EPOCHS, STEPS), CPU, evaluators).fit()


def _stream(draw: Callable[[], dict]) -> dict[str, GivenStream]:
    return {"train": GivenStream([[draw() for _ in range(STEPS)] for _ in range(EPOCHS)])}


def _classification(build: Callable[[Points, dict], Method]) -> Training:
    """Figures of the method that `build` makes; it may add evaluators."""

    def train(points: Points) -> dict:
        evaluators: dict[str, Callable] = {}
        method = build(points, evaluators)
        last = _fit(method, points.streams(), **evaluators, test=points.report)[-1]
        return {"last": last["test"]["top1"], "mask_rate": last["train"].get("mask_rate")}

    return train


def _adacm(points: Points, evaluators: dict) -> Method:
    points_l, labels = points.labelled
    batches = [{"weak": points_l, "label": labels}]
    evaluators["margins"] = MarginEvaluator(lambda epoch: iter(batches))
    return AdaCM(PointNetwork(), CLASSES)


def _ratings(points: Points, stages: tuple[str, ...]) -> dict:
    """r of valence after one or both stages of dimva's multi task."""
    words = 5 + 3 * torch.randn(CLASSES, 2, generator=points.rng)
    bend = torch.randn(DIMENSIONS, 2, generator=points.rng)
    model = PointNetwork(features=2, free=True)  # valence and arousal
    for stage in stages:
        rated = stage == "two_stage"
        method = Dimensional(model, DimvaConfig(stage, "multi"))
        _fit(method, _stream(partial(_ratings_batch, points, words, bend, rated)), model)
    model.eval()
    with torch.no_grad():
        predicted = model(points.test[0])[1][:, 0]
    true = rating(*points.test, words, bend)[:, 0]
    return {"r_valence": float(np.corrcoef(predicted.numpy(), true.numpy())[0, 1])}


def rating(points: Tensor, labels: Tensor, words: Tensor, bend: Tensor) -> Tensor:
    """True valence and arousal [n, 2]: the class's word, bent by where the point lies."""
    return words[labels] + 2 * points @ bend


def _ratings_batch(points: Points, words: Tensor, bend: Tensor, rated: bool) -> dict:
    cloud, label = points.some()
    image = points.moved(cloud, WEAK)
    categorical = torch.ones(len(cloud), dtype=torch.bool)
    if rated:
        categorical[::2] = False
    va = torch.where(categorical[:, None], words[label], rating(cloud, label, words, bend))
    return {"image": image, "label": label, "va": va, "categorical": categorical}


def _faces(points: Points, stages: int) -> dict:
    """Accuracy after SSFER's supervised stage, or after the teacher's stage too."""
    network = LogitsOnly()
    steps = [FaceMix(network, CLASSES), EMATeacher(network, TeacherConfig(ema_decay=0.95))]
    for method in steps[:stages]:
        streams = points.streams()
        if stages == 2 and method is steps[1]:
            method.teacher.load_state_dict(network.state_dict())
        _fit(method, streams, network)
    method.eval()
    with torch.no_grad():
        return {"last": points.report(method)["top1"]}


def _web(points: Points, joint: bool) -> dict:
    """Accuracy of a classifier on frozen features, learnt from noisy tags."""
    words = F.normalize(torch.randn(CLASSES, FEATURES, generator=points.rng), dim=1)
    network = PointNetwork()
    method = Joint(network, head=TextHead()) if joint else EmotionMethod(network)
    _fit(method, _stream(partial(_web_batch, points, words)))
    network.eval()
    with torch.no_grad():
        seen, unseen = (network.trunk(x).numpy() for x, _ in (points.labelled, points.test))
    probe = LogisticRegression(max_iter=1000).fit(seen, points.labelled[1].numpy())
    return {"accuracy": float(probe.score(unseen, points.test[1].numpy()))}


def _web_batch(points: Points, words: Tensor) -> dict[str, Tensor]:
    """Points with tags of which half are any class's, and a sentence about the true class."""
    cloud, true = points.some()
    any_class = torch.randint(CLASSES, (BATCH,), generator=points.rng)
    wrong = torch.rand(BATCH, generator=points.rng) < 0.5
    tags = torch.where(wrong, any_class, true)
    noise = 0.1 * torch.randn(BATCH, FEATURES, generator=points.rng)
    return {
        "image": points.moved(cloud, WEAK),
        "target": F.one_hot(tags, CLASSES).float(),
        "text_embedding": words[true] + noise,
    }


_SUPERVISED = _classification(lambda *_: Supervised(PointNetwork()))
PAIRS: dict[str, tuple[Training, Training]] = {
    "s2ver": (
        _classification(lambda *_: S2VER(PointNetwork(), CLASSES, FEATURES, POLARITY)),
        _SUPERVISED,
    ),
    "adacm": (_classification(_adacm), _SUPERVISED),
    "fixmatch": (_classification(lambda *_: FixMatch(PointNetwork())), _SUPERVISED),
    "ssfer": (partial(_faces, stages=2), partial(_faces, stages=1)),
    "webemotion": (partial(_web, joint=True), partial(_web, joint=False)),
    "dimva": (
        partial(_ratings, stages=("one_stage", "two_stage")),
        partial(_ratings, stages=("one_stage",)),
    ),
}
"""Name -> (training of the better side, of the worse side): a seed's points -> figures."""


def figures(train: Training, seed: int) -> dict:
    """What a training on the points of a seed gives."""
    points = Points.draw(seed)
    torch.manual_seed(seed)
    np.random.seed(seed)  # timm's mixup draws from NumPy's generator
    return train(points)


def differences(name: str, metric: str, seeds: Sequence[int]) -> dict[str, float]:
    """Better minus worse by seed; with one thread, so that sums have one order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = {seed: [figures(side, seed)[metric] for side in PAIRS[name]] for seed in seeds}
        return {str(seed): better - worse for seed, (better, worse) in found.items()}
    finally:
        torch.set_num_threads(threads)


def fingerprint() -> str:
    """A digest of the settings, by which baselines of other settings are told apart."""
    settings = (CLASSES, DIMENSIONS, LABELLED, UNLABELLED, SPREAD, WEAK, STRONG, EPOCHS, STEPS)
    return hashlib.sha256(repr((*settings, BATCH)).encode()).hexdigest()[:12]
