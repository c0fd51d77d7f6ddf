"""The kind ``ssfer/command`` for ``python fine-tune.py``: every fold's two stages."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import numpy as np
import torch
from torch import Tensor

from benchmarks.parity import whole
from benchmarks.parity.cases import Case
from benchmarks.parity.measure import filled_state
from benchmarks.parity.ssfer import watching
from common.engine.method import StepOutput
from common.engine.trainer import Callback, Trainer
from ssfer.finetune import main as program
from ssfer.finetune.method import EMATeacher
from ssfer.pretrain.mae import build_mae

FLAGS = {"num_epochs@2": "semi_epochs"}
IDLE = {"reprob", "remode", "recount", "resplit", "auto_augment", "color_jitter", "decay_rate"}
HEAD = ("head.weight", "head.bias")
# A detector that gives the case's answers is put in at the point.
OURS = ("--draws", "authors", "--device", "cpu", "--detector", "none")
NOTHING = {"score": 0.0, "pseudo_label": -1, "mask": False}  # listed before the burn-in has ended
PRINTED = {
    "train": rf"train loss:{watching.NUMBER}  lr:{watching.NUMBER}",
    "semi": rf"pseudo_acc:{watching.NUMBER}  lr:{watching.NUMBER}",
    "valid": rf"Accuracy: {watching.NUMBER}, Validation Loss: {watching.NUMBER}",
}


class _Faces:
    """A detector that gives the case's answers for the images of the batch that was loaded last."""

    def __init__(self, case: Case, loaded: watching.Loaded):
        ends = np.cumsum(case.inputs["det_counts"], dtype=np.int64)
        self.answers, self.loaded = np.split(case.inputs["dets"], ends)[: len(ends)], loaded

    def __call__(self, images: Tensor) -> list[np.ndarray]:
        return [self.answers[item] for item in self.loaded.epochs[-1][-1]["item"]]


class _Supervised(Callback):
    """What the supervised stage of a fold gave."""

    def __init__(self):
        self.rows, self.ends = [], {}

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        """Record the step."""
        row = {"loss": output.loss.item(), "lr": trainer.rate_used, "lam": trainer.method.mix.lam}
        row |= {name: value.detach().numpy() for name, value in output.details.items()}
        self.rows.append(row)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Record what the stage ends with."""
        model = trainer.method.model
        self.ends |= watching.weights("stage2_", model.state_dict())
        with trainer.averaged():
            self.ends |= watching.weights("stage2_ema_", model.state_dict())


class _Semi(Callback):
    """What the semi-supervised stage of a fold gave."""

    def __init__(self):
        self.rows, self.ends = [], {}

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        """Record the step."""
        number = trainer.streams["unlabelled"].batch_size
        row = {"semi_loss": output.loss.item(), "semi_lr": trainer.rate_used}
        row |= {f"semi_{name}": output.logs[name].item() for name in ("loss_x", "loss_u")}
        for name, value in NOTHING.items():
            row[name] = output.details.get(name, torch.full((number,), value)).detach().numpy()
        row["pseudo_acc"] = float(output.logs.get("pseudo_acc", 0))
        self.rows.append(row)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Record what the fold ends with."""
        method, stale = trainer.method, trainer.evaluators["test"].method
        for prefix, model in (
            ("", method.model),
            ("ema_", stale.model),
            ("teacher_", method.teacher),
        ):
            self.ends |= watching.weights(prefix, model.state_dict())


