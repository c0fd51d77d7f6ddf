"""The kind ``ssfer/command``: the published scripts and the notebook, each from start to end."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from benchmarks.parity import whole
from benchmarks.parity.cases import Case, adapter
from benchmarks.parity.measure import fill_state_dict
from benchmarks.parity.ssfer import watching
from benchmarks.parity.ssfer.command_fine_tuning import fine_tuning
from common.engine import checkpoint
from common.engine.method import StepOutput
from common.engine.trainer import Callback, Trainer
from ssfer import evaluate
from ssfer.pretrain.mae import build_mae
from ssfer.pretrain.main import EXPERIMENT
from ssfer.pretrain.method import build_optimizer
from ssfer.vit import build_vit

OURS = ("--draws", "authors", "--device", "cpu")
TORCHRUN = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}


@adapter("ssfer/command")
def command(case: Case) -> dict:
    """The published command line, from its arguments to its files."""
    return SCRIPTS[case.params["script"]](case)


class _Steps(Callback):
    """What every step of pre-training gave."""

    def __init__(self):
        self.rows, self.updates = [], []

    def attach(self, trainer: Trainer) -> None:
        trainer.callbacks = (self, *trainer.callbacks)
        step = trainer.optimizer.step

        def counted(*args, **kwargs):
            self.updates.append(len(self.rows) + 1)
            return step(*args, **kwargs)

        trainer.optimizer.step = counted

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        """Record the step."""
        row = {"loss": output.loss.item(), "lr": trainer.rate_used}
        self.rows.append(row | {"mask": output.details["mask"].bool().numpy()})


def pretraining(case: Case) -> dict:
    """``python pretrain_distribute.py``, by itself or as torchrun starts it."""
    p = case.params
    loaded, steps, kept = watching.Loaded(p["images"], "image"), _Steps(), {}

    def ready(trainer: Trainer) -> None:
        state = trainer.method.model.state_dict()
        kept.update(trainer=trainer, epoch=trainer.progress.epoch)
        kept["loaded"] = watching.weights("loaded_", state)
        whole.at_the_point(case, trainer.method.model)
        loaded.attach(trainer.streams["faces"])
        steps.attach(trainer)

    alone = p.get("processes", "").startswith("one")
    with whole.unpacked(case) as folder, mock.patch.dict(os.environ):
        for name, value in TORCHRUN.items():
            os.environ.pop(name, None)
            if not alone:
                os.environ[name] = value
        if "resume" in p:
            _write_resumed(p["resume"], p["model"])
        there = watching.authors_files(folder)
        argv = [*p["argv"], *watching.size_of(case), *OURS]
        printed = whole.run(EXPERIMENT.main, argv, on_ready=ready)
        written = watching.authors_files(folder, there)
        saved = [name for name in case.expected["files"].tolist() if name.endswith(".pth")]
        last = max(saved, key=lambda name: int(name[:-4].rsplit("_", 1)[1]), default=None)
        file = checkpoint.load(folder / last) if last in written else None
    epochs = np.array(
        [line.split("epoch:")[1].split(" ")[0] for line in printed.splitlines() if "epoch:" in line]
    )
    told = watching.numbers(rf"loss: {watching.NUMBER}   lr: {watching.NUMBER}", printed)
    out = (
        loaded.arrays("train")
        | kept["loaded"]
        | {
            "start_epoch": kept["epoch"],
            "update_after_step": np.array(steps.updates, dtype=np.int64),
            "printed_epoch": epochs,
            "printed_loss": told[:, 0],
            "printed_lr": told[:, 1],
            "files": np.array(sorted(written), dtype=np.str_),
        }
    )
    for name in ("loss", "lr", "mask"):
        out[name] = watching.by_epoch(steps.rows, name, len(epochs))
    out |= watching.weights("", kept["trainer"].method.model.state_dict())
    return out | (_checkpoint(file) if file else {})


def _write_resumed(recipe: dict, model: str) -> None:
    """The checkpoint that a run goes on from: an optimiser that never stepped."""
    network = build_mae(model)
    fill_state_dict(network, recipe["fill_seed"])
    settings = (recipe["lr"], recipe["weight_decay"], recipe["warmup_epochs"], recipe["epochs"])
    optimizer, scheduler = build_optimizer(network, *settings)
    optimizer.step()  # without gradients nothing moves
    for _ in range(recipe["epoch"]):
        scheduler.step()
    states = {
        "model": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": recipe["epoch"],
        "lr_scheduler_state_dict": scheduler.state_dict(),
    }
    watching.write(recipe["path"], states)


def _checkpoint(file: dict) -> dict:
    entries = file["optimizer"]["state"]
    tensors = {key for values in entries.values() for key in values}
    return {
        "checkpoint_key": whole.keys(file),
        "checkpoint_epoch": np.int64(file["epoch"]),
        "checkpoint_state_key": np.array(list(file["model"]), dtype=np.str_),
        "checkpoint_optimizer_key": np.array(list(file["optimizer"]), dtype=np.str_),
        "checkpoint_optimizer_tensors": np.array(sorted(tensors), dtype=np.str_),
        "checkpoint_optimizer_step": np.array([float(v["step"]) for v in entries.values()]),
        "checkpoint_scheduler_last_epoch": np.int64(file["lr_scheduler_state_dict"]["last_epoch"]),
    }


def notebook(case: Case) -> dict:
    """A section of ``test.ipynb``: the checkpoints of one dataset, on its test images."""
    p = case.params
    loaded, logits, tables = watching.Loaded(p["images"], "image"), [], []
    collect, confusion = evaluate.collect_logits, evaluate.confusion_by_name

    def collected(method, batches):
        loaded.epochs.append([])
        logits.append(collect(method, loaded.noting(batches, batches.dataset.paths)))
        return logits[-1]

    def confused(*given):
        tables.append(confusion(*given))
        return tables[-1]

    noted = {"collect_logits": collected, "confusion_by_name": confused}
    with whole.unpacked(case) as folder, mock.patch.multiple(evaluate, **noted):
        for recipe in p["checkpoints"]:
            network = build_vit(num_classes=p["num_classes"])
            fill_state_dict(network, recipe["fill_seed"])
            watching.write(recipe["path"], network.state_dict())
        there = watching.authors_files(folder)
        dataset = Path(p["checkpoints"][0]["path"]).name.split("_")[1]
        argv = ["--dataset", dataset, "--any_folders", "--device", "cpu", "--num_workers", "0"]
        printed = whole.run(evaluate.main, [*p["argv"], *argv])
        written = watching.authors_files(folder, there)
    out = {name: value[0] for name, value in loaded.arrays("test").items()} | {
        "logits": torch.stack([values for values, _ in logits]),
        "pred": torch.stack([values.argmax(dim=1) for values, _ in logits]),
        "printed_acc": watching.numbers(f"test acc:{watching.NUMBER}", printed)[:, 0],
        "files": np.array(sorted(written), dtype=np.str_),
    }
    for k, table in enumerate(tables):
        out |= {f"cm_{k}": table.counts, f"cm_prob_{k}": table.shares}
        out[f"cm_labels_{k}"] = np.array(table.labels)
    return out


SCRIPTS = {
    "pretrain_distribute.py": pretraining,
    "fine-tune.py": fine_tuning,
    "test.ipynb": notebook,
}
