"""The JSON configuration of a run: typed keys, defaults, and the files it names.

Paths are relative to the working directory.
"""

from __future__ import annotations

import argparse
import difflib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.cli import UserError
from webemotion.catalogue import SCRIPTS, Script

log = logging.getLogger(__name__)

NUMBER = (int, float)
TYPE_NAMES = {
    (int,): "a whole number",
    NUMBER: "a number",
    (str,): "text",
    (bool,): "true or false",
    (bool, str): "true, false or a path",
    (dict,): "an object",
}


@dataclass(frozen=True)
class Key:
    """One key of a configuration.

    Attributes:
        types: of its value, besides null.
        default: what a missing key and, unless `null_counts`, null stand for.
        low: smallest value.
        null_counts: null is a value of its own.
    """

    types: tuple[type, ...]
    default: Any = None
    low: float | None = None
    null_counts: bool = False


COMMON: dict[str, Key] = {
    "name": Key((str,)),
    "ID": Key((str,), "default"),
    "arch": Key((str,), "resnet50"),
    "paramname": Key((str,)),
    "workers": Key((int,), 4, 0),
    "epochs": Key((int,), 30, 1),
    "start_epoch": Key((int,), 0, 0),
    "batch_size": Key((int,), 256, 1),
    "lr": Key(NUMBER, 0.001, 0),
    "lr_schedule": Key((str,), "10, 20, 30", null_counts=True),
    "lr_patience": Key((int,), 10, 0),
    "momentum": Key(NUMBER, 0.9, 0),
    "weight_decay": Key(NUMBER, 1e-5, 0),
    "print_freq": Key((int,), 50, 1),
    "resume": Key((str,)),
    "evaluate": Key((bool,), False),
    "pretrained": Key((bool, str), False),
    "num_classes": Key((int,), None, 1),
    "freeze": Key((bool,), False),
    "world_size": Key((int,), 1, 1),
    "dist_url": Key((str,)),
    "dist_backend": Key((str,)),
    "seed": Key((int,), None, 0),
    "gpu": Key((int,), None, 0),
    "device": Key((str,)),
    "save_directory": Key((str,)),
    "data_dir": Key((str,)),
    "train_file": Key((str,)),
    "val_file": Key((str,)),
    "sample_size": Key((int,), None, 1),
    "image_size": Key((int,), 224, 16),
    "resize": Key((int,), None, 16),
    "depth": Key((str,)),
}
"""Keys that every script reads; the last three are this project's own."""

EXTRA: dict[str, Key] = {
    "dataloader": Key((str,)),
    "trainloader": Key((str,)),
    "valloader": Key((str,)),
    "dataset": Key((dict,)),
    "alpha": Key(NUMBER, 1.0, 0),
    "beta": Key(NUMBER, 1.0, 0),
    "sent_len": Key((int,), 100, 1),
    "word_dim": Key((int,), 300, 1),
    "filter_dim": Key((int,), 300, 1),
    "max_length": Key((int,), 100, 1),
    "text_ckpt": Key((str,)),
    "text_embed": Key((str,)),
    "idx2tag": Key((str,)),
    "visual_model": Key((str,)),
    "tag_embeddings": Key((str,)),
    "emotic_file": Key((str,)),
    "emotic_dir": Key((str,)),
    "save_best_only": Key((bool,), False),
    "ckpts_dir": Key((str,)),
    "individual_feat": Key((bool,), False),
    "rel_path_depth": Key((int,), 1, 0),
}
"""Keys that some scripts read."""

KEYS = COMMON | EXTRA
UNUSED = {
    "world_size": "one process trains",
    "dist_url": "one process trains",
    "dist_backend": "one process trains",
    "paramname": "the published code does not use it either",
}

SPLITS = {"train": "train", "val": "test"}
"""What ``train_file`` and ``val_file`` are called in the file names of a ``dataset`` object."""

TWIN = "python -m common.datasets twin webtags --out data/webtags"
SCRIPT = "python webemotion/{}.py --config_file webemotion/scripts/{}_config.json"
TAGS = SCRIPT.format(
    "mains/main_mclss_cross_entropy_v3",
    "Adobe_Selected690_MultiClass_CrossEntropy_tag_based_v3",
)
BRANCHES = SCRIPT.format("mains/main_mclss_2Branch_cosine", "Adobe_Selected690_2Branch")
JOINT = SCRIPT.format("mains_exp/main_mclss_2Branch_Joint", "Adobe_Selected690_Joint")
MADE_BY = {
    **dict.fromkeys(("train_file", "val_file", "data_dir", "text_embed", "idx2tag"), TWIN),
    **dict.fromkeys(("emotic_file", "emotic_dir"), TWIN),
    "text_ckpt": (
        "python -m webemotion.text.train --num_classes 690 --train_file "
        "data/webtags/data_v6_690_xmas/CNNsplit_tag_label_tag_full_train.pkl "
        "--tag2idx data/webtags/vocabulary/tag2idx.pkl --out {value}"
    ),
    "tag_embeddings": "python -m webemotion.text.embed --text_ckpt {text_ckpt} --out {value}",
}
"""Key that names a file or folder -> the command that makes it."""
TEXT_MODEL = "models/model_best.pth.tar"
"""The text model that stands for one where a configuration names none."""
FILES = ("train_file", "val_file", "data_dir", "text_ckpt", "text_embed", "idx2tag")
FILES += ("tag_embeddings", "visual_model", "resume", "emotic_file", "emotic_dir")


class Config(argparse.Namespace):
    """A configuration's values as attributes, every key of :data:`KEYS`; and `path`, its file."""


