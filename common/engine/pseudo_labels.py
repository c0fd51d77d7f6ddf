"""How good the pseudo-labels of a training are, per class and epoch."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import torch

from common.engine.method import StepOutput
from common.engine.trainer import Callback, Trainer

TABLE, FIGURE = "pseudo_labels.csv", "pseudo_labels.png"
COLUMNS = ("epoch", "class", "images", "mask_rate", "precision", "threshold", "confidence")
PANELS = {
    "mask_rate": "share of the predictions that is kept",
    "precision": "share of the kept that is right",
    "threshold": "mean threshold",
    "confidence": "mean confidence",
}
_SUMS = ("images", "kept", "known", "right", "score", "threshold", "with_threshold")


class PseudoLabelDiagnostics(Callback):
    """Writes ``pseudo_labels.csv`` after every epoch and ``pseudo_labels.png`` after the last.

    A row stands for the unlabelled images that were predicted as one class in one epoch (an image
    counts as often as it was drawn):

    - ``images``: how many;
    - ``mask_rate``: share whose pseudo-label is kept;
    - ``precision``: share of the kept ones whose true label is the pseudo-label, over those whose
      true label is known;
    - ``threshold``, ``confidence``: means over all of them.

    A cell without anything to average is empty. The numbers come from
    ``StepOutput.details``: ``pseudo_label`` (int64 [U]), ``mask`` (bool [U]), ``score`` [U] and,
    where the method has them, ``threshold`` [U] and ``true_label`` (int64 [U], negative where
    unknown). Methods that give no ``pseudo_label`` leave no file. Only tensors on the
    training's device are added up; nothing waits for the GPU before the epoch ends.

    Args:
        classes: class names in label order.
    """

    def __init__(self, classes: tuple[str, ...]):
        self.classes = tuple(classes)
        self._sums: torch.Tensor | None = None  # float64 [C, 7]
        self._rows: list[dict] = []

    @torch.no_grad()
    def on_step_end(self, trainer: Trainer, output: StepOutput) -> None:
        """Add a step's pseudo-labels to the epoch's sums."""
        if "pseudo_label" not in output.details:
            return
        step = step_sums(output.details, len(self.classes))
        self._sums = step if self._sums is None else self._sums + step

    def on_epoch_end(self, trainer: Trainer, row: dict) -> None:
        """Turn the sums into rows and write the table."""
        if self._sums is None:
            return
        self._rows += rows_of(self._sums.cpu(), self.classes, row["epoch"])
        self._sums = None
        if trainer.run:
            path = trainer.run.path / TABLE
            temporary = path.with_name(f".{TABLE}")
            self.table().to_csv(temporary, index=False)
            os.replace(temporary, path)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Draw the figure."""
        if self._rows and trainer.run:
            draw(self.table(), trainer.run.path / FIGURE)

    def table(self) -> pd.DataFrame:
        """All finished epochs, a row per epoch and class."""
        return pd.DataFrame(self._rows, columns=list(COLUMNS))

    def state_dict(self) -> dict:
        """Rows so far and the sums of the epoch that is under way."""
        sums = None if self._sums is None else self._sums.cpu()
        return {"rows": list(self._rows), "sums": sums}

    def load_state_dict(self, state: dict, device: torch.device) -> None:
        """Go on from :meth:`state_dict`."""
        self._rows = list(state["rows"])
        self._sums = None if state["sums"] is None else state["sums"].to(device)


def step_sums(details: dict[str, torch.Tensor], classes: int) -> torch.Tensor:
    """Sums over one step's images by predicted class.

    Returns:
        float64 [C, 7]: images, kept, kept with a known label, right among these, score,
        threshold, images with a threshold.
    """
    label = details["pseudo_label"]
    ones = torch.ones_like(label, dtype=torch.float64)
    kept = details["mask"].double()
    true_label = details.get("true_label", torch.full_like(label, -1))
    known = kept * (true_label >= 0)
    threshold = details.get("threshold")
    has_threshold = 0 * ones if threshold is None else ones
    threshold = 0 * ones if threshold is None else threshold.double()
    values = (ones, kept, known, known * (true_label == label), details["score"].double())
    values = torch.stack([*values, threshold, has_threshold], dim=1)
    member = label[:, None] == torch.arange(classes, device=label.device)
    return member.double().T @ values


def rows_of(sums: torch.Tensor, classes: tuple[str, ...], epoch: int) -> list[dict]:
    """Rows of the table from an epoch's sums (float64 [C, 7]); None where nothing was counted."""
    rows = []
    for name, values in zip(classes, sums.tolist(), strict=True):
        s = dict(zip(_SUMS, values, strict=True))
        ratio = (
            ("mask_rate", "kept", "images"),
            ("precision", "right", "known"),
            ("threshold", "threshold", "with_threshold"),
            ("confidence", "score", "images"),
        )
        means = {column: s[top] / s[of] if s[of] else None for column, top, of in ratio}
        rows.append({"epoch": epoch, "class": name, "images": int(s["images"]), **means})
    return rows


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw the table's four rates over the epochs, a line per class."""
    import matplotlib  # slow to import, needless for training
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6.5), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True).flat
    colours = matplotlib.colormaps["tab10" if table["class"].nunique() <= 10 else "tab20"]
    for axis, (column, title) in zip(axes, PANELS.items(), strict=True):
        for k, (name, rows) in enumerate(table.groupby("class", sort=False)):
            values = rows[column].astype(float)
            marker = "o" if len(rows) < 20 else None
            axis.plot(
                rows["epoch"],
                values,
                color=colours(k % colours.N),
                marker=marker,
                markersize=3,
                label=name,
            )
        axis.set(title=title, ylim=(-0.02, 1.02))
        axis.grid(alpha=0.3)
    for axis in figure.axes[2:]:
        axis.set_xlabel("epoch")
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right center", title="predicted class")
    figure.suptitle("Pseudo-labels of the unlabelled images")
    figure.savefig(path, dpi=110)
