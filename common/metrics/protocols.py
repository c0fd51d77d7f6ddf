"""The four ways to turn a run's per-epoch results into one number."""

from __future__ import annotations

import math
import statistics

MEANING = {
    "best_on_test": "best epoch chosen on the test set itself",
    "last": "last epoch",
    "median_last_20": "median over the last 20 epochs",
    "val_selected": "epoch chosen on held-out validation images",
}


def four_protocols(history: list[dict], metric: str = "top1", mode: str = "max") -> dict:
    """Summarise a run under every protocol.

    Args:
        history: a row per epoch in order, ``{"epoch": int, "test": {metric: float, …}}`` and,
            where validation images were held out, ``"val": {…}``.
        metric: name of the metric that chooses and is reported.
        mode: ``max`` when larger is better, else ``min``.

    Returns:
        Protocol name -> ``{"value", "epoch", "epochs", "meaning"}``; ``val_selected`` has value
        None without validation images. Ties go to the earliest epoch. Epochs count from 1.

    Raises:
        ValueError: `history` is empty.
    """
    if not history:
        raise ValueError("no epoch has been evaluated yet")
    sign = 1 if mode == "max" else -1
    test = [row["test"][metric] for row in history]
    epochs = [row["epoch"] for row in history]

    def pick(values: list[float]) -> int:
        ranked = [-math.inf if math.isnan(value) else sign * value for value in values]
        return max(range(len(values)), key=lambda i: (ranked[i], -i))

    best, tail = pick(test), test[-20:]
    rows = {
        "best_on_test": {"value": test[best], "epoch": epochs[best]},
        "last": {"value": test[-1], "epoch": epochs[-1]},
        "median_last_20": {"value": statistics.median(tail), "epochs": len(tail)},
        "val_selected": {"value": None, "epoch": None},
    }
    if all("val" in row for row in history):
        chosen = pick([row["val"][metric] for row in history])
        rows["val_selected"] = {"value": test[chosen], "epoch": epochs[chosen]}
    return {name: {**row, "meaning": MEANING[name]} for name, row in rows.items()}
