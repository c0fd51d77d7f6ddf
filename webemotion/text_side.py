"""The frozen text model beside the image network: which class each script uses, and what of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from common.cli import UserError
from webemotion.catalogue import SIDES, Side
from webemotion.text import checkpoint, models


@dataclass(frozen=True)
class TextOutputs:
    """What a script uses of a sentence.

    Attributes:
        embedding: [n, E].
        logits: [n, text classes].
        words: word features [n, L, E].
    """

    embedding: Tensor | None = None
    logits: Tensor | None = None
    words: Tensor | None = None


class TextSide(nn.Module):
    """A frozen text model, always in eval mode.

    Args:
        model: token ids int64 [n, L] -> what `side` names.
        side: how its outputs are called.
        padding: id of the token that fills a sentence up.
        classes: of its logits; 0 where it gives none.
    """

    def __init__(self, model: nn.Module, side: Side, padding: int, classes: int = 0):
        super().__init__()
        self.model, self.side, self.padding, self.classes = model, side, padding, classes
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> TextSide:
        """Stays in eval mode, whatever the method around it does."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, tokens: Tensor) -> TextOutputs:
        """Sentences int64 [n, L] -> their outputs."""
        outputs = self.model(tokens)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        named = dict(zip(self.side.names, outputs, strict=True))
        named.pop("-", None)
        return TextOutputs(**named)


def load_side(name: str, config) -> tuple[TextSide, checkpoint.TextCheckpoint]:
    """The text side of a configuration, with the dictionaries of its checkpoint.

    Args:
        name: key of :data:`webemotion.catalogue.SIDES`.
        config: keys ``text_ckpt``, ``sent_len``, ``word_dim`` and ``filter_dim`` are read.

    Raises:
        UserError: no readable checkpoint, or one of another text model.
    """
    side, source = SIDES[name], Path(config.text_ckpt)
    held = checkpoint.load(source)
    sizes = (held.vocab_size, config.sent_len, config.word_dim, config.filter_dim)
    with torch.random.fork_rng(devices=()):  # what follows draws as if there were no text side
        model = models.build(side.family, side.model, *sizes, held.classes or 1)
    lacking = checkpoint.load_into(model, held, source)
    if lacking:
        raise UserError(
            f"{source} lacks {', '.join(lacking[:4])}, which {side.model} of the family "
            f"{side.family} has; train one with `python -m webemotion.text.train --family "
            f"{side.family} --model {side.model}`."
        )
    return TextSide(model, side, held.vocab_size + 1, held.classes), held
