"""``python -m webemotion.text.train``: a text classifier on tag sentences.

The published scripts differ in model, classes and schedule; ``--family``, ``--model`` and
``--num_classes`` choose among their defaults.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch
from torch import Tensor

from common import flags
from common.cli import UserError, choose_device, entry_point, log_to
from common.data.streams import PassStream, eval_loader
from common.engine import checkpoint as checkpoints
from common.engine import launch
from common.engine.method import Batches, Method, Progress, StepOutput, to_device
from common.engine.run_folder import CONFIG, ENVIRONMENT, RunFolder, environment
from common.engine.trainer import Callback, Recipe, Trainer
from common.flags import at_least_0, count, number
from webemotion import lists
from webemotion.schedule import milestones_of
from webemotion.text import checkpoint, models, objective
from webemotion.text.data import Sentences, hold_out
from webemotion.text.dictionary import numbered, read_dictionary
from webemotion.text.tags import DROP
from webemotion.text.vectors import read_vectors, word_table

log = logging.getLogger(__name__)

PROGRAM = "python -m webemotion.text.train"
NEUTRAL = ("out", "resume", "overwrite", "device", "stop_after_epoch")
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


class TextClassifier(Method):
    """A sentence model that learns emotions from tags.

    Args:
        model: one that has logits.
        feature_l2: also keep the word features near the word vectors.
    """

    stream_names = ("sentences",)

    def __init__(self, model: models.SentenceModel, feature_l2: bool = False):
        super().__init__()
        self.model, self.feature_l2 = model, feature_l2

    def training_step(self, batches: Batches, progress: Progress) -> StepOutput:
        """Loss of one batch of ``sentences``."""
        batch = batches["sentences"]
        parts = self.model.parts(batch["tokens"])
        features = (parts["raw"], parts["feature"]) if self.feature_l2 else ()
        losses = objective.text_loss(parts["logits"], batch["target"], *features)
        predicted = parts["logits"].argmax(dim=1, keepdim=True)
        hits = (batch["target"].gather(1, predicted) > 0).float().mean()
        return StepOutput(losses.pop("loss"), {**losses, "hits": hits})

    def predict(self, tokens: Tensor) -> Tensor:
        """Logits [B, C] of tokens [B, L]."""
        return self.model.parts(tokens)["logits"]


class TextEvaluator:
    """Both accuracies and the loss on every sentence of a loader."""

    def __init__(self, loader, device: torch.device):
        self.loader, self.device = loader, device

    def __call__(self, method: TextClassifier) -> dict:
        """``{"hits", "top1", "loss"}``, shares in 0..1.

        Raises:
            UserError: the logits are no longer finite.
        """
        batches = [to_device(batch, self.device) for batch in self.loader]
        logits = torch.cat([method.predict(batch["tokens"]).float() for batch in batches]).cpu()
        targets = torch.cat([batch["target"] for batch in batches]).cpu()
        if not torch.isfinite(logits).all():
            raise UserError("the text model gives NaN or infinite values: try a lower --lr.")
        predicted, wanted = logits.argmax(dim=1).numpy(), targets.numpy()
        return {
            "hits": objective.hits(predicted, wanted)[0],
            "top1": objective.top1(predicted, wanted)[0],
            "loss": objective.text_loss(logits, targets)["loss"].item(),
        }


class KeepBest(Callback):
    """Writes the text checkpoint of the best epoch so far."""

    def __init__(self, path: Path, tag2idx: dict[str, int], arch: str):
        self.path, self.tag2idx, self.arch = path, tag2idx, arch

    def on_evaluated(self, trainer: Trainer, results: dict, is_best: bool) -> None:
        """Called every epoch."""
        if is_best:
            more = {"arch": self.arch, "epoch": trainer.progress.epoch + 1}
            checkpoint.save(self.path, trainer.method.model, self.tag2idx, **more)


def build_parser() -> argparse.ArgumentParser:
    """The flags."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--train_file", type=Path, required=True, help="list with tags: pickle or .jsonl")
    add("--val_file", type=Path, help="list; default: a part of --train_file is held out")
    add("--val_count", type=count, help="sentences held out; default: as published")
    add("--tag2idx", type=Path, help="dictionary word -> number; needed where tags are numbers")
    add("--out", type=Path, required=True, help=f"checkpoint to write, e.g. models/text{SUFFIX}")
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
    add(
        "--clip", type=number(float, low=0), default=0.0, help="gradient norm; 0 as published: none"
    )
    add("--seed", type=at_least_0, default=0, help="of everything")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--resume", type=Path, metavar="PATH", help="last.ckpt of a run to go on with")
    add("--overwrite", action="store_true", help="replace an earlier checkpoint and its run")
    add("--stop_after_epoch", type=at_least_0, default=0, help="leave, resumable, after it")
    return parser