class _Fold:
    """One fold as it was watched."""

    def __init__(self, case: Case):
        images = case.params["images"]
        self.train, self.x, self.valid = (watching.Loaded(images, "image") for _ in range(3))
        self.u = watching.Loaded(images, "weak", "strong")
        self.supervised, self.semi, self.parts = _Supervised(), _Semi(), {}

    def first(self, case: Case, number: int, trainer: Trainer) -> None:
        """The point of the fold, before its supervised stage."""
        self.loaded = watching.weights("loaded_", trainer.method.model.state_dict(), HEAD)
        p = case.params
        seeds = {"fill_seed": p["fill_seed"] + 1000 * number, "seed": p["seed"] + number}
        whole.at_the_point(replace(case, params=p | seeds), trainer.method.model)
        trainer.ema.restart(trainer.method)
        trainer.method.detector = _Faces(case, self.train)
        self._watch(trainer, self.supervised, fold_train=("labelled", self.train))

    def second(self, trainer: Trainer) -> None:
        """Before its semi-supervised stage."""
        streams = {"semi_labelled": ("labelled", self.x), "semi_unlabelled": ("unlabelled", self.u)}
        self._watch(trainer, self.semi, **streams)
        validated = trainer.evaluators["test"].evaluate.stream
        self.valid.attach(validated)
        self.parts["fold_valid"] = watching.positions(validated.dataset.paths, self.valid.images)

    def _watch(self, trainer: Trainer, steps: Callback, **streams) -> None:
        trainer.callbacks = (steps, *trainer.callbacks)
        for name, (stream, loaded) in streams.items():
            paths = trainer.streams[stream].dataset.paths
            self.parts[name] = watching.positions(paths, loaded.images)
            loaded.attach(trainer.streams[stream])

    def arrays(self) -> dict:
        """All of it."""
        out = self.loaded | self.supervised.ends | self.semi.ends
        for name in ("train", "x", "u", "valid"):
            out |= getattr(self, name).arrays(name) if getattr(self, name).epochs else {}
        for part, loaded in ((self.supervised, self.train), (self.semi, self.u)):
            for name in part.rows[0] if part.rows else ():
                out[name] = watching.by_epoch(part.rows, name, len(loaded.epochs))
        own = {"score": "semi_max_probs", "pseudo_label": "semi_pseudo", "mask": "semi_mask"}
        out = {own.get(name, name): value for name, value in out.items()}
        if self.semi.rows:
            out["semi_pseudo_acc"] = out.pop("pseudo_acc")[:, -1]
        return out


def fine_tuning(case: Case) -> dict:
    """``python fine-tune.py`` with the case's constants as flags."""
    p, folds, split = case.params, [], []

    def ready(trainer: Trainer) -> None:
        if isinstance(trainer.method, EMATeacher):
            folds[-1].second(trainer)
            return
        folds.append(_Fold(case))
        folds[-1].first(case, len(folds) - 1, trainer)

    class Folds(program.Folds):
        """Kept to see what the first draw labelled."""

        def __init__(self, *given):
            super().__init__(*given)
            split.append(self)

    with whole.unpacked(case) as folder, mock.patch.object(program, "Folds", Folds):
        state = build_mae(p["model"]).state_dict()
        recipe = p["checkpoint"]
        watching.write(recipe["path"], {"model": filled_state(state, recipe["fill_seed"])})
        there = watching.authors_files(folder)
        argv = [*p["argv"], *_flags(p["constants"]), *watching.size_of(case), *OURS]
        # One of the cases' two ways to multiply: by oneDNN on some processors a gradient that is
        # nothing but rounding changes its sign, of which Adam makes a whole step.
        with torch.backends.mkldnn.flags(enabled=False):
            printed = whole.run(program.main, argv, on_ready=ready)
        written = watching.authors_files(folder, there)
    names = split[0].images.train.table["path"].tolist()
    drawn = split[0].split
    labelled, rest = (
        watching.positions([names[k] for k in part], p["images"])
        for part in (drawn.labelled, drawn.unlabelled)
    )
    arrays, parts = [fold.arrays() for fold in folds], [fold.parts for fold in folds]
    once = [n for n in arrays[0] if n.startswith("loaded_") or n.endswith("weight_key")]
    out = {name: arrays[0].pop(name) for name in once}
    for folds_of in (arrays, parts):
        out |= {name: watching.padded([fold[name] for fold in folds_of]) for name in folds_of[0]}
    out |= {"labelled": labelled, "unlabelled": np.sort(rest)}
    told = {
        name: watching.numbers(pattern, printed).reshape(len(folds), -1, 2)
        for name, pattern in PRINTED.items()
    }
    return out | {
        "printed_train_loss": told["train"][..., 0],
        "printed_train_lr": told["train"][..., 1],
        "printed_semi_lr": told["semi"][..., 1],
        "printed_valid": told["valid"],
        "files": np.array(sorted(written), dtype=np.str_),
    }


def _flags(constants: dict) -> list[str]:
    used = {name: value for name, value in constants.items() if name not in IDLE}
    return [
        word for name, value in used.items() for word in (f"--{FLAGS.get(name, name)}", f"{value}")
    ]
