"""``python -m webemotion.text.train``: a text classifier on tag sentences.

The published scripts differ in model, classes and schedule; ``--family``, ``--model`` and
``--num_classes`` choose among their defaults.
"""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from common.cli import UserError
from common.data.streams import PassStream, eval_loader
from common.engine.experiment import Experiment, Parts
from common.engine.run_folder import RunFolder
from common.engine.trainer import Recipe
from common.flags import GivenFlags
from webemotion.schedule import milestones_of
from webemotion.text import models
from webemotion.text.checkpoint import KeepBest
from webemotion.text.data import Corpus, Sentences, read
from webemotion.text.method import TextClassifier, TextEvaluator
from webemotion.text.options import COMMAND, build_parser
from webemotion.text.vectors import SPREAD, V2_SPREAD, read_vectors, word_table

log = logging.getLogger(__name__)

SUFFIX = ".pth.tar"


def defaults(family: str, num_classes: int) -> tuple[int, str]:
    """(epochs, schedule) of the published script for a family and a number of classes."""
    if family != "v2":
        return 80, "10, 20, 30"
    return (20, "10, 15") if num_classes == 690 else (80, "40, 80")


def trained_form(family: str, name: str) -> str:
    """The class that is trained where `name` gives no logits: the one it is a part of."""
    form = models.FORMS.get(family, {}).get(name)
    return name if form is None or "logits" in form.returns else "CNN_2Branch"


def check(args, given_flags: GivenFlags) -> None:
    """Fill in the script's defaults, and refuse to replace a checkpoint unasked."""
    epochs, schedule = defaults(args.family, args.num_classes)
    args.epochs = args.epochs or epochs
    args.lr_schedule = schedule if args.lr_schedule is None else args.lr_schedule
    if args.out.exists() and not (args.overwrite or args.resume):
        raise UserError(f"{args.out} exists; give --overwrite to replace it, or another --out.")


def folder(args) -> RunFolder:
    """The run's folder, beside the checkpoint."""
    path = args.out.with_name(args.out.name.removesuffix(SUFFIX) + "_run")
    return RunFolder(path, args.overwrite or bool(args.resume), flags=("--out", "--out"))


def build_model(args, tag2idx: dict[str, int]) -> models.SentenceModel:
    """The sentence model of the flags, with its word vectors.

    Raises:
        UserError: no such model, or sizes that do not fit it.
    """
    name = trained_form(args.family, args.model)
    if name != args.model:
        log.info("%s has no logits: %s, of which it is a part, is trained", args.model, name)
    static = args.family == "v2" and not args.train_words
    sizes = (len(tag2idx), args.sent_len, args.word_dim, args.filter_dim, args.num_classes)
    model = models.build(args.family, name, *sizes, static)
    if not isinstance(model, models.SentenceModel):
        raise UserError(f"{name} is no sentence model; it is trained with the images.")
    if args.feature_l2 and args.word_dim != args.filter_dim:
        raise UserError("--feature_l2 needs --filter_dim equal to --word_dim.")
    if args.word_vectors:
        spread = V2_SPREAD if args.family == "v2" else SPREAD
        given = read_vectors(args.word_vectors)
        table = word_table(tag2idx, given, args.word_dim, args.seed, spread)
        model.embedding.weight.data.copy_(torch.from_numpy(table))
    elif static:
        log.warning("the word vectors are random and stay so; give --word_vectors or --train_words")
    return model


def build(args, corpus: Corpus, device: torch.device) -> Parts:
    """Model, optimiser, sentences and evaluation."""
    model = build_model(args, corpus.tag2idx)
    sizes = (args.num_classes, len(corpus.tag2idx), args.sent_len)
    one_left = len(corpus.train) % args.batch_size == 1  # batch norm cannot learn from one sentence
    stream = PassStream(
        Sentences(corpus.train, *sizes, args.drop), args.batch_size, args.seed, drop_last=one_left
    )
    optimizer = torch.optim.Adadelta((p for p in model.parameters() if p.requires_grad), args.lr)
    milestones = milestones_of(args.lr_schedule, "--lr_schedule")
    newer = args.family == "v2"
    metric, form = "top1" if newer else "hits", f"{args.family}/{args.model}"
    judged = eval_loader(Sentences(corpus.test, *sizes, 0), args.batch_size, workers=0)
    return Parts(
        TextClassifier(model, args.feature_l2),
        optimizer,
        {"sentences": stream},
        Recipe(args.epochs, stream.steps, clip=args.clip, metric=metric, schedule_per="epoch"),
        torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, 0.1),
        {"test": TextEvaluator(judged)},
        callbacks=(KeepBest(args.out, corpus.tag2idx, form, ties=not newer),),
    )


EXPERIMENT = Experiment(
    name="webemotion.text",
    command=COMMAND,
    quirks=Path(__file__).parents[1] / "quirks.yaml",
    parser=build_parser,
    read=read,
    build=build,
    folder=folder,
    check=check,
    records=lambda args, corpus: {"drawn": corpus.drawn},
)
main = EXPERIMENT.main

if __name__ == "__main__":
    EXPERIMENT.cli()
