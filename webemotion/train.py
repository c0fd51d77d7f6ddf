"""What every script runs: read flags and configuration, wire the pieces, train or evaluate."""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import sys
from pathlib import Path

if not __package__:  # run as a script: import from the repository's root, not from this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import torch

from common import flags, quirks
from common.cli import UserError, choose_device, entry_point, log_to
from common.engine import checkpoint, launch
from common.engine.run_folder import LAST, RunFolder
from common.engine.trainer import Recipe, Trainer
from webemotion import authors_files, checkpoints, data, sentences, sources
from webemotion.catalogue import SCRIPTS, Script
from webemotion.config import COMMON, FILES, UNUSED, Config, load, require_files
from webemotion.lists import is_drawn
from webemotion.method import METHODS, EmotionMethod, Settings
from webemotion.metrics import Validation, second_k
from webemotion.model import ARCHS, PUBLISHED_SIZE, EmotionNet, build_network, freeze_all_except_fc
from webemotion.options import build_parser
from webemotion.schedule import build_optimizer, go_on_with, scheduling
from webemotion.text.models import TextTransformation
from webemotion.text_side import load_side

log = logging.getLogger(__name__)

QUIRKS = Path(__file__).with_name("quirks.yaml")
BASIC_EMOTIONS = 8
# What may differ between a run and its continuation: it does not decide what is computed.
NEUTRAL_KEYS = {
    *("path", "name", "ID", "paramname", "workers", "epochs", "print_freq", "resume", "evaluate"),
    *("world_size", "dist_url", "dist_backend", "gpu", "device", "save_directory", "data_dir"),
    *("train_file", "val_file", "text_ckpt", "text_embed", "idx2tag", "visual_model", "pretrained"),
}
SWITCHES = ("train_text_head", "keep_schedule", "best_by_loss", "val_fraction", "data_seed")


# --- pieces ---------------------------------------------------------------------------------------


def loaders_of(config: Config, row: Script) -> tuple[data.Loader, data.Loader]:
    """The training and the validation loader that a configuration names.

    Raises:
        UserError: unknown, or their targets or texts are not what the script takes.
    """
    train = data.loader_of(config.trainloader or config.dataloader, "train")
    val = data.loader_of(config.valloader or config.dataloader, "val")
    single = row.method == "single"
    if train.target == "binary":
        raise UserError(
            f"{config.path} names a loader with targets for a binary cross-entropy, but no script "
            "with such a loss was released; take a multilabel loader."
        )
    for name, loader in (("train", train), ("val", val)):
        if (loader.target == "index") != single:
            kind = "one class" if single else "several classes"
            raise UserError(
                f"{config.path}: this script takes {kind} an image, but the {name} loader gives "
                f"{'several classes' if single else 'one class'}."
            )
    wanted = {None: (None,), "average": ("average",), "transformed": ("tokens",)}
    wanted = wanted.get(row.text, ("tokens",))
    if row.method in ("distill", "soft_ne"):
        wanted = ("both",)
    if train.text not in wanted:
        names = [n for n, loader in data.LOADERS.items() if loader.text in wanted]
        raise UserError(
            f"{config.path}: the trainloader does not give the text that this script takes; "
            f"expected one of {', '.join(f'{n}_train' for n in names)}."
        )
    return train, val


def build_model(config: Config, row: Script, width: int, text_classes: int = 0) -> EmotionNet:
    """The network that ``arch`` names, with the heads that the script needs.

    Args:
        width: of the projection.
        text_classes: of the third branch's head.

    Raises:
        UserError: unknown arch, or one with other heads.
    """
    if config.arch in ARCHS and ARCHS[config.arch][1] != row.heads:
        fits = [name for name, (_, heads) in ARCHS.items() if heads == row.heads]
        raise UserError(
            f"{config.path}: arch '{config.arch}' has other outputs than this script takes; "
            f"expected one of {', '.join(fits)}."
        )
    return build_network(
        config.arch,
        config.num_classes,
        width,
        text_classes or BASIC_EMOTIONS,
        config.depth,
        adaptive=config.image_size != PUBLISHED_SIZE,
    )


