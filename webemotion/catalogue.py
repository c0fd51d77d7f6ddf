"""Every published script in one table: what it trains or evaluates, on which network, from what.

``mains/<name>.py`` and its siblings are a few lines that name themselves; all they do differently
stands in their row of ``catalogue.yaml``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Variant:
    """How a zero-shot script stands for a category in the word space.

    Attributes:
        kind: ``nearest``, ``vectors``, ``sentence``, ``word_feature`` or ``word_max``.
        classes: key of :data:`webemotion.class_names.CLASSES`, for ``nearest``.
        vectors: key of the configuration that names the word vectors.
        words: key of :data:`webemotion.class_names.WORDS`.
        text: family and class of the text model.
        whole: EMOTIC's whole images of single people, and not person crops.
    """

    kind: str
    classes: str = ""
    vectors: str = ""
    words: str = ""
    text: tuple[str, ...] = ()
    whole: bool = False


@dataclass(frozen=True)
class Script:
    """One published script.

    Attributes:
        does: what it does, in a few words.
        task: ``train``, ``zero_shot`` or ``features``.
        method: key of :data:`webemotion.method.METHODS`; empty unless it trains.
        heads: the network's heads: ``fc``, ``2branch``, ``joint``, ``3branch`` or ``none``.
        text: the frozen text side, key of :data:`webemotion.text_side.SIDES`; None without.
        metric: what validation reports: ``hits``, ``strongest``, ``top1`` or ``map``.
        top_k: the second k of the reported accuracies: a number, ``half`` or None.
        start: how starting weights are read, key of :data:`webemotion.checkpoints.POLICIES`.
        required: keys its configuration must have, beyond ``num_classes``.
        optional: keys it may have, beyond those that every script reads.
        saves: epochs that are written: ``every`` (and the best apart), ``improvements`` alone, or
            ``all_best``: every epoch counts as best.
        saves_text_head: the checkpoint also holds the joint text head, as ``text_state_dict``.
        meant: for a script that cannot start as published, what it presumably meant.
        variant: of a zero-shot script.
    """

    does: str
    task: str = "train"
    method: str = "soft"
    heads: str = "fc"
    text: str | None = None
    metric: str = "hits"
    top_k: int | str | None = None
    start: str = "proper"
    required: tuple[str, ...] = ("trainloader", "valloader")
    optional: tuple[str, ...] = ()
    saves: str = "every"
    saves_text_head: bool = False
    meant: str = ""
    variant: Variant | None = None


@dataclass(frozen=True)
class Loader:
    """What a loader's name stands for.

    Attributes:
        target: a variant of :func:`webemotion.data.target_of`.
        text: ``tokens``, ``average``, ``both`` or None.
        balanced: images are drawn class by class, ``sample_size`` an epoch.
    """

    target: str
    text: str | None = None
    balanced: bool = False


@dataclass(frozen=True)
class Side:
    """A published text model as a script uses it.

    Attributes:
        family, model: see :func:`webemotion.text.models.build`.
        names: what the model returns, in order; a dash for what the script leaves.
    """

    family: str
    model: str
    names: tuple[str, ...]


def row_of(kind: type, values: dict):
    """A row of a table as a dataclass; its lists as tuples."""
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _script(values: dict) -> Script:
    variant = values.get("variant")
    return row_of(Script, {**values, "variant": variant and row_of(Variant, variant)})


_FILE = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
SCRIPTS: dict[str, Script] = {name: _script(row) for name, row in _FILE["scripts"].items()}
"""``<folder>/<script>`` without ``.py`` -> its row."""
LOADERS = {name: row_of(Loader, row) for name, row in _FILE["loaders"].items()}
"""Name without ``_train`` and ``_val`` -> loader."""
SIDES = {name: row_of(Side, row) for name, row in _FILE["text_sides"].items()}
"""Name -> side; ``average``, the mean word vector, needs no model and is read with the images."""
PUBLISHED: dict[str, str] = _FILE["published"]
"""Published configuration -> a script that reads it, or why there is none."""
MADE_BY: dict[str, str] = _FILE["made_by"]
"""Key that names a file or folder -> the command that makes it, with its value as ``{value}``."""
STAGES: dict[str, str] = _FILE["stages"]
"""Stage of the paper -> the command that trains it."""
