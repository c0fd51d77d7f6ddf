"""The ssfer kind that runs the Trainer, in three stages."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmarks.parity.cases import Case
from benchmarks.parity.fill import fill_state_dict, scale_state_dict
from benchmarks.parity.measure import by_epoch, seeded_images, weight_summary
from benchmarks.parity.registry import adapter
from common.data.streams import GivenStream
from common.engine.method import StepOutput
from common.engine.trainer import Callback, Recipe, Trainer
from ssfer.pretrain.mae import build_mae
from ssfer.pretrain.method import MaskedPretraining, build_optimizer

CPU = torch.device("cpu")
PRED_STRIDE = (13, 37)


@adapter("ssfer/trajectory")
def trajectory(case: Case) -> dict:
    """A short training of the stage that the case names."""
    if case.params["stage"] == "pretrain":
        return pretrain(case)
    from benchmarks.parity.ssfer import fine_tuning

    stages = {
        "finetune": fine_tuning.finetune_trajectory,
        "semi": fine_tuning.semi_trajectory,
    }
    return stages[case.params["stage"]](case)


class _Recorder(Callback):
    """Collects what a pre-training case lists, step by step and epoch by epoch."""

    def __init__(self, params: dict):
        self.params = params
        self.images = seeded_images(params["batch"], params["size"], params["eval_seed"])
        self.steps: list[dict] = []
        self.epochs: list[dict] = []
        self.updates: list[int] = []

    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        self.steps.append(
            {
                "loss": output.loss.detach(),
                "mask": output.details["mask"].bool(),
                "lr": torch.tensor(trainer.rate_used, dtype=torch.float64),
            }
        )
        if all(p.grad is None for p in trainer.method.parameters()):
            self.updates.append(len(self.steps))

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        loss, prediction = self._evaluate(trainer.method)
        rows, columns = PRED_STRIDE
        self.epochs.append(
            {
                "epoch_mean_loss": torch.tensor(row["train"]["loss"]),
                "lr_after_epoch": torch.tensor(trainer.optimizer.param_groups[0]["lr"]),
                "eval_loss": loss,
                "eval_pred": prediction[:, ::rows, ::columns],
            }
        )

    @torch.no_grad()
    def _evaluate(self, method: MaskedPretraining) -> tuple[Tensor, Tensor]:
        method.eval()
        torch.manual_seed(self.params["eval_noise_seed"])
        loss, prediction, _ = method.model(self.images, method.mask_ratio)
        method.train()
        return loss, prediction


class _SeededNoise(MaskedPretraining):
    """Seeds the generator before every forward, as the case was measured."""

    def __init__(self, model, mask_ratio: float, noise_seed: int):
        super().__init__(model, mask_ratio)
        self.noise_seed = noise_seed

    def training_step(self, batches, progress) -> StepOutput:
        torch.manual_seed(self.noise_seed + progress.global_step)
        return super().training_step(batches, progress)


def pretrain(case: Case) -> dict:
    """Stage ``pretrain`` of a trajectory."""
    p = case.params
    model = build_mae(p["model"].removeprefix("mae_"), **p.get("kwargs", {}))
    fill_state_dict(model, p["fill_seed"])
    scale_state_dict(model, p.get("scale", {}))
    method = _SeededNoise(model, p["mask_ratio"], p["noise_seed"])
    optimizer, scheduler = build_optimizer(
        model, p["lr"], p["weight_decay"], p["warmup_epochs"], p["epochs"]
    )
    recorder = _Recorder(p)
    Trainer(
        method,
        optimizer,
        scheduler,
        {"faces": _stream(p)},
        Recipe(
            p["epochs"],
            p["steps"],
            schedule_per="epoch",
            accumulate=p["accum_iter"],
            mean_gradients=False,
        ),
        CPU,
        callbacks=(recorder,),
    ).fit()
    out = by_epoch(recorder.steps, recorder.epochs) | weight_summary(model, "weight")
    return out | {"update_after_step": np.array(recorder.updates, dtype=np.int64)}


def _stream(params: dict) -> GivenStream:
    """Images of a seed of their own per step, counted through all epochs."""
    steps, batch, size = params["steps"], params["batch"], params["size"]
    given = [
        {"image": seeded_images(batch, size, params["input_seed"] + j)}
        for j in range(params["epochs"] * steps)
    ]
    return GivenStream([given[j : j + steps] for j in range(0, len(given), steps)])
