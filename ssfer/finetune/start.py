"""The starting weights of a fine-tuning."""

from __future__ import annotations

import logging
from pathlib import Path

from timm.layers import trunc_normal_
from torch import nn

from common.cli import UserError
from ssfer.checkpoints import load_pretrained
from ssfer.vit import build_vit, replace_head

log = logging.getLogger(__name__)

NO_CHECKPOINT = "none"
PUBLISHED_OUTPUTS = 1000


def check_checkpoint(args) -> None:
    """Refuse starting weights that do not fit, before anything is written.

    Raises:
        UserError: missing or unreadable file, or one of another model.
    """
    if args.checkpoint == NO_CHECKPOINT:
        log.warning("--checkpoint none: the network starts from random weights.")
        return
    if not Path(args.checkpoint).is_file():
        raise UserError(
            f"there is no pre-trained file at {args.checkpoint}; make one with `python "
            "ssfer/pretrain_distribute.py`, give another --checkpoint, or --checkpoint none for "
            "random weights."
        )
    build_model(args, pretrained=True)


def build_model(args, pretrained: bool) -> nn.Module:
    """The classifier with a fresh head, on the pre-trained encoder.

    Args:
        pretrained: read ``--checkpoint``; not needed where all weights are loaded afterwards.

    Raises:
        UserError: the file does not fit.
    """
    published = args.draws == "authors"
    outputs = PUBLISHED_OUTPUTS if published else args.nb_classes
    model = build_vit(args.model, num_classes=outputs, img_size=args.input_size)
    if pretrained and args.checkpoint != NO_CHECKPOINT:
        load_pretrained(model, Path(args.checkpoint))
    if published:  # the script draws the head that it throws away anew
        trunc_normal_(model.head.weight, std=2e-5)
    replace_head(model, args.nb_classes)
    return model
