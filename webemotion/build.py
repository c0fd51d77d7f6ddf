"""From a configuration to what is trained: network, text side and objective."""

from __future__ import annotations

from common.cli import UserError
from common.flags import settings_of
from webemotion.catalogue import Script
from webemotion.config import Config
from webemotion.method import METHODS, EmotionMethod, Settings
from webemotion.model import ARCHS, PUBLISHED_SIZE, EmotionNet, build_network
from webemotion.text.checkpoint import TextCheckpoint
from webemotion.text.models import TextTransformation
from webemotion.text_side import load_side

BASIC_EMOTIONS = 8


def build_model(
    config: Config,
    row: Script,
    num_classes: int,
    num_projections: int,
    basic_classes: int = BASIC_EMOTIONS,
) -> EmotionNet:
    """The network that ``arch`` names, with the heads that the script needs.

    Raises:
        UserError: unknown arch, or one with other heads.
    """
    if config.arch in ARCHS and ARCHS[config.arch][1] != row.heads:
        fits = [name for name, (_, heads) in ARCHS.items() if heads == row.heads]
        has = "no projection that" if row.task == "zero_shot" else "other outputs than"
        raise UserError(
            f"{config.path}: arch '{config.arch}' has {has} this script takes; "
            f"expected one of {', '.join(fits)}."
        )
    return build_network(
        config.arch,
        num_classes,
        num_projections,
        basic_classes,
        config.depth,
        adaptive=config.image_size != PUBLISHED_SIZE,
    )


def build_method(config: Config, row: Script, args) -> tuple[EmotionMethod, TextCheckpoint | None]:
    """The method, and the checkpoint of its text model with the dictionaries (None without).

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
    width = config.filter_dim if text is not None and row.method != "soft_ne" else config.word_dim
    basic = text.classes if text is not None and text.classes else BASIC_EMOTIONS
    model = build_model(config, row, config.num_classes, width, basic)
    head = None
    if row.method.startswith("joint"):
        classes = text.classes if row.method == "joint_exp" else config.num_classes
        head = TextTransformation(config.filter_dim, width, classes)
        head.requires_grad_(args.train_text_head)
    settings = settings_of(Settings, args, alpha=config.alpha, beta=config.beta)
    return METHODS[row.method](model, settings, text, head), held
