"""A text classifier on tag sentences.

The published scripts differ in model, classes and schedule; --family, --model and --num_classes
choose among their defaults.
"""

from __future__ import annotations

from pathlib import Path

from common.flags import SAVING, Parser, at_least_0, count, number
from webemotion.text import models
from webemotion.text.tags import DROP

COMMAND = "python -m webemotion.text.train"


def build_parser() -> Parser:
    """The flags."""
    parser = Parser(prog=COMMAND, description=__doc__)
    # Flags of every training that mean nothing for a model of a few layers.
    parser.set_defaults(corrected=False, fast=False, channels_last=False, precision="fp32")
    add = parser.add_argument
    add("--train_file", type=Path, required=True, help="list with tags: pickle or .jsonl")
    add("--val_file", type=Path, help="list; default: a part of --train_file is held out")
    add("--val_count", type=count, help="sentences held out; default: as published")
    add("--tag2idx", type=Path, help="dictionary word -> number; needed where tags are numbers")
    add("--out", type=Path, required=True, neutral=True, help="to write, e.g. models/text.pth.tar")
    add("--family", choices=tuple(models.FORMS), default="dan2", help="the authors' module")
    add("--model", default="CNN", help="the authors' class, see webemotion/text/models.py")
    add("--num_classes", type=count, default=8, help="8 emotions, or 690 tags")
    add("--feature_l2", action="store_true", help="keep word features near the word vectors")
    add("--word_vectors", type=Path, help="pickle word -> vector, or a word2vec file (gensim)")
    add("--epochs", type=count, help="default: the published script's")
    add("--lr_schedule", help="epochs that cut the rate to a tenth; default: the script's")
    add("--lr", type=number(float, low=0), default=1.0, help="of Adadelta")
    add("--batch_size", type=count, default=50, help="sentences a step")
    add("--word_dim", type=count, default=300, help="length of a word vector")
    add("--filter_dim", type=count, default=300, help="length of a word feature")
    add("--sent_len", type=count, default=100, help="words a sentence")
    add("--drop", type=number(float, low=0, below=1), default=DROP, help="share of words left out")
    add("--train_words", action="store_true", help="v2: train the word vectors too")
    add("--clip", type=number(float, low=0), default=0.0, help="gradient norm; 0: none")
    add("--seed", type=at_least_0, default=0, help="of everything")
    add("--device", default="auto", neutral=True, help="auto, cpu, cuda or cuda:N")
    add("--resume", type=Path, metavar="PATH", neutral=True, help="run or last.ckpt to go on with")
    add("--overwrite", action="store_true", neutral=True, help="replace a checkpoint and its run")
    add("--stop_after_epoch", type=at_least_0, default=0, neutral=True, help="leave, resumable")
    for flag, settings in SAVING:
        add(flag, neutral=True, **settings)
    return parser
