"""Checkpoints of text models: weights and the two dictionaries without which they mean nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from common.cli import UserError
from common.engine import checkpoint
from common.engine.trainer import Callback, Trainer

LAST_LAYERS = ("fc2", "fc")
DICTIONARIES = ("tag2idx", "idx2tag")


@dataclass(frozen=True)
class TextCheckpoint:
    """What a text model's file holds.

    Attributes:
        state_dict: weights by name, without ``module.``.
        tag2idx: word -> token id.
        idx2tag: token id -> word.
        arch: ``family/class`` where the file says it, else "".
    """

    state_dict: dict[str, Tensor]
    tag2idx: dict[str, int]
    idx2tag: dict[int, str]
    arch: str = ""

    @property
    def vocab_size(self) -> int:
        """V: rows of the word table less the unknown word and the padding."""
        table = self.state_dict.get("embedding.weight")
        return len(self.tag2idx) if table is None else len(table) - 2

    @property
    def classes(self) -> int:
        """C: outputs of its last layer; 0 where it has none with classes."""
        state = self.state_dict
        return next((len(state[f"{n}.weight"]) for n in LAST_LAYERS if f"{n}.weight" in state), 0)


def save(path: Path, model: nn.Module, tag2idx: Mapping[str, int], **more) -> None:
    """Write a text model with its dictionaries in one step; `more` are further plain values."""
    tag2idx = {str(tag): int(number) for tag, number in tag2idx.items()}
    idx2tag = {number: tag for tag, number in tag2idx.items()}
    state = {"state_dict": model.state_dict(), "tag2idx": tag2idx, "idx2tag": idx2tag, **more}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(state, path)


def load(path: str | Path) -> TextCheckpoint:
    """Read a text model's file.

    Raises:
        UserError: missing or unsafe file, no weights in it, or no dictionaries: the published
            ``train.py`` of the first text classifier saved the model alone.
    """
    path = Path(path)
    state = checkpoint.load(path)
    lacking = [name for name in DICTIONARIES if not isinstance(state.get(name), dict)]
    if lacking:
        raise UserError(
            f"the text checkpoint {path} has no {' and no '.join(lacking)}, so its word numbers "
            "mean nothing; expected model (or state_dict), tag2idx and idx2tag. Train one with "
            f"`python -m webemotion.text.train --train_file LIST --out {path}`."
        )
    weights = state.get("state_dict", state.get("model"))
    if not isinstance(weights, dict) or not weights:
        raise UserError(f"the text checkpoint {path} has no state_dict and no model.")
    return TextCheckpoint(
        {name.removeprefix("module."): value for name, value in weights.items()},
        {str(tag): int(number) for tag, number in state["tag2idx"].items()},
        {int(number): str(tag) for number, tag in state["idx2tag"].items()},
        str(state.get("arch", "")),
    )


def load_into(model: nn.Module, text: TextCheckpoint, source: str | Path) -> list[str]:
    """Load the weights whose names the model has; a classifier's last layer may be left.

    Raises:
        UserError: a shared name has another shape, the model's word table is not in the file, or
            the file has a further layer, so that it is of another model.

    Returns:
        Names of the model that the file lacks.
    """
    own = model.state_dict()
    shared = {name: value for name, value in text.state_dict.items() if name in own}
    for name, value in shared.items():
        if value.shape != own[name].shape:
            raise UserError(
                f"{source}: {name} is {tuple(value.shape)}, but the configured text model has "
                f"{tuple(own[name].shape)}. Check sent_len, word_dim and filter_dim."
            )
    if "embedding.weight" in own and "embedding.weight" not in shared:
        raise UserError(f"{source} holds no word table (embedding.weight); it is no text model.")
    layers = {*LAST_LAYERS, *(name.split(".")[0] for name in own)}
    surplus = [name for name in text.state_dict if name.split(".")[0] not in layers]
    if surplus:
        raise UserError(
            f"{source} is of another text model: it has {', '.join(surplus[:4])} beside what is "
            "read. Use the model that the script asks for."
        )
    model.load_state_dict(shared, strict=False)
    return [name for name in own if name not in shared]


class KeepBest(Callback):
    """Writes the text checkpoint of the best epoch so far.

    Args:
        path, tag2idx, arch: of the file.
        ties: an epoch that equals the best one is a best one too.
    """

    def __init__(self, path: Path, tag2idx: dict[str, int], arch: str, ties: bool):
        self.path, self.tag2idx, self.arch, self.ties = path, tag2idx, arch, ties

    def on_evaluated(self, trainer: Trainer, results: dict, is_best: bool) -> None:
        """Called every epoch."""
        metric = trainer.recipe.metric
        best = max((row["test"][metric] for row in trainer.history), default=0)
        if results["test"][metric] > best or (self.ties and is_best):
            more = {"arch": self.arch, "epoch": trainer.progress.epoch + 1}
            save(self.path, trainer.method.model, self.tag2idx, **more)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Say where it is."""
        print(f"text checkpoint: {self.path}")
