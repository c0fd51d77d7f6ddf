"""The kind ``adacm/command``: ``python adacm/main.py`` on two lists of faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from adacm.authors_files import BEST, LATEST, TABLE
from adacm.main import EXPERIMENT
from benchmarks.parity import whole
from benchmarks.parity.cases import Case, adapter
from common.engine import checkpoint
from common.engine.method import StepOutput
from common.engine.trainer import Callback, Trainer

LOSSES = {"Lx": "sup_loss", "Lu": "unsup_loss", "Ls": "contrast_loss"}


class _Watch(whole.Watch):
    """Also keeps the generators before the forwards, and the batches that set the margins."""

    def attach(self, trainer: Trainer) -> None:
        super().attach(trainer)
        self.loaded, self.margin_batches = [], []
        margins, step = self.evaluators["labelled"], trainer.method.training_step
        batches = margins.batches

        def noted(epoch: int):
            kept = []
            self.margin_batches.append(kept)
            for batch in batches(epoch):
                kept.append(batch)
                yield batch

        def training_step(given: dict, progress) -> StepOutput:
            self.before = whole.to_come()
            return step(given, progress)

        margins.batches, trainer.method.training_step = noted, training_step


class _Saved(Callback):
    """Epochs at whose end the best checkpoint was written."""

    def __init__(self):
        self.epochs, self.stamp = [], None

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """Compare the file's time with what it was."""
        path = trainer.run.path / BEST
        stamp = path.stat().st_mtime_ns if path.exists() else None
        if stamp != self.stamp:
            self.epochs.append(row["epoch"] - 1)
        self.stamp = stamp


def _step(watch: _Watch, batches: dict, output: StepOutput, trainer: Trainer) -> dict:
    labelled, unlabelled = batches["labelled"], batches["unlabelled"]
    row = {name: output.logs[own].detach().double() for name, own in LOSSES.items()}
    row |= {
        "loss": output.loss.detach().double(),
        "max_prob": output.details["score"].detach(),
        "pseudo_label": output.details["pseudo_label"],
        "mask": output.details["mask"],
        "n_contrast": output.details["n_contrast"],
        "y_x": labelled["label"],
        "index_x": labelled["index"],
        "index_u": unlabelled["index"],
        "lr": trainer.rate_used,
        "random_after_load": watch.before,
        "threshold_used": trainer.method.margins.double().clone(),
    }
    row |= whole.tensor_summary("x_weak", labelled["weak"])
    for name in ("weak0", "weak1", "strong"):
        row |= whole.tensor_summary(f"u_{name}", unlabelled[name])
    return row


@adapter("adacm/command")
def command(case: Case) -> dict:
    """The published command line, from its arguments to its files."""
    watch, saved = _Watch(lambda *given: _step(watch, *given)), _Saved()
    kept: dict[str, Trainer] = {}

    def ready(trainer: Trainer) -> None:
        whole.at_the_point(case, trainer.method.model)
        trainer.ema.restart(trainer.method)
        watch.attach(trainer)
        trainer.callbacks += (saved,)
        kept["trainer"] = trainer

    with whole.unpacked(case) as folder:
        argv = [*case.params["argv"], "--draws", "authors", "--device", "cpu"]
        whole.run(EXPERIMENT.main, argv, on_ready=ready)
        trainer = kept["trainer"]
        run = folder / EXPERIMENT.parser().parse_args(argv).out
        lines = [line.split("\t") for line in (run / TABLE).read_text().splitlines()]
        files = {
            prefix: checkpoint.load(run / name)
            for prefix, name in (("", LATEST), ("best_", BEST))
            if (run / name).exists()
        }
        written = whole.files_written(folder, case)
        listed = (folder / "train_list.txt").read_text().splitlines()
    names = [line.split()[0] for line in listed]
    streams = {name: stream.dataset for name, stream in trainer.streams.items()}
    test = watch.evaluators["test"].loader.dataset
    out = watch.by_epoch()
    out["threshold_used"] = out["threshold_used"][:, 0]
    out |= {
        "labelled_file": _names(streams["labelled"].paths),
        "unlabelled_file": _names(streams["unlabelled"].paths),
        "test_file": _names(test.paths),
        "labelled_index": _positions(streams["labelled"].paths, names),
        "unlabelled_index": _positions(streams["unlabelled"].paths, names),
        "table": np.array([[float(cell) for cell in line if cell] for line in lines[1:]]),
        "best_saved": np.array(saved.epochs, dtype=np.int64),
        "random_after_epoch": np.stack([row["random_after_epoch"] for row in watch.epochs]),
        "files_written": written,
    }
    for name, own in (("threshold", "labelled"), ("test", "test")):
        out |= _evaluations(name, watch.evaluation[own])
    out["threshold"] = np.array([row["margins"] for row in _reports(watch, "labelled")])
    for name, key in (("index_threshold", "index"), ("threshold_label", "label")):
        out[name] = np.stack(
            [torch.cat([batch[key] for batch in epoch]) for epoch in watch.margin_batches]
        )
    of_epochs = out.pop("threshold_images")
    for part in of_epochs[0]:
        out[part] = np.stack([epoch[part] for epoch in of_epochs])
    out |= out.pop("test_images")[0]
    for name, key in (("test_label", "label"), ("index_test", "index")):
        out[name] = torch.stack([row[key] for row in watch.evaluation["test"]])
    averaged = {n.removeprefix("model."): v for n, v in trainer.ema.state_dict().items()}
    out |= whole.weights("", trainer.method.model.state_dict()) | whole.weights("ema_", averaged)
    for prefix, state in files.items():
        out |= _checkpoint(f"{prefix}checkpoint", state)
    return out


def _evaluations(name: str, rows: list[dict]) -> dict:
    return {
        f"{name}_logits": torch.stack([row["logits"] for row in rows]),
        f"{name}_loss": np.array([row["report"]["loss"] for row in rows]),
        f"{name}_top1": np.array([100 * row["report"]["top1"] for row in rows]),
        f"{name}_images": [whole.tensor_summary(f"{name}_image", row["images"]) for row in rows],
    }


def _reports(watch: _Watch, name: str) -> list[dict]:
    return [row["report"] for row in watch.evaluation[name]]


def _names(paths: list[str]) -> np.ndarray:
    return np.array([Path(path).name for path in paths])


def _positions(paths: list[str], names: list[str]) -> np.ndarray:
    """Positions of images in the list of the training images."""
    place = {Path(name).name: k for k, name in enumerate(names)}
    return np.array([place[Path(path).name] for path in paths])


def _checkpoint(prefix: str, state: dict) -> dict:
    optimizer = {key for values in state["optimizer"]["state"].values() for key in values}
    return {
        f"{prefix}_key": whole.keys(state, in_order=False),
        f"{prefix}_epoch": np.int64(state["epoch"]),
        f"{prefix}_acc": np.array([state["acc"], state["best_acc"]]),
        f"{prefix}_state_key": np.array(list(state["state_dict"])),
        f"{prefix}_optimizer_key": np.array(sorted(optimizer)),
        **whole.weights(f"{prefix}_", state["state_dict"]),
        **whole.weights(f"{prefix}_ema_", state["ema_state_dict"]),
    }
