"""What a person sees while a training runs."""

from __future__ import annotations

import sys

from tqdm import tqdm

_BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} steps [{elapsed}, {remaining} left{postfix}]"


def training_bar(total: int, done: int, shown: bool = True) -> tqdm:
    """A bar over all steps with the time left; without a terminal, a line a minute."""
    return tqdm(
        total=total,
        initial=done,
        disable=not shown,
        bar_format=_BAR,
        dynamic_ncols=True,
        mininterval=0.5 if sys.stderr.isatty() else 60,
        maxinterval=10 if sys.stderr.isatty() else 120,
    )


def epoch_line(row: dict, metric: str) -> str:
    """The row of an epoch in one line: training means, then `metric` of every evaluation."""
    parts = [f"{name} {value:.4f}" for name, value in row.get("train", {}).items()]
    for split, values in row.items():
        if split != "train" and isinstance(values, dict) and metric in values:
            parts.append(f"{split} {metric} {values[metric]:.4f}")
    return ", ".join(parts)