def build_method(config: Config, row: Script, args) -> tuple[EmotionMethod, object]:
    """Network, text side and objective; and the text model's dictionaries (None without).

    Raises:
        UserError: the text model's classes are not those that the objective compares them with.
    """
    text, held = None, None
    if row.text not in (None, "average"):
        text, held = load_side(row.text, config)
    if row.method in ("distill", "soft_ne") and text.classes != config.num_classes:
        raise UserError(
            f"{config.text_ckpt} predicts {text.classes} classes, but num_classes is "
            f"{config.num_classes}; labels are mixed with its predictions, so both must agree."
        )
    settings = Settings(
        config.alpha,
        config.beta,
        args.weigh_joint,
        args.softmax_attention,
        args.mask_padding,
        args.renormalise,
        args.freeze_norms,
    )
    width = config.filter_dim if text is not None and row.method != "soft_ne" else config.word_dim
    launch.seed_everything(config.seed or 0)
    model = build_model(config, row, width, text.classes if text else 0)
    head = None
    if row.method.startswith("joint"):
        classes = text.classes if row.method == "joint_exp" else config.num_classes
        head = TextTransformation(config.filter_dim, width, classes)
        head.requires_grad_(args.train_text_head)
    return METHODS[row.method](model, settings, text, head), held


def build_trainer(
    config: Config, args, lists: data.Lists, parts: tuple, run: RunFolder, device: torch.device
) -> Trainer:
    """Everything a training needs, wired.

    Args:
        parts: method, its text dictionaries, and the training and validation loader.
    """
    row = SCRIPTS[args.script]
    method, held, (train, val) = parts
    # Before start_epoch may change: a run's continuation does not read the weights it began with.
    identity = identity_of(config, args, method.settings, lists)
    gone_on = {}
    if not args.resume:
        gone_on = checkpoints.starting_weights(method.model, config, row.start, args.loose)
    if gone_on:
        config.start_epoch = int(gone_on["epoch"])
    if config.start_epoch >= config.epochs:
        raise UserError(
            f"start_epoch {config.start_epoch} is not before epochs {config.epochs}; nothing is "
            "left to train."
        )
    if config.freeze:
        log.info("frozen but for %s", ", ".join(freeze_all_except_fc(method.model)))
    if args.compile:
        method.model.compile()
    layout = torch.channels_last if args.channels_last else torch.preserve_format
    method.to(device, memory_format=layout)
    optimizer = build_optimizer(
        method.parameters(), config.lr, config.momentum, config.weight_decay
    )
    if gone_on:
        go_on_with(optimizer, gone_on["optimizer"], config)
    scheduler, callbacks = scheduling(optimizer, config, args.keep_schedule)
    pin, workers = device.type == "cuda", args.num_workers
    sentence = sentences.sentence_reader(train.text, config, held, lists.train)
    opener = sources.opener(args, lists.listed, config, data.train_view(config.image_size))
    stream = data.stream(lists.train, config, train, sentence, workers, pin, opener)
    by_loss = args.best_by_loss and row.saves == "all_best"
    saves = row.saves
    if by_loss or (args.honour_save_best_only and config.save_best_only):
        saves = "every" if by_loss else "improvements"
    best = authors_files.best_of(gone_on) if gone_on else 0.0
    files = authors_files.AuthorsFiles(
        saves, config.arch, -authors_files.HIGHEST_LOSS if by_loss else best, row.saves_text_head
    )
    trainer = Trainer(
        method,
        optimizer,
        scheduler,
        {"train": stream},
        Recipe(
            config.start_epoch + 1 if args.max_steps else config.epochs,
            min(stream.steps, args.max_steps or stream.steps),
            precision=args.precision,
            channels_last=args.channels_last,
            metric="loss" if by_loss else row.metric,
            mode="min" if by_loss else "max",
            percent=not by_loss,
            stop_after_epoch=args.stop_after_epoch,
            schedule_per="epoch",
        ),
        device,
        evaluators(config, row, lists, val, args, device),
        run=run,
        callbacks=(files, authors_files.Lines(config.print_freq), *callbacks),
        identity=identity,
    )
    trainer.progress.epoch = config.start_epoch
    return trainer


