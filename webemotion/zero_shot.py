"""Zero-shot evaluation of a projection network: every published evaluator, and its report.

What is computed stands in :mod:`webemotion.zero_shot_scores`; here, networks and files are read.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from common.cli import UserError
from common.data.streams import eval_loader, plain_errors
from common.engine.method import to_device
from common.engine.run_folder import DRAWN, RunFolder
from webemotion import checkpoints, data, lists
from webemotion import zero_shot_scores as scores
from webemotion.catalogue import SCRIPTS
from webemotion.class_names import (
    DEEPEMOTION,
    EMOTIC,
    EMOTIC_EXPLANATIONS,
    EMOTIC_WORDS,
    UNBIASEDEMO,
)
from webemotion.config import Config, require_files
from webemotion.model import ARCHS, PUBLISHED_SIZE, EmotionNet, build_network
from webemotion.text import checkpoint as text_checkpoint
from webemotion.text import models
from webemotion.text.vectors import read_vectors
from webemotion.zero_shot_words import Rows, sentence_rows, vector_rows, word_feature_rows

log = logging.getLogger(__name__)

REPORT = "zero_shot.json"
EMOTIC_FILE = "data/webtags/EMOTIC/test.pkl"
EMOTIC_DIR = "data/webtags/EMOTIC/crops"
# Published with paths of the authors' machine in the code; these stand for them.
PEACE = "Peace"


@dataclass(frozen=True)
class Variant:
    """How a script stands for a category in the word space.

    Attributes:
        kind: ``nearest``, ``vectors``, ``sentence``, ``word_feature`` or ``word_max``.
        classes: class names of ``nearest``.
        vectors: key of the configuration that names the word vectors.
        words: category -> its words, joined by commas.
        text: family and class of the text model.
    """

    kind: str
    classes: tuple[str, ...] = ()
    vectors: str = ""
    words: dict[str, str] | None = None
    text: tuple[str, str] = ("", "")


_EMBED = ("dan", "CNN_Embed_v2")  # that of dan2 has an fc2 more, which it does not use
_PREFIX = "main_sclss_2Branch_0Shot_Evaluation_"
VARIANTS: dict[str, Variant] = {
    f"{_PREFIX}DeepEmotion": Variant("nearest", DEEPEMOTION, "tag_embeddings"),
    f"{_PREFIX}UnBiasedEmotion": Variant("nearest", UNBIASEDEMO, "tag_embeddings"),
    f"{_PREFIX}EMOTIC_SingleEmotion_Full_WordAvg": Variant(
        "vectors", vectors="tag_embeddings", words=EMOTIC_WORDS
    ),
    "main_sclss_0Shot_Evaluation_EMOTIC_SingleEmotion_Full_WordAvg_old": Variant(
        "vectors", vectors="tag_embeddings", words=EMOTIC_WORDS
    ),
    f"{_PREFIX}EMOTIC_SingleEmotion_SentenceBased": Variant(
        "sentence", words=EMOTIC_EXPLANATIONS, text=_EMBED
    ),
    f"{_PREFIX}EMOTIC_SingleEmotion_WordMax": Variant(
        "word_max", vectors="tag_embeddings", words=EMOTIC_WORDS
    ),
    "main_sclss_Joint_0Shot_Evaluation_EMOTIC_SingleEmotion_SentenceBased": Variant(
        "sentence", words=EMOTIC_EXPLANATIONS, text=_EMBED
    ),
    "main_0Shot_EMOTIC_RawEmbedding": Variant("vectors", vectors="text_embed", words=EMOTIC_WORDS),
    "main_0Shot_Emotic_SentenceEmbedding": Variant(
        "word_feature", words=EMOTIC_WORDS, text=("v2", "TextCNN_NLT")
    ),
}
"""Last part of a script's name -> what it evaluates."""


@torch.no_grad()
def project(
    model: EmotionNet,
    entries: Sequence[lists.Entry],
    config: Config,
    loader: data.Loader,
    num_classes: int,
    device: torch.device,
) -> tuple[np.ndarray, np.ndarray]:
    """Images in the word space.

    Args:
        entries: images of ``config.data_dir``; unreadable ones are left out, with a warning.
        loader: which targets go with them.
        num_classes: length of multi-label targets.

    Returns:
        (projections float32 [N, D], targets [N] or [N, C]).
    """
    view = data.val_view(config.image_size, config.resize)
    images = data.ImageList(entries, config.data_dir, view, loader, num_classes)
    workers = min(config.workers, os.cpu_count() or 1)
    pin = device.type == "cuda"
    batches = eval_loader(images, config.batch_size, workers, pin, data.collate)
    model.to(device).eval()
    rows, targets = [], []
    for batch in plain_errors(batches):
        rows.append(model(to_device(batch["image"], device))[1].float().cpu().numpy())
        targets.append(batch["target"].numpy())
    return np.concatenate(rows), np.concatenate(targets)


