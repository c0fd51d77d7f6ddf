"""The kind ``s2ver/command``: ``python s2ver/main.py`` on a small folder of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.parity import whole
from benchmarks.parity.cases import Case, adapter
from common.engine import checkpoint
from common.engine.method import StepOutput
from common.engine.trainer import Trainer
from common.metrics.classification import TOP_K, top_k_accuracy
from s2ver.authors_files import BEST
from s2ver.main import EXPERIMENT

LOSSES = {
    "sup_loss": "sup_loss",
    "unsup_loss": "unsup_loss",
    "contrast_loss": "contrast_loss",
    "distribution_loss": "distribution_loss",
    "pseudo_true_ratio": "pseudo_true_ratio",
    "mask_ratio": "mask_rate",
}
DETAILS = ("score", "threshold", "mask", "pseudo_label")
LOG_TRAIN = (
    "sup_loss",
    "unsup_loss",
    "distribution_loss",
    "contrast_loss",
    "loss",
    "mask_rate",
    "pseudo_true_ratio",
)


class _Watch(whole.Watch):
    """Also keeps the logits of a step, which the method's objective is given."""

    def attach(self, trainer: Trainer) -> None:
        super().attach(trainer)
        losses = trainer.method.losses

        def noted(logits: Tensor, features: Tensor, labels: Tensor, true_label: Tensor):
            self.logits, self.labels = logits.detach(), labels
            return losses(logits, features, labels, true_label)

        trainer.method.losses = noted


def _step(watch: _Watch, batches: dict, output: StepOutput, trainer: Trainer) -> dict:
    labelled, unlabelled = batches["labelled"], batches["unlabelled"]
    number, method = len(labelled["label"]), trainer.method
    row = {name: output.logs[own].detach().double() for name, own in LOSSES.items()}
    row |= {name: output.details[name].detach() for name in DETAILS}
    row |= {
        "total_loss": output.loss.detach().double(),
        "ulb_ldl": output.details["ulb_LDL"].detach(),
        "y_lb": labelled["label"],
        "y_ulb": unlabelled["label"],
        "index_lb": labelled["index"],
        "index_ulb": unlabelled["index"],
        "logits": watch.logits,
        "correct_lb": watch.logits[:number].argmax(dim=1) == watch.labels,
        "prototype": method.prototypes.clone(),
        "relation_matrix": method.relation.clone(),
        "lr": watch.rates,
    }
    row |= whole.tensor_summary("lb_weak", labelled["weak"])
    for name in ("weak", "strong0", "strong1"):
        row |= whole.tensor_summary(f"ulb_{name}", unlabelled[name])
    return row


@adapter("s2ver/command")
def command(case: Case) -> dict:
    """The published command line, from its arguments to its files."""
    watch = _Watch(lambda *given: _step(watch, *given))
    kept: dict[str, Trainer] = {}

    def ready(trainer: Trainer) -> None:
        whole.at_the_point(case, trainer.method.model)
        watch.attach(trainer)
        watch.rates = [group["lr"] for group in trainer.optimizer.param_groups]
        step = trainer.optimizer.step

        def noting(*args, **kwargs):
            watch.rates = [group["lr"] for group in trainer.optimizer.param_groups]
            return step(*args, **kwargs)

        trainer.optimizer.step = noting
        kept["trainer"] = trainer

    with whole.unpacked(case) as folder:
        argv = [*case.params["argv"], "--draws", "authors", "--device", "cpu"]
        whole.run(EXPERIMENT.main, argv, on_ready=ready)
        trainer = kept["trainer"]
        args = EXPERIMENT.parser().parse_args(argv)
        run = folder / args.save_dir / args.save_name
        best = checkpoint.load(run / BEST)
        written = whole.files_written(folder, case)
        statistics = Path("data_statistics", f"{args.dataset}_{args.num_labels}.json").read_text()
        index = np.load(next(run.glob("sampled_label_idx_*.npy")))
        streams = {name: stream.dataset.paths for name, stream in trainer.streams.items()}
    live = trainer.method.model.state_dict()
    with trainer.averaged():
        averaged = {n: v.clone() for n, v in trainer.method.model.state_dict().items()}
    tests = watch.evaluation["test"]
    reports = [row["report"] for row in tests]
    test_data = watch.evaluators["test"].loader.dataset
    labels = tests[0]["label"]
    # A report leaves top-5 out where it says nothing, the authors' log does not.
    five = min(TOP_K, tests[0]["logits"].shape[1])
    top5 = [top_k_accuracy(row["logits"], labels, five) for row in tests]
    tops = np.array([[r["loss"], r["top1"], t] for r, t in zip(reports, top5, strict=True)])
    saved = np.array([row["saved"] for row in watch.epochs])
    latest = np.maximum.accumulate(np.where(saved, np.arange(len(saved)), 0))
    train = [[row["lr"], *(row["train"][name] for name in LOG_TRAIN)] for row in trainer.history]
    groups = best["optimizer"]["param_groups"]
    out = watch.by_epoch() | {
        "train_path": _relative(streams["unlabelled"], folder),
        "train_label": np.array(trainer.streams["unlabelled"].dataset.labels),
        "labelled_path": _relative(streams["labelled"], folder),
        "test_path": _relative(test_data.paths, folder),
        "labelled_index": index,
        "statistics_text": np.str_(statistics),
        "index_eval": torch.stack([row["index"] for row in tests]),
        "eval_logits": torch.stack([row["logits"] for row in tests]),
        "eval_label": labels,
        "eval_loss": tops[:, 0],
        "eval_top1": tops[:, 1],
        "eval_top5": tops[:, 2],
        "random_after_epoch": np.stack([row["random_after_epoch"] for row in watch.epochs]),
        "saved_epoch": np.flatnonzero(saved),
        "log_train": np.array(train),
        "log_test": np.column_stack([tops, tops[latest, 1]]),
        "checkpoint_key": whole.keys(best, in_order=False),
        "checkpoint_state_key": np.array(list(best["model"]), dtype=np.str_),
        "checkpoint_it": np.int64(best["it"]),
        "checkpoint_last_epoch": np.int64(best["scheduler"]["last_epoch"]),
        "checkpoint_group_size": np.array([len(group["params"]) for group in groups]),
        "checkpoint_optimizer_key": np.array(
            sorted({key for state in best["optimizer"]["state"].values() for key in state})
        ),
        "files_written": written,
    }
    out |= whole.tensor_summary("eval_image", tests[0]["images"])
    out |= whole.weights("", live) | whole.weights("ema_", averaged)
    out |= whole.weights("saved_", best["model"]) | whole.weights("saved_ema_", best["ema_model"])
    return out


def _relative(paths: list[str], folder: Path) -> np.ndarray:
    return np.array(
        [Path(path).resolve().relative_to(folder.resolve()).as_posix() for path in paths]
    )