def evaluators(config: Config, row: Script, lists: data.Lists, val, args, device) -> dict:
    """``test`` on ``val_file`` and, where images were held out, ``val`` on them."""
    k = second_k(row.top_k, config.num_classes)
    view = data.val_view(config.image_size, config.resize)
    workers, pin = args.num_workers, device.type == "cuda"
    found = {}
    for name, entries in (("test", lists.test), ("val", lists.val)):
        if entries is not None:
            opener = sources.opener(args, entries, config, view)
            batches = data.validation_batches(entries, config, val, workers, pin, opener)
            found[name] = Validation(batches, row.metric, device, k, args.channels_last)
    return found


def identity_of(config: Config, args, settings: Settings, lists: data.Lists) -> dict:
    """What a checkpoint must share with a run that goes on with it."""
    rows = "\n".join(map(str, lists.train))
    return {
        "method": "webemotion",
        "script": args.script,
        **{n: launch.plain(v) for n, v in vars(config).items() if n not in NEUTRAL_KEYS},
        **vars(settings),
        **{name: getattr(args, name) for name in SWITCHES},
        "training_images": hashlib.sha256(rows.encode()).hexdigest(),
        "split": lists.split.file if lists.split else None,
    }


# --- running --------------------------------------------------------------------------------------


def evaluate(config: Config, args, lists: data.Lists, parts: tuple, run, device) -> dict:
    """Validate the starting weights and write ``evaluation.json``: ``evaluate: true``."""
    method, _, (_, val) = parts
    row = SCRIPTS[args.script]
    checkpoints.starting_weights(method.model, config, row.start, args.loose)
    layout = torch.channels_last if args.channels_last else torch.preserve_format
    method.to(device, memory_format=layout).eval()
    with torch.no_grad():
        report = evaluators(config, row, lists, val, args, device)["test"](method)
    run.write(authors_files.EVALUATION, report)
    print(f"{row.metric} {report[row.metric]:.2%}, loss {report['loss']:.4f} on {config.val_file}")
    print(f"run folder: {run.path}")
    return report


def _folder(config: Config, path: Path | None = None) -> RunFolder:
    flag = "save_directory (--set save_directory=…)"
    return RunFolder(path or authors_files.run_path(config), flags=(flag, flag))


def _train(config: Config, args, argv: list[str], register, device: torch.device) -> None:
    row = SCRIPTS[args.script]
    read = {*COMMON, *row.required, *row.optional}
    idle = {"train_file"} if config.evaluate else set()
    idle |= {"visual_model", "resume"} if args.resume else set()
    if config.evaluate:
        _refuse_idle(args, f"{config.path} has `evaluate: true`")
    train, val = loaders_of(config, row)
    require_files(config, [n for n in FILES if n in read - idle], args.script)
    last = authors_files.last_checkpoint(args.resume) if args.resume else None
    run = _folder(config, last.parent if last else None)
    may_write = args.overwrite or last is not None
    run.check(may_write)

    # All that can be refused is refused before the first file is written or replaced.
    lists = data.read(config, None if config.evaluate else train, val, args)
    method, held = build_method(config, row, args)
    parts = (method, held, (train, val))
    counts = {"test": len(lists.test)}
    if not config.evaluate:
        counts |= {"train": len(lists.train), "val": len(lists.val or [])}
        trainer = build_trainer(config, args, lists, parts, run, device)
        if last:
            trainer.load_state_dict(checkpoint.load(last))
    run.open(overwrite=may_write, resume=last is not None)
    log_to(run.path, f"log-{authors_files.stamp()}.txt")
    authors_files.record(run, config, args, register, device, counts, lists.split)
    if config.evaluate:
        evaluate(config, args, lists, parts, run, device)
        return
    if last:
        log.info("going on from %s after epoch %d", run.path / LAST, trainer.progress.epoch)
    drawn = is_drawn(config.data_dir)
    program = f"python webemotion/{args.script}.py"
    launch.conduct(trainer, program, argv, drawn, resume_takes_path=True)