def _read(path: Path, args, tag2idx: dict[str, int] | None) -> tuple[list, dict[str, int]]:
    entries = lists.read_list(path)
    lists.check_labels(entries, args.num_classes, path)
    tag2idx = tag2idx or read_dictionary(args.tag2idx, entries, path)
    entries = numbered(entries, tag2idx)
    lists.check_tags(entries, len(tag2idx), path)
    return entries, tag2idx


def _build(args, tag2idx: dict[str, int]) -> models.SentenceModel:
    name = trained_form(args.family, args.model)
    if name != args.model:
        log.info("%s has no logits: %s, of which it is a part, is trained", args.model, name)
    static = args.family == "v2" and not args.train_words
    sizes = (len(tag2idx), args.sent_len, args.word_dim, args.filter_dim, args.num_classes)
    try:
        model = models.build(args.family, name, *sizes, static)
    except ValueError as error:
        raise UserError(str(error)) from None
    if not isinstance(model, models.SentenceModel):
        raise UserError(f"{name} is no sentence model; it is trained with the images.")
    if args.feature_l2 and args.word_dim != args.filter_dim:
        raise UserError("--feature_l2 needs --filter_dim equal to --word_dim.")
    if args.word_vectors:
        table = word_table(tag2idx, read_vectors(args.word_vectors), args.word_dim, args.seed)
        model.embedding.weight.data.copy_(torch.from_numpy(table))
    elif static:
        log.warning("the word vectors are random and stay so; give --word_vectors or --train_words")
    return model


def build_trainer(args, run: RunFolder, device: torch.device) -> Trainer:
    """Everything a run needs, wired from its flags."""
    train, tag2idx = _read(args.train_file, args, None)
    if args.val_file:
        val, _ = _read(args.val_file, args, tag2idx)
    else:
        train, val = hold_out(train, args.num_classes, args.val_count)
    model = _build(args, tag2idx)
    sizes = (args.num_classes, len(tag2idx), args.sent_len)
    one_left = len(train) % args.batch_size == 1  # batch norm cannot learn from one sentence
    stream = PassStream(
        Sentences(train, *sizes, args.drop), args.batch_size, args.seed, drop_last=one_left
    )
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adadelta(trained, lr=args.lr)
    milestones = milestones_of(args.lr_schedule, "--lr_schedule")
    evaluator = TextEvaluator(eval_loader(Sentences(val, *sizes, 0), args.batch_size, 0), device)
    recipe = Recipe(
        args.epochs,
        stream.steps,
        clip=args.clip,
        metric="hits",
        stop_after_epoch=args.stop_after_epoch,
        schedule_per="epoch",
    )
    identity = {n: launch.plain(v) for n, v in vars(args).items() if n not in NEUTRAL}
    return Trainer(
        TextClassifier(model, args.feature_l2).to(device),
        optimizer,
        torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, 0.1),
        {"sentences": stream},
        recipe,
        device,
        {"test": evaluator},
        run=run,
        callbacks=(KeepBest(args.out, tag2idx, f"{args.family}/{args.model}"),),
        identity={"method": "webemotion.text", **identity},
    )


def _run(argv: list[str]) -> int:
    log_to()
    args, _ = flags.parse(build_parser, argv)
    usual = defaults(args.family, args.num_classes)
    args.epochs = args.epochs or usual[0]
    args.lr_schedule = usual[1] if args.lr_schedule is None else args.lr_schedule
    device = choose_device(args.device)
    if args.out.exists() and not (args.overwrite or args.resume):
        raise UserError(f"{args.out} exists; give --overwrite to replace it, or another --out.")
    run = RunFolder(
        args.out.with_name(args.out.name.removesuffix(SUFFIX) + "_run"), flags=("--out", "--out")
    )
    replace = args.overwrite or bool(args.resume)
    run.check(replace)
    launch.seed_everything(args.seed)
    trainer = build_trainer(args, run, device)
    if args.resume:
        trainer.load_state_dict(checkpoints.load(args.resume))
    run.open(overwrite=replace, resume=bool(args.resume))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    log_to(run.path)
    arguments = {name: launch.plain(value) for name, value in sorted(vars(args).items())}
    drawn = lists.is_drawn(args.train_file)
    run.write(CONFIG, {"method": "webemotion.text", "arguments": arguments, "drawn": drawn})
    run.write(ENVIRONMENT, environment(device, args.seed))
    launch.conduct(trainer, PROGRAM, argv, drawn, resume_takes_path=True)
    print(f"text checkpoint: {args.out}")
    return 0


def main(argv: list[str] | None = None) -> int:
    """Train a text model; returns the exit code."""
    return entry_point(_run, argv)


if __name__ == "__main__":
    raise SystemExit(main())
