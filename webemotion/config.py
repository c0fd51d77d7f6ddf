"""The JSON configuration of a run: every key with its type, its default and what it decides.

Paths are relative to the working directory.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.cli import UserError
from common.files import read_json
from webemotion.catalogue import SCRIPTS, Script
from webemotion.method import Settings

NUMBER = (int, float)
TEXT, WHOLE, SWITCH, OBJECT = (str,), (int,), (bool,), (dict,)
TYPE_NAMES = {
    WHOLE: "a whole number",
    NUMBER: "a number",
    TEXT: "text",
    SWITCH: "true or false",
    (bool, str): "true, false or a path",
    OBJECT: "an object",
}
# Published with paths of the authors' machine in the code; these stand for them.
EMOTIC_CROPS = ("data/webtags/EMOTIC/test.pkl", "data/webtags/EMOTIC/crops")
EMOTIC_WHOLE = ("data/webtags/EMOTIC/test_whole.pkl", "data/webtags/EMOTIC/emotic")


def key(
    types: tuple[type, ...],
    default: Any = None,
    low: float | None = None,
    *,
    neutral: bool = False,
    some: bool = False,
    null_counts: bool = False,
    no_effect: str = "",
) -> Any:
    """A key of the configuration.

    Args:
        types: of its value, besides null.
        default: what a missing key and, unless `null_counts`, null stand for.
        low: smallest value.
        neutral: a run and its continuation may differ in it: it does not decide what is computed.
        some: only scripts with the key in their row of the catalogue read it.
        null_counts: null is a value of its own.
        no_effect: why the key, accepted since it was published, changes nothing.
    """
    about = {"types": types, "low": low, "neutral": neutral or bool(no_effect), "some": some}
    about |= {"null_counts": null_counts, "no_effect": no_effect}
    return dataclasses.field(default=default, metadata=about)


@dataclass(frozen=True)
class Config:
    """A configuration's values, defaults filled in; and `path`, its file.

    `given` are its keys as it has them; `image_size`, `resize` and `depth` are this project's own.
    """

    path: Path
    given: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    name: str | None = key(TEXT, neutral=True)
    ID: str = key(TEXT, "default", neutral=True)
    arch: str = key(TEXT, "resnet50")
    paramname: str | None = key(TEXT, no_effect="the published code does not use it either")
    workers: int = key(WHOLE, 4, 0, neutral=True)
    epochs: int = key(WHOLE, 30, 1, neutral=True)
    start_epoch: int = key(WHOLE, 0, 0)
    batch_size: int = key(WHOLE, 256, 1)
    lr: float = key(NUMBER, 0.001, 0)
    lr_schedule: str | None = key(TEXT, "10, 20, 30", null_counts=True)
    lr_patience: int = key(WHOLE, 10, 0)
    momentum: float = key(NUMBER, 0.9, 0)
    weight_decay: float = key(NUMBER, 1e-5, 0)
    print_freq: int = key(WHOLE, 50, 1, neutral=True)
    resume: str | None = key(TEXT, neutral=True)
    evaluate: bool = key(SWITCH, False, neutral=True)
    pretrained: bool | str = key((bool, str), False, neutral=True)
    num_classes: int | None = key(WHOLE, None, 1)
    freeze: bool = key(SWITCH, False)
    world_size: int = key(WHOLE, 1, 1, no_effect="one process trains")
    dist_url: str | None = key(TEXT, no_effect="one process trains")
    dist_backend: str | None = key(TEXT, no_effect="one process trains")
    seed: int | None = key(WHOLE, None, 0)
    gpu: int | None = key(WHOLE, None, 0, neutral=True)
    device: str | None = key(TEXT, neutral=True)
    save_directory: str | None = key(TEXT, neutral=True)
    data_dir: str | None = key(TEXT, neutral=True)
    train_file: str | None = key(TEXT, neutral=True)
    val_file: str | None = key(TEXT, neutral=True)
    sample_size: int | None = key(WHOLE, None, 1)
    image_size: int = key(WHOLE, 224, 16)
    resize: int | None = key(WHOLE, None, 16)
    depth: str | None = key(TEXT)
    dataloader: str | None = key(TEXT, some=True)
    trainloader: str | None = key(TEXT, some=True)
    valloader: str | None = key(TEXT, some=True)
    dataset: Mapping[str, Any] | None = key(OBJECT, some=True)
    alpha: float = key(NUMBER, Settings.alpha, 0, some=True)
    beta: float = key(NUMBER, Settings.beta, 0, some=True)
    sent_len: int = key(WHOLE, 100, 1, some=True)
    word_dim: int = key(WHOLE, 300, 1, some=True)
    filter_dim: int = key(WHOLE, 300, 1, some=True)
    max_length: int = key(WHOLE, 100, 1, some=True)
    text_ckpt: str | None = key(TEXT, neutral=True, some=True)
    text_embed: str | None = key(TEXT, neutral=True, some=True)
    idx2tag: str | None = key(TEXT, neutral=True, some=True)
    visual_model: str | None = key(TEXT, neutral=True, some=True)
    tag_embeddings: str | None = key(TEXT, some=True)
    emotic_file: str | None = key(TEXT, some=True)
    emotic_dir: str | None = key(TEXT, some=True)
    save_best_only: bool = key(SWITCH, False, some=True)
    ckpts_dir: str | None = key(TEXT, some=True)
    individual_feat: bool = key(SWITCH, False, some=True)
    rel_path_depth: int | None = key(WHOLE, None, 0, some=True)

    def decisive(self) -> dict[str, Any]:
        """The values of the keys that a continuation must share."""
        names = [name for name, about in KEYS.items() if not about.metadata["neutral"]]
        return {name: getattr(self, name) for name in names}

    def idle(self) -> dict[str, str]:
        """Keys that are set and have no effect -> why."""
        reasons = {name: about.metadata["no_effect"] for name, about in KEYS.items()}
        return {n: why for n, why in reasons.items() if why and getattr(self, n) not in (None, 1)}


KEYS = {field.name: field for field in dataclasses.fields(Config) if field.metadata}


def read_by(script: Script) -> set[str]:
    """The keys that a script reads."""
    everywhere = {name for name, about in KEYS.items() if not about.metadata["some"]}
    return everywhere | {*script.required, *script.optional}


def load(path: str | Path, script: str, changes: dict[str, Any] | None = None) -> Config:
    """Read and check the configuration of a script.

    Args:
        path: the JSON file.
        script: key of :data:`webemotion.catalogue.SCRIPTS`.
        changes: keys that are set whatever the file says.

    Raises:
        UserError: no readable JSON object, an unknown key, a value of the wrong type or range, or
            a key missing that the script needs.
    """
    path, row = Path(path), SCRIPTS[script]
    given = {**_read(path), **(changes or {})}
    for name, value in given.items():
        _check(name, value, path)
    values = {k: v for k, v in given.items() if v is not None or KEYS[k].metadata["null_counts"]}
    if "dataset" in values:
        values = {**_older_form(values["dataset"], path), **values}
    needed = ["num_classes"] if row.task == "train" else []
    needed += [*row.required, *_named_by_loaders(values, row)]
    lacking = [name for name in dict.fromkeys(needed) if name not in values]
    if lacking:
        raise UserError(f"{path} lacks {', '.join(lacking)}, which {script} needs.")
    if row.variant and row.variant.kind != "nearest":
        values = {**values, **_crops(values, row)}
    values.setdefault("name", path.stem)
    values.setdefault("resize", round(values.get("image_size", 224) * 256 / 224))
    return Config(path=path, given=given, **values)


def not_read(config: Config, row: Script) -> list[str]:
    """Keys of another value than their default that a script does not read."""
    others = KEYS.keys() - read_by(row) - {"dataloader"}
    return sorted(k for k in others if getattr(config, k) != KEYS[k].default)


def _read(path: Path) -> dict[str, Any]:
    values = read_json(path, "a configuration, for --config_file")
    if not isinstance(values, dict):
        raise UserError(f"--config_file {path} holds no JSON object of keys and values.")
    return values


def _check(name: str, value: Any, path: Path) -> None:
    if name not in KEYS:
        near = difflib.get_close_matches(name, KEYS, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(KEYS)}."
        raise UserError(f"{path}: '{name}' is no known key{hint}")
    types, low = (KEYS[name].metadata[about] for about in ("types", "low"))
    if value is None:
        return
    fits = isinstance(value, types) and (bool in types or not isinstance(value, bool))
    if not fits:
        raise UserError(f"{path}: '{name}' is {value!r}, expected {TYPE_NAMES[types]} or null.")
    if low is not None and not value >= low:
        raise UserError(f"{path}: '{name}' is {value}, expected {low} or more.")


def _older_form(dataset: dict[str, Any], path: Path) -> dict[str, str]:
    """The keys that a ``dataset`` object stands for: loader, folder and, by split, the lists."""
    parts = dataset.get("args")
    needed = ("annotation_file", "data_dir")
    fits = isinstance(parts, dict) and all(isinstance(parts.get(k), str) for k in needed)
    if not (fits and isinstance(dataset.get("name"), str) and "{}" in parts["annotation_file"]):
        raise UserError(
            f"{path}: 'dataset' must be {{name, args: {{data_dir, annotation_file}}}} with '{{}}' "
            "in annotation_file where train and val differ."
        )
    parts_of = ("train", "val")
    lists = {f"{k}_file": parts["annotation_file"].replace("{}", k) for k in parts_of}
    return {"dataloader": dataset["name"], "data_dir": parts["data_dir"], **lists}


def _named_by_loaders(values: dict[str, Any], row: Script) -> tuple[str, ...]:
    """Keys that the loaders of a training script need beside their own names."""
    if row.task != "train":
        return ()
    needed = ("train_file", "val_file", "data_dir")
    return (*needed, "sample_size") if "categorical" in str(values.get("trainloader")) else needed


def _crops(values: dict[str, Any], row: Script) -> dict[str, str]:
    """EMOTIC's list and folder, of crops or whole images, wherever the configuration names them."""
    file, folder = EMOTIC_WHOLE if row.variant.whole else EMOTIC_CROPS
    own = values if "val_file" in row.required else {}
    return {
        "val_file": values.get("emotic_file", own.get("val_file", file)),
        "data_dir": values.get("emotic_dir", own.get("data_dir", folder)),
    }
