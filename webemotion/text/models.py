"""Sentence models: tags in, an embedding and emotion logits out (paper, section 4.2).

All are a deep averaging network: a word's vector, one linear map for every word (a convolution
over the concatenated vectors whose kernel and stride are one word), ReLU, the mean over all
positions, batch norm, linear layers. The published classes differ in which layers exist and what is
returned; :data:`FORMS` says so, and one module builds them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from common.cli import UserError
from webemotion.catalogue import row_of

DROPOUT = 0.5


@dataclass(frozen=True)
class Form:
    """One published class.

    Attributes:
        layers: names of the linear layers after the batch norm, in order; ``fc2`` and ``fc`` end in
            the classes, the others keep the width.
        returns: what forward gives, in order: ``logits``, ``hidden`` (before the last layer),
            ``bn``, ``avg``, ``feature`` [B, L, F], ``feature_first`` [B, F, L], ``raw`` [B, L, W].
        conv: whether the linear map of words exists.
        used: whether it is used; if not, a word's feature is its vector.
        word_wide: the layers after the mean are as wide as a word's vector, whatever `filter_num`.
        square: the linear layers are W wide and the features F, so F must be W.
        broken: why the published class cannot run; empty where it can.
    """

    layers: tuple[str, ...]
    returns: tuple[str, ...]
    conv: bool = True
    used: bool = True
    word_wide: bool = False
    square: bool = False
    broken: str = ""


FORMS: dict[str, dict[str, Form]] = {
    family: {name: row_of(Form, values) for name, values in rows.items()}
    for family, rows in yaml.safe_load(
        Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    ).items()
}
"""Family -> class -> form. The families are the authors' three modules."""

_LAST = ("fc2", "fc")


class SentenceModel(nn.Module):
    """One of :data:`FORMS`.

    Token ids run from 0 to V + 1: words, V for an unknown word, V + 1 for padding. Padding takes
    part in the mean with the feature ReLU(bias).

    Args:
        form: what to build.
        vocab_size: V.
        max_len: L, words a sentence.
        word_dim: W.
        filter_num: F, features of a word.
        num_classes: C.
        static: the word vectors are not trained.
    """

    def __init__(
        self,
        form: Form,
        vocab_size: int,
        max_len: int,
        word_dim: int,
        filter_num: int,
        num_classes: int,
        static: bool = False,
    ):
        super().__init__()
        if form.square and filter_num != word_dim:
            raise UserError(
                f"this sentence model needs filter_num = word_dim; found {filter_num} and "
                f"{word_dim}."
            )
        self.form, self.vocab_size, self.max_len = form, vocab_size, max_len
        width = word_dim if form.word_wide else filter_num
        self.embedding = nn.Embedding(vocab_size + 2, word_dim, padding_idx=vocab_size + 1)
        self.embedding.weight.requires_grad = not static
        if form.conv:
            self.conv = nn.Conv1d(1, filter_num, word_dim, stride=word_dim)
        self.bn = nn.BatchNorm1d(width)
        for name in form.layers:
            self.add_module(name, nn.Linear(width, num_classes if name in _LAST else width))

    def parts(self, tokens: Tensor) -> dict[str, Tensor]:
        """Everything that a form may return, by the names of :attr:`Form.returns`.

        Args:
            tokens: int64 [B, L].
        """
        raw = self.embedding(tokens)
        out = {"raw": raw, "feature": raw}
        if self.form.used:
            out["feature_first"] = torch.relu(self.conv(raw.flatten(1)[:, None]))
            out["feature"] = out["feature_first"].transpose(1, 2)
        out["avg"] = out["feature"].mean(dim=1)
        x = out["bn"] = self.bn(out["avg"])
        for name in self.form.layers:
            x = getattr(self, name)(F.dropout(x, DROPOUT, self.training))
            out["logits" if name in _LAST else "hidden"] = x
        return out

    def forward(self, tokens: Tensor) -> Tensor | tuple[Tensor, ...]:
        """What the published class returns for int64 [B, L]; a tuple where it is several."""
        parts = self.parts(tokens)
        values = tuple(parts[name] for name in self.form.returns)
        return values[0] if len(values) == 1 else values


class TextTransformation(nn.Module):
    """The joint model's text head: ``FC_embed(x)``, and ``FC_cls`` of its ReLU.

    Args:
        word_dim: width of the sentence embedding.
        filter_num: width of the joint space.
        num_classes: C.
    """

    def __init__(self, word_dim: int, filter_num: int, num_classes: int):
        super().__init__()
        self.FC_embed = nn.Linear(word_dim, filter_num)
        self.FC_cls = nn.Linear(filter_num, num_classes)

    def forward(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """[B, word_dim] -> (logits [B, C], projection [B, filter_num], without ReLU)."""
        projection = self.FC_embed(embedding)
        return self.FC_cls(torch.relu(projection)), projection


def build(
    family: str,
    name: str,
    vocab_size: int,
    max_len: int,
    word_dim: int,
    filter_num: int,
    num_classes: int,
    static: bool = False,
) -> nn.Module:
    """A sentence model by the authors' module and class name.

    Args:
        family: ``dan``, ``dan2`` or ``v2``.
        name: the class, e.g. ``CNN_Embed_v2``; ``Text_Transformation`` of ``dan2`` too.

    Raises:
        UserError: no such class, one that cannot run, or F and W differ where they must not.
    """
    if (family, name) == ("dan2", "Text_Transformation"):
        return TextTransformation(word_dim, filter_num, num_classes)
    form = FORMS.get(family, {}).get(name)
    if form is None:
        names = "; ".join(f"{key}: {', '.join(forms)}" for key, forms in FORMS.items())
        raise UserError(
            f"there is no sentence model {name} in the family {family}. Known: {names}."
        )
    if form.broken:
        raise UserError(
            f"the sentence model {name} of the family {family} cannot run: {form.broken}. "
            f"Use {name} of dan2."
        )
    return SentenceModel(form, vocab_size, max_len, word_dim, filter_num, num_classes, static)
