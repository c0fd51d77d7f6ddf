"""Zero-shot evaluation of a projection network: every published evaluator, and its report.

What is computed stands in :mod:`webemotion.zero_shot_scores`; here, networks and files are read.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from common.cli import UserError
from common.engine.run_folder import DRAWN, RunFolder
from common.flags import GivenFlags
from webemotion import checkpoints, data, lists
from webemotion import zero_shot_scores as scores
from webemotion.build import build_model
from webemotion.catalogue import LOADERS, Variant
from webemotion.class_names import CLASSES, WORDS
from webemotion.config import Config
from webemotion.images import Lists, tested
from webemotion.metrics import average_precision
from webemotion.missing import require_files
from webemotion.model import EmotionNet, project
from webemotion.program import Evaluating, Finish
from webemotion.text import checkpoint as text_checkpoint
from webemotion.text import models
from webemotion.text.vectors import read_vectors
from webemotion.zero_shot_words import Rows, sentence_rows, vector_rows, word_feature_rows

log = logging.getLogger(__name__)

REPORT = "zero_shot.json"
PEACE = "Peace"


class ZeroShot(Evaluating):
    """A zero-shot script."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes that labels count."""
        return CLASSES[self.row.variant.classes or "emotic"]

    def read(self, args, given_flags: GivenFlags) -> Lists:
        """The list of ``val_file``, when all files that are needed are there."""
        config, variant = self.config, self.row.variant
        source = variant.vectors or "text_ckpt"
        files = (source, "val_file", "data_dir", "visual_model", "resume")
        require_files(config, files, self.script)
        if getattr(config, source) is None:
            raise UserError(f"{config.path} lacks {source}, which {self.script} needs.")
        entries = lists.read_list(config.val_file, self.classes)
        lists.check_labels(entries, len(self.classes), config.val_file)
        lists.check_images(entries, config.data_dir, config.val_file)
        return tested(entries, config)

    def build(self, args, images: Lists, device: torch.device) -> Finish:
        """The report, printed and written as ``zero_shot.json``."""
        config, variant = self.config, self.row.variant
        nearest = variant.kind == "nearest"
        model, head = self.networks()
        loader = LOADERS["singlelabel_v2" if nearest else "multilabel_BCE"]
        batches = data.validation_batches(
            images.test,
            config,
            loader,
            args.num_workers,
            device.type == "cuda",
            num_classes=len(self.classes),
        )
        projected, targets = project(model, batches, device)
        if nearest:
            vectors = read_vectors(config.tag_embeddings)
            report = nearest_report(projected, targets, vectors, self.classes)
        else:
            report = emotic_report(variant, config, head, projected, targets)
        report = {"script": self.script, "images": len(projected), **report}
        report["drawn"] = images.drawn

        def finish(run: RunFolder) -> None:
            run.write(REPORT, report)
            _tell(report, run.path / REPORT)

        return finish

    def networks(self) -> tuple[EmotionNet, nn.Module | None]:
        """The image network with its weights and, for the joint scripts, the text head."""
        config, row = self.config, self.row
        path = config.visual_model or config.resume
        state, held = {}, {}
        if path:
            state, held, _ = checkpoints.read_state(Path(path))
        classes = _length(state, "fc.bias") or config.num_classes or 1
        width = _length(state, "proj.bias") or config.word_dim
        model = build_model(config, row, classes, width)
        if path:
            checkpoints.start_from(model, Path(path), checkpoints.POLICIES[row.start])
        else:
            log.warning(
                "no resume and no visual_model: the network is random, and so is its result"
            )
        return model, _text_head(held, path, width) if row.heads == "joint" else None


PROGRAM = ZeroShot


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
    matrix = np.stack(list(vectors.values()))
    _check_width(projected, matrix.shape[1])
    nearest = scores.nearest_label(projected, list(vectors), matrix, classes)
    missing = [name for name in classes if name not in nearest.label_words]
    if missing or nearest.label_words != sorted(classes):
        log.warning(
            "the dictionary's label words are %s: the published accuracy compares their numbers "
            "with alphabetical ones, read accuracy_by_name",
            ", ".join(nearest.label_words),
        )
    return {
        "accuracy": nearest.accuracy(targets),
        "accuracy_by_name": nearest.accuracy_by_name(targets, classes),
        "chance": 1 / len(classes),
        "label_words": nearest.label_words,
        "missing_words": missing,
        "predicted": {word: nearest.pred_word.count(word) for word in nearest.label_words},
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


def emotic_report(
    variant: Variant,
    config: Config,
    head: nn.Module | None,
    projected: np.ndarray,
    targets: np.ndarray,
) -> dict:
    """Average precision of EMOTIC's categories, or of Peace alone."""
    # Targets count categories alphabetically, the word lists have an order of their own.
    words = {category: own.split(",") for category, own in WORDS[variant.words].items()}
    labels = targets[:, [CLASSES["emotic"].index(category) for category in words]].astype(np.int64)
    if variant.text:
        rows = _text_rows(variant, config, words, head)
    else:
        rows = vector_rows(words, read_vectors(getattr(config, variant.vectors)))
    _check_width(projected, next(iter(rows.values())).shape[1])
    if variant.kind == "word_max":
        values = scores.best_word_score(projected, rows[PEACE])[:, None]
        shown = labels[:, [list(words).index(PEACE)]]
        return {"category": PEACE, "ap": float(average_precision(shown, values, np.nan)[0])}
    return category_report(projected, labels, rows)


def _text_rows(
    variant: Variant, config: Config, words: dict[str, list[str]], head: nn.Module | None
) -> Rows:
    text = text_checkpoint.load(config.text_ckpt)
    width = len(text.state_dict["bn.weight"])
    word_dim = text.state_dict["embedding.weight"].shape[1]
    sizes = (text.vocab_size, config.sent_len, word_dim, width, text.classes or 1)
    model = models.build(*variant.text, *sizes)
    lacking = text_checkpoint.load_into(model, text, config.text_ckpt)
    if lacking:
        raise UserError(
            f"{config.text_ckpt} lacks {', '.join(lacking[:4])}, which {variant.text[1]} has."
        )
    if variant.kind == "word_feature":
        return word_feature_rows(words, model, text.tag2idx)
    return sentence_rows(words, model, text.tag2idx, head)


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


def _check_width(projected: np.ndarray, width: int) -> None:
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
            f"{report['images']} images"
        )
    else:
        print(f"average precision of {report['category']} {report['ap']:.2%}")
    if report["drawn"]:
        print(DRAWN)
    print(f"written to {target}")
