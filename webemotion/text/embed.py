"""``python -m webemotion.text.embed``: words through a text model, for zero-shot evaluation.

Every word becomes a sentence of its own; the file is a dictionary word -> float32 [F], in
alphabetical order, so that label numbers and class numbers agree where all class names are in it.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from common.cli import UserError, command, log_to
from common.data import pickles
from common.datasets.readers.lists import read_lines
from webemotion.class_names import stockemotion690
from webemotion.text import checkpoint, models
from webemotion.text.dictionary import read_dictionary

log = logging.getLogger(__name__)

PUBLISHED_WORDS = "690"  # the emotion tags, in class order: alphabetical
OUTPUTS = ("hidden", "bn", "avg")


@torch.no_grad()
def embed_words(
    text: checkpoint.TextCheckpoint, words: Sequence[str], output: str | None = None
) -> dict[str, np.ndarray]:
    """Word -> its embedding as a sentence of one word, float32 [F].

    Args:
        text: a text model's checkpoint.
        words: words of its dictionary.
        output: ``hidden`` (after fc1, what the two-branch network of mains/ is near to), ``bn``
            (the batch-normed average, that of mains_v2/) or ``avg``; None: ``hidden`` where the
            model has an fc1, else ``bn``.

    Raises:
        UserError: a word is not in the dictionary, or the model has no such output.
    """
    lacking = [word for word in words if word not in text.tag2idx]
    if lacking:
        shown = ", ".join(lacking[:5])
        raise UserError(f"{len(lacking)} words are not in the text model's dictionary: {shown}.")
    model = _model(text)
    tokens = torch.tensor([[text.tag2idx[word]] for word in words])
    parts = model.eval().parts(tokens)
    output = output or ("hidden" if "hidden" in parts else "bn")
    if output not in parts:
        raise UserError(f"the text model has no '{output}'; it gives {', '.join(sorted(parts))}.")
    return dict(zip(words, parts[output].numpy(), strict=True))


def _model(text: checkpoint.TextCheckpoint) -> models.SentenceModel:
    """A model of one word a sentence with the layers that the checkpoint has."""
    layers = tuple(
        name for name in ("fc1", "fc_m", "fc2", "fc") if f"{name}.weight" in text.state_dict
    )
    conv = "conv.weight" in text.state_dict
    form = models.Form(layers, ("bn",), conv=conv, used=conv and not text.arch.endswith("_LT"))
    width = len(text.state_dict["bn.weight"])
    word_dim = text.state_dict["embedding.weight"].shape[1]
    model = models.SentenceModel(form, text.vocab_size, 1, word_dim, width, text.classes or 1)
    checkpoint.load_into(model, text, "the text checkpoint")
    return model


def _words(args, text: checkpoint.TextCheckpoint) -> list[str]:
    if args.words is None:
        return sorted(text.tag2idx)
    if str(args.words) == PUBLISHED_WORDS:
        known = [word for word in stockemotion690() if word in text.tag2idx]
        log.info("%d of the 690 emotion tags are in the text model's dictionary", len(known))
        return known
    if args.words.suffix == ".txt":
        return sorted({line for _, line in read_lines(args.words, "the list of words")})
    return sorted(read_dictionary(args.words, [], args.words))


@command
def main(argv: list[str]) -> int:
    """Write word embeddings; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m webemotion.text.embed", description=__doc__)
    add = parser.add_argument
    add("--text_ckpt", type=Path, required=True, help="checkpoint of a text model")
    add("--out", type=Path, required=True, help="pickle to write, e.g. Embeddings/Key690_BN.pkl")
    add("--words", type=Path, help="690, a word a line (.txt), or a dictionary; default: all")
    add("--output", choices=OUTPUTS, help="which embedding; default: fc1's, else the batch norm's")
    args = parser.parse_args(argv)
    log_to()
    if args.out.exists():
        raise UserError(f"{args.out} exists and is left as it is; give another --out.")
    text = checkpoint.load(args.text_ckpt)
    vectors = embed_words(text, _words(args, text), args.output)
    pickles.save(vectors, args.out)
    print(f"{len(vectors)} word embeddings written to {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
