"""The published loaders by name: which targets and which texts go with the images of a list."""

from __future__ import annotations

from common.cli import UserError
from webemotion.catalogue import LOADERS, Loader, Script
from webemotion.config import Config


def loader_of(name: str, split: str) -> Loader:
    """The loader that a configuration names.

    Args:
        name: with or without ``_train`` or ``_val``.
        split: ``train`` or ``val``.

    Raises:
        UserError: unknown name, or that of the other split.
    """
    stem = name.removesuffix(f"_{split}")
    plain = {n: row for n, row in LOADERS.items() if not (row.balanced or row.text)}
    allowed = LOADERS if split == "train" else plain
    if stem not in allowed:
        raise UserError(
            f"the {split} loader '{name}' is unknown; known are "
            f"{', '.join(f'{n}_{split}' for n in allowed)}."
        )
    return allowed[stem]


def loaders_of(config: Config, row: Script) -> tuple[Loader, Loader]:
    """The training and the validation loader that a configuration names.

    Raises:
        UserError: unknown, or their targets or texts are not what the script takes.
    """
    train = loader_of(config.trainloader or config.dataloader, "train")
    val = loader_of(config.valloader or config.dataloader, "val")
    single = row.method == "single"
    if train.target == "binary" and config.trainloader is None:
        raise UserError(
            f"{config.path} names a loader with targets for a binary cross-entropy, but no script "
            "with such a loss was released; take a multilabel loader."
        )
    for split, loader in (("train", train), ("val", val)):
        if (loader.target == "index") != single:
            kind = "one class" if single else "several classes"
            raise UserError(
                f"{config.path}: this script takes {kind} an image, but the {split} loader gives "
                f"{'several classes' if single else 'one class'}."
            )
    wanted = row.text if row.text in (None, "average") else "tokens"
    if row.method in ("distill", "soft_ne"):
        wanted = "both"
    if train.text != wanted:
        names = [f"{name}_train" for name, loader in LOADERS.items() if loader.text == wanted]
        raise UserError(
            f"{config.path}: the trainloader does not give the text that this script takes; "
            f"expected one of {', '.join(names)}."
        )
    return train, val