def load(path: str | Path, script: str, changes: dict[str, Any] | None = None) -> Config:
    """Read and check the configuration of a script.

    Args:
        path: the JSON file.
        script: key of :data:`webemotion.catalogue.SCRIPTS`.
        changes: keys that are set whatever the file says.

    Returns:
        Every known key, defaults filled in.

    Raises:
        UserError: no readable JSON object, an unknown key, a value of the wrong type or range, or
            a key missing that the script needs.
    """
    path = Path(path)
    given = {**_read(path), **(changes or {})}
    for name, value in given.items():
        _check(name, value, path)
    row = SCRIPTS[script]
    if given.get("dataset") is not None:
        given = {**_older_form(given["dataset"], path), **given}
    lacking = [k for k in ("num_classes", *row.required) if given.get(k) is None]
    if row.task != "train" and "num_classes" in lacking:
        lacking.remove("num_classes")
    lacking += [k for k in _named_by_loaders(given, row) if given.get(k) is None]
    if lacking:
        raise UserError(f"{path} lacks {', '.join(dict.fromkeys(lacking))}, which {script} needs.")
    read = {*COMMON, *row.required, *row.optional}
    idle = sorted(k for k in given.keys() - read - {"dataloader"} if given[k] is not None)
    if idle:
        log.info("%s: %s is not read by %s", path, ", ".join(idle), script)
    config = Config(path=path)
    for name, key in KEYS.items():
        value = given.get(name, key.default)
        keep_null = key.null_counts and name in given
        setattr(config, name, key.default if value is None and not keep_null else value)
    config.name = config.name or path.stem.replace("_config", "")
    config.resize = config.resize or round(config.image_size * 256 / 224)
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--config_file {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UserError(f"--config_file {path} is no text file; expected JSON.") from None
    except json.JSONDecodeError as error:
        raise UserError(
            f"--config_file {path} is not valid JSON (line {error.lineno}: {error.msg})."
        ) from None
    if not isinstance(values, dict):
        raise UserError(f"--config_file {path} holds no JSON object of keys and values.")
    return values


def _check(name: str, value: Any, path: Path) -> None:
    if name not in KEYS:
        near = difflib.get_close_matches(name, KEYS, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(KEYS)}."
        raise UserError(f"{path}: '{name}' is no known key{hint}")
    key = KEYS[name]
    if value is None:
        return
    fits = isinstance(value, key.types) and (bool in key.types or not isinstance(value, bool))
    if not fits:
        raise UserError(f"{path}: '{name}' is {value!r}, expected {TYPE_NAMES[key.types]} or null.")
    if key.low is not None and not value >= key.low:
        raise UserError(f"{path}: '{name}' is {value}, expected {key.low} or more.")


def _older_form(dataset: dict[str, Any], path: Path) -> dict[str, str]:
    """The keys that a ``dataset`` object stands for: loader, folder and, by split, the lists."""
    parts = dataset.get("args")
    needed = ("annotation_file", "data_dir")
    fits = isinstance(parts, dict) and all(isinstance(parts.get(k), str) for k in needed)
    if not (fits and isinstance(dataset.get("name"), str) and "{}" in parts["annotation_file"]):
        raise UserError(
            f"{path}: 'dataset' must be {{name, args: {{data_dir, annotation_file}}}} with '{{}}' "
            "in annotation_file where train and test differ."
        )
    lists = {f"{k}_file": parts["annotation_file"].replace("{}", v) for k, v in SPLITS.items()}
    return {"dataloader": dataset["name"], "data_dir": parts["data_dir"], **lists}


def _named_by_loaders(given: dict[str, Any], script: Script) -> tuple[str, ...]:
    """Keys that the loaders of a training script need beside their own names."""
    if script.task != "train":
        return ()
    needed = ("train_file", "val_file", "data_dir")
    return (*needed, "sample_size") if "categorical" in str(given.get("trainloader")) else needed


def require_files(config: Config, names: Iterable[str], script: str) -> None:
    """Refuse to start without a file or folder that the configuration names.

    Args:
        names: keys in the order in which they are looked at.

    Raises:
        UserError: names the first one that is not there and the command that makes it.
    """
    for name in names:
        value = getattr(config, name, None)
        if value is None or Path(value).exists():
            continue
        raise UserError(
            f"{name} of {config.path}, {value}, is not there; make it with "
            f"`{_maker(config, name, value, script)}`{_or_real(name)}."
        )


def _maker(config: Config, name: str, value: str, script: str) -> str:
    if name in ("resume", "visual_model"):
        folder = Path(value).parent
        made = folder / "model_best.pth.tar"
        copied = "" if Path(value) == made else f" && cp {made} {value}"
        return f"{_stage_before(script)} --set save_directory={folder}{copied}"
    if name == "tag_embeddings":
        text = config.text_ckpt or TEXT_MODEL
        command = MADE_BY[name].format(text_ckpt=text, value=value)
        trained = "" if Path(text).exists() else _maker(config, "text_ckpt", text, script) + " && "
        return trained + command
    family = " --family v2 --model TextCNN_NLT" if SCRIPTS[script].text == "transformed" else ""
    return MADE_BY[name].format(value=value) + (family if name == "text_ckpt" else "")


def _stage_before(script: str) -> str:
    """The command whose checkpoint a script starts from."""
    row = SCRIPTS[script]
    if row.task == "train" and row.text:
        return TAGS
    if row.heads == "joint":
        return JOINT
    return BRANCHES if row.heads == "2branch" or "2Branch" in script else TAGS


def _or_real(name: str) -> str:
    if MADE_BY.get(name) == TWIN:
        return " (a drawn stand-in), or give the path of your own"
    return ", or give the path of your own"
