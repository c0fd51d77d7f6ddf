"""The kind ``webemotion/command``: a published script on a small folder of images."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.parity import whole
from benchmarks.parity.cases import Case, adapter
from benchmarks.parity.measure import fill_state_dict, text
from common.data import pickles
from common.engine import checkpoint
from common.engine.method import StepOutput
from common.engine.run_folder import CONFIG, ENVIRONMENT, LAST, METRICS, PREVIOUS, SUMMARY
from common.engine.trainer import Callback, Trainer
from webemotion import checkpoints
from webemotion.authors_files import BEST
from webemotion.checkpoints import PREFIX
from webemotion.data import ImageList
from webemotion.model import build_network
from webemotion.text import models
from webemotion.train import main

OURS = re.compile(
    rf"{CONFIG}|{ENVIRONMENT}|{METRICS}|{SUMMARY}|{LAST}|{PREVIOUS}|log\.txt|events\.out\..*"
)
STAMP = re.compile(r"\d{14}")
RATE = re.compile(r" - Epoch: \[\d+\], learning rate: (\S+)")
FIGURE = re.compile(r" - +\* Prec@1 (\S+)")
SIZES = re.compile(r"Total Parameters: (\d+)\t Gradient Parameters: (\d+)")


# --- what a case prescribes -----------------------------------------------------------------------


def _write_inputs(case: Case) -> None:
    """The pickles of the lists and the files that recipes describe, as the authors have them."""
    for path in Path("lists").glob("*.json"):
        held = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(held, dict):
            held = {int(number): paths for number, paths in held.items()}
        pickles.save(held, path.with_suffix(".pkl"))
    Path("config.json").write_text(json.dumps(case.params["config"]), encoding="utf-8")
    if recipe := case.params.get("checkpoint"):
        _write(_checkpoint(recipe), recipe["path"])
    if recipe := case.params.get("text"):
        names = ("words", "MAX_SENT_LEN", "WORD_DIM", "FILTER_NUM")
        model = models.build("dan", "CNN_Embed_v2", *(recipe[name] for name in names), 1)
        fill_state_dict(model, recipe["fill_seed"])
        words = {f"word{k}": k for k in range(recipe["words"])}
        numbers = {k: word for word, k in words.items()}
        held = {"model": model.state_dict(), "tag2idx": words, "idx2tag": numbers}
        _write(held, recipe["path"])


def _checkpoint(recipe: dict) -> dict:
    model = build_network(recipe["arch"], recipe["num_classes"], **recipe.get("net_kwargs", {}))
    fill_state_dict(model, recipe["fill_seed"])
    state = model.state_dict()
    if recipe["form"] == "state dict":
        return OrderedDict(state)
    held = {name: recipe[name] for name in ("epoch", "arch")}
    held["state_dict"] = OrderedDict((PREFIX + name, value) for name, value in state.items())
    held["best_prec1"] = recipe["best_prec1"]
    if recipe["form"] == "whole checkpoint":
        settings = recipe["optimizer"]
        held["optimizer"] = torch.optim.SGD(model.parameters(), **settings).state_dict()
    return held


def _write(held: dict, path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    torch.save(held, path)


# --- what a run does ------------------------------------------------------------------------------


class _Watch(Callback):
    """Notes what every batch of a training and its validation is, and what becomes of it."""

    def __init__(self, trainer: Trainer, case: Case):
        self.case, self.train, self.validation, self.saved = case, [], [], []
        self.epochs: list[dict] = []
        method, evaluate = trainer.method, trainer.evaluators["test"]
        self.listed = {"train": trainer.streams["train"].dataset, "val": evaluate.loader.dataset}
        self.opened: dict[str, list[tuple[int, str]]] = {}
        for name, images in self.listed.items():
            self._note_items(name, images)
        step, losses, predict = method.training_step, method.losses, method.predict

        def training_step(batches: dict, progress) -> StepOutput:
            self.row = _loaded(batches["train"], self.opened["train"])
            return step(batches, progress)

        def noted_losses(outputs: tuple[Tensor, ...], *given) -> StepOutput:
            self.row["logits"] = outputs[0].detach()
            return losses(outputs, *given)

        def noted_predict(images: Tensor) -> Tensor:
            batch = {"image": images, "target": self.targets.pop(0)}
            self.validation.append(_loaded(batch, self.opened["val"]))
            return predict(images)

        def evaluated(*given) -> dict:
            collate, self.targets = evaluate.loader.collate_fn, []

            def noted(items: list) -> dict:
                batch = collate(items)
                self.targets.append(batch["target"])
                return batch

            evaluate.loader.collate_fn = noted
            try:
                return evaluate(*given)
            finally:
                evaluate.loader.collate_fn = collate

        method.training_step, method.losses, method.predict = (
            training_step,
            noted_losses,
            noted_predict,
        )
        trainer.evaluators["test"] = evaluated
        trainer.callbacks = (*trainer.callbacks, self)

    def _note_items(self, name: str, images: ImageList) -> None:
        entry, self.opened[name] = images.entry, []

        def noted(index: int):
            found = entry(index)
            self.opened[name].append((index, found.path))
            return found

        images.entry = noted

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        """Keep a step."""
        accuracy = output.logs.get("hits", output.logs.get("top1"))
        parts = {n: v.item() for n, v in output.logs.items() if n.startswith("loss_")}
        self.row |= {"loss": output.loss.item(), "lr": trainer.rate_used, **parts}
        self.train.append(self.row | {"prec1": 100 * float(accuracy)})

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """Keep what validation gave, and what was written."""
        report, folder = row["test"], self._folder(trainer)
        self.epochs.append({"validate": [100 * report[trainer.recipe.metric], report["loss"]]})
        path, best = folder / f"checkpoint_{row['epoch'] - 1:04d}.pth.tar", folder / BEST
        if not path.exists():
            return
        held = checkpoint.load(path)
        is_best = best.exists() and checkpoint.load(best)["epoch"] == held["epoch"]
        self.saved.append((is_best, float(held["best_prec1"]), held["epoch"], path))

    @staticmethod
    def _folder(trainer: Trainer) -> Path:
        files = next(c for c in trainer.callbacks if hasattr(c, "saves"))
        return files.folder or trainer.run.path


def _loaded(batch: dict[str, Tensor], opened: list[tuple[int, str]]) -> dict:
    """A batch before its forward, and the items that were asked for since the last one."""
    images = batch["image"].flatten(1)
    row = {
        "item": np.array([index for index, _ in opened]),
        "opened": [path for _, path in opened],
        "rng": whole.to_come(),
        "image_sum": images.double().sum(dim=1),
        "image_norm": images.double().norm(dim=1),
        "image_first": images.flatten()[: whole.FIRST],
        **{name: batch[name] for name in ("target", "tokens") if name in batch},
    }
    opened.clear()
    return {
        name: value.numpy() if hasattr(value, "numpy") else value for name, value in row.items()
    }


def _padded(rows: list, epochs: int, size: int) -> np.ndarray:
    """[E, K, …]; what is shorter than a batch ends in −1, or in 0 where it is floating."""
    rows = [np.asarray(row) for row in rows]
    out = []
    for row in rows:
        fill = 0 if row.dtype.kind == "f" else -1
        more = ((0, size - len(row)), *((0, 0),) * (row.ndim - 1))
        out.append(np.pad(row, more, constant_values=fill))
    return np.stack(out).reshape(epochs, -1, *out[0].shape)


# --- the adapter ----------------------------------------------------------------------------------


@adapter("webemotion/command")
def command(case: Case) -> dict:
    """The published command line, from its arguments to its files."""
    kept: dict = {"loaded": []}
    start_from = checkpoints.start_from

    def noted_start(*given, **named):
        report = start_from(*given, **named)
        kept["loaded"] = report.loaded
        return report

    def ready(trainer: Trainer) -> None:
        model = trainer.method.model
        kept["start"] = {n: v.clone() for n, v in model.state_dict().items() if n in kept["loaded"]}
        whole.at_the_point(case, model)
        kept["trainer"], kept["watch"] = trainer, _Watch(trainer, case)

    script = case.params["script"].removesuffix(".py")
    argv = ["--config_file", "config.json", "--draws", "authors", "--device", "cpu"]
    with whole.unpacked(case) as folder:
        _write_inputs(case)
        before = {path for path in folder.rglob("*") if path.is_file()}
        checkpoints.start_from = noted_start
        try:
            whole.run(partial(main, script), argv, on_ready=ready)
        finally:
            checkpoints.start_from = start_from
        trainer, watch = kept["trainer"], kept["watch"]
        written = [path for path in folder.rglob("*") if path.is_file() and path not in before]
        files = [path.relative_to(folder).as_posix() for path in written if _theirs(path)]
        own = watch._folder(trainer)
        lines = next(own.glob("log-*.txt")).read_text(encoding="utf-8")
        out = _of_steps(watch, case) | _of_files(watch, own)
    model = trainer.method.model
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    out |= {
        "trainable": text(sorted(trained)),
        "files": text(sorted(STAMP.sub("<time>", name) for name in files)),
        "printed_epoch_lr": np.array(RATE.findall(lines), float),
        "printed_prec1": np.array(FIGURE.findall(lines), float),
        "printed_parameters": np.array(SIZES.search(lines).groups(), np.int64),
    }
    out |= whole.weights("", model.state_dict())
    return out | whole.weights("loaded_", kept["start"])


def _theirs(path: Path) -> bool:
    return not OURS.fullmatch(path.name)


def _of_steps(watch: _Watch, case: Case) -> dict:
    epochs, size = len(watch.epochs), case.params["config"]["batch_size"]
    out = {"validate": np.array([row["validate"] for row in watch.epochs])}
    for name, rows in (("train", watch.train), ("val", watch.validation)):
        for key in ("item", "image_sum", "image_norm", "target", "tokens"):
            if key in rows[0]:
                out[f"{name}.{key}"] = _padded([row[key] for row in rows], epochs, size)
        for key in ("rng", "image_first"):
            values = np.stack([row[key] for row in rows])
            out[f"{name}.{key}"] = values.reshape(epochs, -1, values.shape[-1])
    out["logits"] = _padded([row["logits"] for row in watch.train], epochs, size)
    for key in ("loss", "lr", "prec1", *(k for k in watch.train[0] if k.startswith("loss_"))):
        out[key] = np.array([row[key] for row in watch.train], float).reshape(epochs, -1)
    if images := case.params.get("images"):
        places = {path: k for k, path in enumerate(images)}
        root = case.params["config"]["data_dir"]
        drawn = [[_place(places, root, p) for p in row["opened"]] for row in watch.train]
        out["train.drawn"] = _padded(drawn, epochs, size)
    return out


def _place(places: dict[str, int], root: str, path: str) -> int:
    return places[path] if path in places else places[f"{root}/{path}"]


def _of_files(watch: _Watch, folder: Path) -> dict:
    best = folder / BEST
    out = {
        name: np.array([row[k] for row in watch.saved], kind)
        for k, (name, kind) in enumerate(
            (("saved_is_best", bool), ("saved_best_prec1", float), ("saved_epoch", np.int64))
        )
    }
    if best.exists():
        out["best_epoch"] = np.int64(checkpoint.load(best)["epoch"])
    if not watch.saved:
        return out
    held = checkpoint.load(watch.saved[-1][-1])
    state = held["optimizer"]["state"]
    return out | {
        "checkpoint_key": whole.keys(held),
        "checkpoint_state_key": text(held["state_dict"]),
        "checkpoint_optimizer_tensors": text(sorted({k for own in state.values() for k in own})),
        "checkpoint_optimizer_entries": np.int64(len(state)),
        "checkpoint_epoch": np.int64(held["epoch"]),
        "checkpoint_arch": np.str_(held["arch"]),
    }
