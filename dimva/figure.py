"""Predicted against true valence and arousal, with the emotion words where the lexicon has them."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from common.metrics.regression import regression_report

LIMITS = (1, 9)
LINKED = 150  # more lines than this are a smear


def scatter(path: Path, columns: dict[str, np.ndarray], words: dict[str, np.ndarray]) -> None:
    """Write the figure.

    Left: the plane of valence and arousal, a line from truth to prediction, words at their points.
    Right: prediction against truth in each dimension.

    Args:
        path: PNG or PDF to write.
        columns: ``valence``, ``true_valence``, ``arousal``, ``true_arousal``, float [n].
        words: word -> (valence, arousal), 1..9.
    """
    figure, axes = plt.subplots(1, 3, figsize=(15, 5), layout="constrained")
    truth = np.stack([columns["true_valence"], columns["true_arousal"]], axis=1)
    guess = np.stack([columns["valence"], columns["arousal"]], axis=1)
    plane = axes[0]
    for a, b in zip(truth[:LINKED], guess[:LINKED], strict=True):
        plane.plot(*zip(a, b, strict=True), color="0.8", linewidth=0.6, zorder=1)
    plane.scatter(*truth.T, s=10, facecolors="none", edgecolors="tab:blue", label="true", zorder=2)
    plane.scatter(*guess.T, s=10, color="tab:orange", label="predicted", zorder=3)
    for word, (valence, arousal) in words.items():
        plane.plot(valence, arousal, "k+", zorder=4)
        plane.annotate(
            word,
            (valence, arousal),
            fontsize=8,
            xytext=(3, 3),
            zorder=4,
            textcoords="offset points",
        )
    plane.set(xlabel="valence", ylabel="arousal", xlim=LIMITS, ylim=LIMITS)
    plane.legend(loc="lower left", fontsize=8)
    for d, (name, axis) in enumerate(zip(("valence", "arousal"), axes[1:], strict=True)):
        axis.plot(LIMITS, LIMITS, color="0.7", linewidth=1)
        axis.scatter(truth[:, d], guess[:, d], s=10, color="tab:orange")
        values = regression_report(guess[:, d], truth[:, d])
        axis.set(
            title=f"r {values['r']:.3f}, CCC {values['ccc']:.3f}, RMSE {values['rmse']:.2f}",
            xlabel=f"true {name}",
            ylabel=f"predicted {name}",
            xlim=LIMITS,
        )
    figure.savefig(path, dpi=120)
    plt.close(figure)
