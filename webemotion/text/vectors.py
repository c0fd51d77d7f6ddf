"""Word vectors: read from a file, or trained on tag sentences by gensim.

``python -m webemotion.text.vectors --train_file LIST --tag2idx DICT --out vectors.pkl``
"""

from __future__ import annotations

import argparse
import importlib
import logging
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from common.cli import UserError, command, log_to
from common.data import pickles
from common.flags import at_least_0, count
from webemotion import lists, plain_files
from webemotion.text.dictionary import read_dictionary

log = logging.getLogger(__name__)

EPOCHS, LEAST = 10, 100
GENSIM = (".bin", ".txt", ".vec", ".gz")
SPREAD, V2_SPREAD = 0.25, 0.01  # of words without a vector: the older modules, and v2


def read_vectors(path: str | Path) -> dict[str, np.ndarray]:
    """Word -> float32 vector, from a pickle of such a dictionary or a word2vec file.

    word2vec's binary (``.bin``) and text forms need gensim.

    Raises:
        UserError: unreadable file, vectors of different lengths, or gensim is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there are no word vectors at {path}.")
    if any(suffix in GENSIM for suffix in path.suffixes):
        return _read_word2vec(path)
    held = plain_files.read_dictionary(path, "word vectors")
    vectors = {str(word): np.asarray(v, dtype=np.float32).ravel() for word, v in held.items()}
    lengths = {len(vector) for vector in vectors.values()}
    if len(lengths) > 1:
        raise UserError(f"{path}: vectors have the lengths {sorted(lengths)}; expected one.")
    return vectors


def _read_word2vec(path: Path) -> dict[str, np.ndarray]:
    models = _gensim("gensim.models", f"reading {path}")
    try:
        keyed = models.KeyedVectors.load_word2vec_format(str(path), binary=".bin" in path.suffixes)
    except (OSError, ValueError, EOFError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no word2vec file ({error}).") from None
    return {word: np.asarray(keyed[word], dtype=np.float32) for word in keyed.index_to_key}


def _gensim(module: str, purpose: str):
    try:
        return importlib.import_module(module)
    except ImportError:
        raise UserError(
            f"{purpose} needs gensim, which is not installed: pip install 'gensim>=4.3', or give "
            "a pickle of a dictionary word -> vector."
        ) from None


def train_vectors(
    sentences: Sequence[Sequence[str]],
    dim: int = 300,
    epochs: int = EPOCHS,
    seed: int = 0,
    least: int = LEAST,
) -> dict[str, np.ndarray]:
    """word2vec (skip-gram, 15 negative words) vectors, float32 [dim], by gensim 4.

    Args:
        sentences: words per sentence, which are shuffled; the whole sentence is a word's context.
        seed: with one worker, the same seed gives the same vectors.
        least: how often a word must occur.

    Raises:
        UserError: gensim is not installed, or no word occurs so often.
    """
    models = _gensim("gensim.models", "training word vectors")
    counts = Counter(word for sentence in sentences for word in sentence)
    if max(counts.values(), default=0) < least:
        raise UserError(f"no word occurs {least} times; give a lower --min_count.")
    sentences = [list(sentence) for sentence in sentences]
    random.Random(seed).shuffle(sentences)
    model = models.Word2Vec(
        sentences,
        vector_size=dim,
        window=max(map(len, sentences)),
        min_count=least,
        negative=15,
        sg=1,
        workers=1,
        epochs=epochs,
        seed=seed,
    )
    return {word: np.asarray(model.wv[word]) for word in model.wv.index_to_key}


def word_table(
    tag2idx: Mapping[str, int],
    vectors: Mapping[str, np.ndarray],
    dim: int,
    seed: int = 0,
    spread: float = SPREAD,
) -> np.ndarray:
    """Rows of a text model's word table: float32 [vocabulary + 2, dim].

    A word without a vector, and the unknown word, are drawn from U(−spread, spread); the last row,
    the padding, is 0.

    Raises:
        UserError: the vectors have another length than `dim`.
    """
    table = np.random.default_rng(seed).uniform(-spread, spread, (len(tag2idx) + 2, dim))
    filled = 0
    for word, number in tag2idx.items():
        vector = vectors.get(word)
        if vector is None:
            continue
        if len(vector) != dim:
            raise UserError(f"the word vectors have {len(vector)} numbers, but word_dim is {dim}.")
        table[number], filled = vector, filled + 1
    table[-1] = 0
    log.info("%d of %d words have a vector; the others are drawn", filled, len(tag2idx))
    return table.astype(np.float32)


@command
def main(argv: list[str]) -> int:
    """Train word vectors; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m webemotion.text.vectors", description=__doc__)
    parser.add_argument("--train_file", type=Path, required=True, help="list with tags")
    parser.add_argument("--tag2idx", type=Path, help="dictionary word -> number of the tags")
    parser.add_argument("--out", type=Path, required=True, help="pickle to write")
    parser.add_argument("--word_dim", type=count, default=300, help="length of a vector")
    parser.add_argument("--epochs", type=count, default=EPOCHS, help="passes over the sentences")
    parser.add_argument("--min_count", type=count, default=LEAST, help="least number of a word")
    parser.add_argument("--seed", type=at_least_0, default=0, help="of the training")
    args = parser.parse_args(argv)
    log_to()
    if args.out.exists():
        raise UserError(f"{args.out} exists and is left as it is; give another --out.")
    entries = lists.read_list(args.train_file)
    words = read_dictionary(args.tag2idx, entries, args.train_file)
    names = {number: word for word, number in words.items()}
    sentences = [[names[t] if isinstance(t, int) else t for t in e.tags or ()] for e in entries]
    how = (args.word_dim, args.epochs, args.seed, args.min_count)
    vectors = train_vectors([s for s in sentences if s], *how)
    pickles.save(vectors, args.out)
    print(f"{len(vectors)} word vectors written to {args.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