def nearest_report(
    projected: np.ndarray,
    targets: np.ndarray,
    vectors: dict[str, np.ndarray],
    classes: Sequence[str],
) -> dict:
    """Accuracy by the nearest label word; ``accuracy`` is the published comparison of numbers.

    Raises:
        UserError: the embeddings have none of the class names, or another width.
    """
    words = list(vectors)
    _check_width(projected, vectors)
    try:
        found = scores.nearest_label(projected, words, np.stack(list(vectors.values())), classes)
    except ValueError:
        raise UserError(
            f"the embeddings know none of the class names {', '.join(classes)}; embed them with "
            "`python -m webemotion.text.embed`."
        ) from None
    missing = [name for name in classes if name not in found.label_words]
    if missing or found.label_words != sorted(classes):
        log.warning(
            "the dictionary's label words are %s: the published accuracy compares their numbers "
            "with alphabetical ones, read accuracy_by_name",
            ", ".join(found.label_words),
        )
    return {
        "accuracy": found.accuracy(targets),
        "accuracy_by_name": found.accuracy_by_name(targets, classes),
        "chance": 1 / len(classes),
        "label_words": found.label_words,
        "missing_words": missing,
        "predicted": {word: found.pred_word.count(word) for word in found.label_words},
    }


def category_report(projected: np.ndarray, labels: np.ndarray, rows: Rows) -> dict:
    """Average precision per category, and its mean without and with the absent ones."""
    values = scores.category_scores(projected, rows)
    ap, mean = scores.mean_average_precision(labels, values)
    return {
        "mean_ap": mean,
        "mean_ap_absent_as_zero": scores.mean_average_precision(labels, values, True)[1],
        "chance": float(labels.mean(axis=0)[labels.any(axis=0)].mean()),
        "ap": {name: float(value) for name, value in zip(rows, ap, strict=True)},
    }


def run(
    script: str, config: Config, device: torch.device, begin: Callable[[int], RunFolder]
) -> None:
    """Evaluate as `script` does; prints the result and writes ``zero_shot.json``.

    Args:
        begin: number of images -> the opened run folder.

    Raises:
        UserError: a file is missing or does not fit.
    """
    variant = VARIANTS[script.rpartition("/")[2]]
    if variant.kind != "nearest":
        _settle_paths(config, script)
    names = [variant.vectors or "text_ckpt", "val_file", "data_dir", "visual_model", "resume"]
    require_files(config, names, script)
    if getattr(config, names[0]) is None:
        raise UserError(f"{config.path} lacks {names[0]}, which {script} needs.")
    model, head = _networks(script, config)
    entries = lists.read_list(config.val_file)
    nearest = variant.kind == "nearest"
    count = len(variant.classes) if nearest else len(EMOTIC)
    lists.check_labels(entries, count, config.val_file)
    lists.check_images(entries, config.data_dir, config.val_file)
    loader = data.LOADERS["singlelabel_v2" if nearest else "multilabel_BCE"]
    projected, targets = project(model, entries, config, loader, count, device)
    if nearest:
        vectors = read_vectors(config.tag_embeddings)
        report = nearest_report(projected, targets, vectors, variant.classes)
    else:
        report = _emotic_report(variant, config, head, projected, targets)
    report = {"script": script, "images": len(projected), **report}
    report["drawn"] = lists.is_drawn(config.val_file)
    folder = begin(len(projected))
    folder.write(REPORT, report)
    _tell(report, folder.path / REPORT)


def _settle_paths(config: Config, script: str) -> None:
    """The list and folder of the person crops, wherever the configuration names them."""
    own = "val_file" in SCRIPTS[script].required
    config.val_file = config.emotic_file or (config.val_file if own else EMOTIC_FILE)
    config.data_dir = config.emotic_dir or (config.data_dir if own else EMOTIC_DIR)