def _refuse_idle(args, reason: str) -> None:
    """Refuse the flags that say something of a training's images where there is none.

    Raises:
        UserError: one of them was given.
    """
    for name in ("split", "cache"):
        if getattr(args, name) is not None:
            raise UserError(f"--{name} is about a training's images, but {reason}; leave it out.")


def _use(config: Config, args, register, device: torch.device) -> None:
    """Run a script that trains nothing; it begins its folder once nothing can be refused."""
    if args.resume:
        raise UserError(
            f"--resume goes on with a training, and {args.script} trains nothing; weights are "
            "given by the key resume of the configuration."
        )
    _refuse_idle(args, f"{args.script} trains nothing")
    run = _folder(config)
    run.check(args.overwrite)

    def begin(images: int) -> RunFolder:
        run.open(overwrite=args.overwrite, resume=False)
        log_to(run.path, f"log-{authors_files.stamp()}.txt")
        authors_files.record(run, config, args, register, device, {"test": images})
        return run

    task = importlib.import_module(f"webemotion.{SCRIPTS[args.script].task}")
    task.run(args.script, config, device, begin)


def run(script: str, argv: list[str]) -> int:
    """Read the flags and the configuration, and do what the script does.

    Raises:
        UserError: a mistake in the flags, the configuration or the data.
        Interrupted: a signal came; the text says how to go on.
    """
    log_to()
    args, explicit = flags.parse(build_parser, ["--script", script, *argv])
    args.script = script
    changes = dict(args.set)
    if args.image_size:
        changes["image_size"] = args.image_size
    if args.pretrained:
        changes["pretrained"] = str(args.pretrained)
    if "backbone" in explicit:
        changes["depth"] = args.backbone
    config = load(args.config_file, script, changes)
    for name, reason in UNUSED.items():
        if getattr(config, name) not in (None, 1):
            log.info("%s is accepted and has no effect: %s", name, reason)
    if SCRIPTS[script].meant:
        log.info("this script is taken to mean: %s", SCRIPTS[script].meant)
    gpu = args.gpu if args.gpu is not None else config.gpu
    wanted = config.device if "device" not in explicit and config.device else args.device
    device = choose_device(wanted, gpu)
    register = quirks.load(QUIRKS)
    args.num_workers = min(config.workers, os.cpu_count() or 1)
    launch.settle(args, explicit | {"num_workers"}, device, register)
    if SCRIPTS[script].task == "train":
        _train(config, args, argv, register, device)
    else:
        _use(config, args, register, device)
    return 0


def main(script: str | Path, argv: list[str] | None = None) -> int:
    """Run a script; returns the exit code.

    Args:
        script: its file, or its name in :data:`webemotion.catalogue.SCRIPTS`.
        argv: the arguments; those of the process when None.
    """
    name = str(script)
    if name not in SCRIPTS:
        name = f"{Path(script).parent.name}/{Path(script).stem}"
    return entry_point(lambda words: run(name, words), argv)


def cli() -> None:
    """``python -m webemotion.train --script NAME --config_file FILE``."""
    words = sys.argv[1:]
    if "--script" not in words[:-1]:
        raise SystemExit("error: --script NAME is needed; see --help of any script.")
    place = words.index("--script")
    name = words[place + 1]
    if name not in SCRIPTS:
        raise SystemExit(f"error: --script {name} is unknown; known are {', '.join(SCRIPTS)}.")
    raise SystemExit(main(name, [*words[:place], *words[place + 2 :]]))


if __name__ == "__main__":
    cli()