def _emotic_report(
    variant: Variant,
    config: Config,
    head: nn.Module | None,
    projected: np.ndarray,
    targets: np.ndarray,
) -> dict:
    # Targets count categories alphabetically, the word lists have an order of their own.
    words = {category: own.split(",") for category, own in variant.words.items()}
    labels = targets[:, [EMOTIC.index(category) for category in words]].astype(np.int64)
    if variant.kind == "word_max":
        vectors = read_vectors(getattr(config, variant.vectors))
        _check_width(projected, vectors)
        values = scores.best_word_score(projected, vector_rows(words, vectors)[PEACE])
        shown = labels[:, list(words).index(PEACE)]
        return {"category": PEACE, "ap": scores.average_precision(shown, values)}
    if variant.kind == "vectors":
        vectors = read_vectors(getattr(config, variant.vectors))
        _check_width(projected, vectors)
        rows = vector_rows(words, vectors)
    else:
        rows = _text_rows(variant, config, words, head)
        _check_width(projected, {"": next(iter(rows.values()))[0]})
    return category_report(projected, labels, rows)


def _text_rows(
    variant: Variant, config: Config, words: dict[str, list[str]], head: nn.Module | None
) -> Rows:
    text = text_checkpoint.load(config.text_ckpt)
    width = len(text.state_dict["bn.weight"])
    word_dim = text.state_dict["embedding.weight"].shape[1]
    last = next(
        (text.state_dict[n] for n in ("fc2.weight", "fc.weight") if n in text.state_dict), [0]
    )
    sizes = (text.vocab_size, config.sent_len, word_dim, width, len(last))
    model = models.build(*variant.text, *sizes)
    lacking = text_checkpoint.load_into(model, text, config.text_ckpt)
    if lacking:
        raise UserError(
            f"{config.text_ckpt} lacks {', '.join(lacking[:4])}, which {variant.text[1]} has."
        )
    if variant.kind == "word_feature":
        return word_feature_rows(words, model, text.tag2idx)
    return sentence_rows(words, model, text.tag2idx, head)


def _networks(script: str, config: Config) -> tuple[EmotionNet, nn.Module | None]:
    """The image network with its weights and, for the joint scripts, the text head."""
    row = SCRIPTS[script]
    if config.arch in ARCHS and ARCHS[config.arch][1] != row.heads:
        fits = [name for name, (_, heads) in ARCHS.items() if heads == row.heads]
        raise UserError(
            f"{config.path}: arch '{config.arch}' has no projection as {script} takes it; expected "
            f"one of {', '.join(fits)}."
        )
    path = config.visual_model or config.resume
    state, held = {}, {}
    if path:
        state, held, _ = checkpoints.read_state(Path(path))
    classes = _length(state, "fc.bias") or config.num_classes or 1
    width = _length(state, "proj.bias") or config.word_dim
    adaptive = config.image_size != PUBLISHED_SIZE
    model = build_network(config.arch, classes, width, trunk=config.depth, adaptive=adaptive)
    if path:
        checkpoints.start_from(model, Path(path), checkpoints.POLICIES[row.start])
    else:
        log.warning("no resume and no visual_model: the network is random, and so is its result")
    return model, _text_head(held, path, width) if row.heads == "joint" else None


def _text_head(held: dict, path: str | None, width: int) -> models.TextTransformation:
    state = held.get("text_state_dict")
    if not isinstance(state, dict):
        raise UserError(
            f"the checkpoint {path} has no text_state_dict, so the joint space has no text side; "
            "train it with webemotion/mains_exp/main_mclss_2Branch_Joint.py, which saves one."
        )
    state = {name.removeprefix("module."): value for name, value in state.items()}
    try:
        outputs, inputs = state["FC_embed.weight"].shape
        head = models.TextTransformation(inputs, outputs, len(state["FC_cls.weight"]))
        head.load_state_dict(state)
    except (KeyError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: text_state_dict is no joint text head ({error}).") from None
    if outputs != width:
        raise UserError(f"{path}: the text head gives {outputs} numbers, the image's {width}.")
    return head


def _length(state: dict, name: str) -> int | None:
    value = state.get(name, state.get(f"module.{name}"))
    return None if value is None else len(value)


def _check_width(projected: np.ndarray, vectors: dict[str, np.ndarray]) -> None:
    width = len(next(iter(vectors.values())))
    if width != projected.shape[1]:
        raise UserError(
            f"the network projects to {projected.shape[1]} numbers, but the word vectors have "
            f"{width}; use the text model that it was trained with."
        )


def _tell(report: dict, target: Path) -> None:
    if "accuracy" in report:
        print(
            f"zero-shot accuracy {report['accuracy_by_name']:.2%} (published comparison "
            f"{report['accuracy']:.2%}, chance {report['chance']:.2%}), {report['images']} images"
        )
    elif "mean_ap" in report:
        print(
            f"mean average precision {report['mean_ap']:.2%} (chance {report['chance']:.2%}), "
            f"{report['images']} person crops"
        )
    else:
        print(f"average precision of {report['category']} {report['ap']:.2%}")
    if report["drawn"]:
        print(DRAWN)
    print(f"written to {target}")
